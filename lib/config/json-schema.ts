/**
 * The schema as JSON Schema, for editors: completion, hover texts and red lines in a configuration
 * file. Draft 7, since that is what YAML's language server reads; of later ones it passes over
 * parts. A file is a part of a configuration, so nothing in it is required, and any value may be an
 * interpolation.
 */
import * as z from 'zod';
import { meanings } from './schema/fields.js';
import { schema } from './schema/root.js';

/** What this reads and writes of a JSON Schema. */
interface Node {
  [key: string]: unknown;
  properties?: Record<string, Node>;
  items?: Node | Node[];
  required?: string[];
  description?: string;
}

const INTERPOLATION = { type: 'string', pattern: '\\$\\{' } as const;

/** Keys of Hydra's, which are no keys of a configuration. */
const HYDRA: Record<string, Node> = {
  defaults: {
    type: 'array',
    description: 'files to start from, in order: `env/tabletop@env.train`, `_self_`, ...',
  },
  hydra: { type: 'object', description: "Hydra's own settings; `searchpath` is read" },
};

/** The JSON Schema of a configuration file. */
export function configJsonSchema(): Record<string, unknown> {
  const whole = z.toJSONSchema(schema, {
    target: 'draft-7',
    io: 'input',
    unrepresentable: 'any',
    override({ zodSchema, jsonSchema }) {
      const meaning = meanings.get(zodSchema as unknown as z.ZodType);
      if (meaning === undefined) return;
      const { description } = jsonSchema;
      const effect = meaning.fate === 'inert' ? ' (no effect here)' : '';
      const expected = description === undefined ? '' : `; ${description}`;
      jsonSchema.description = `${meaning.doc}${effect}${expected}`;
    },
  }) as Node;
  const { properties = {}, ...top } = withoutRequired(whole);
  return {
    ...top,
    title: 'a configuration of dsrl-native',
    properties: { ...HYDRA, ...mapValues(properties, partial) },
  };
}

/** A key's schema, as it may stand in a file. */
function partial(node: Node): Node {
  const { description, ...rest } = withoutRequired(node);
  const shape = { ...rest };
  if (shape.properties !== undefined) shape.properties = mapValues(shape.properties, partial);
  if (shape.items !== undefined) {
    shape.items = Array.isArray(shape.items) ? shape.items.map(partial) : partial(shape.items);
  }
  // A key without effect takes anything already.
  const isOpen = Object.keys(shape).every((name) => name === 'default');
  const type: Node = isOpen ? shape : { anyOf: [shape, INTERPOLATION] };
  return description === undefined ? type : { description, ...type };
}

function withoutRequired({ required: _, ...node }: Node): Node {
  return node;
}

function mapValues(nodes: Record<string, Node>, change: (node: Node) => Node) {
  return Object.fromEntries(Object.entries(nodes).map(([name, node]) => [name, change(node)]));
}
