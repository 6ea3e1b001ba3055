/**
 * Every key of the schema as a flat list: what "did you mean", the notices, the errors and the
 * reference page are made from.
 */
import type * as z from 'zod';
import { didYouMean, nearestPaths, type Problems } from './problems.js';
import { type Fate, meanings } from './schema/fields.js';
import { schema } from './schema/root.js';

export interface KeyInfo {
  path: string;
  fate: Fate | 'block';
  /** The type and range in words: `a number above 0 and at most 1`. */
  expected: string;
  /** The default; undefined without one. */
  fallback: unknown;
  doc: string;
  absent: string | undefined;
  instead: string | undefined;
  /** True for a block without effect, below which any key passes. */
  open: boolean;
}

/** What the walk needs to see of zod's schema objects. */
interface Definition {
  type: string;
  innerType?: z.ZodType;
  defaultValue?: unknown;
  shape?: Record<string, z.ZodType>;
  catchall?: z.ZodType;
}

let keys: Map<string, KeyInfo> | undefined;

/** All keys and blocks by their dotted path, in the order of the schema. */
export function catalogue(): ReadonlyMap<string, KeyInfo> {
  if (keys === undefined) {
    keys = new Map();
    walk(schema, '', keys);
  }
  return keys;
}

/** The key that a path names, or the key without effect that it lies in. */
export function known(path: readonly string[]): KeyInfo | undefined {
  const all = catalogue();
  for (let length = path.length; length > 0; length--) {
    const info = all.get(path.slice(0, length).join('.'));
    if (info !== undefined)
      return length === path.length || info.fate === 'inert' ? info : undefined;
  }
  return undefined;
}

/** Reports a key that is not in the schema: neither a file nor `+key=value` can bring it in. */
export function unknownKey(problems: Problems, where: string, path: readonly string[]): void {
  const key = path.join('.');
  const parent = path.slice(0, -1).join('.');
  const siblings = [...catalogue().values()]
    .filter(({ path, fate }) => path.startsWith(`${parent}.`) && fate !== 'inert')
    .map(({ path }) => path.slice(parent.length + 1))
    .filter((name) => !name.includes('.'));
  const list = siblings.length > 0 ? ` (\`${parent}\` has ${siblings.join(', ')})` : '';
  problems.add(
    'ERR_DSRL_CONFIG_UNKNOWN_KEY',
    `${where}: unknown key \`${key}\``,
    didYouMean(nearestPaths(key, [...catalogue().keys()]), `take it out${list}`),
  );
}

function walk(type: z.ZodType, path: string, into: Map<string, KeyInfo>): void {
  let inner = type;
  let fallback: unknown;
  const meaning = meanings.get(type);
  let expected = type.description;
  let nullable = false;
  for (let def = definition(inner); def.innerType !== undefined; def = definition(inner)) {
    if (def.type === 'default') fallback = def.defaultValue;
    if (def.type === 'nullable') nullable = true;
    inner = def.innerType;
    expected ??= inner.description;
  }
  const { shape, catchall } = definition(inner);
  if (nullable && shape === undefined) expected = `null or ${expected}`;
  if (path !== '') {
    into.set(path, {
      path,
      fate: meaning?.fate ?? 'block',
      expected: expected ?? 'any value',
      fallback,
      doc: meaning?.doc ?? '',
      absent: meaning?.absent,
      instead: meaning?.instead,
      open: catchall !== undefined && definition(catchall).type === 'unknown',
    });
  }
  for (const [key, child] of Object.entries(shape ?? {})) {
    walk(child, path === '' ? key : `${path}.${key}`, into);
  }
}

function definition(type: z.ZodType): Definition {
  return type.def as unknown as Definition;
}
