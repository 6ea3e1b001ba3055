import { fail } from './problems.js';
import type { TreeNode } from './tree.js';

/** One entry of a defaults list. */
export type DefaultsItem =
  | { kind: 'self'; where: string }
  | {
      /** `file`: named outright (`model/pi0@actor.model`); `group`: a choice (`model: pi0`). */
      kind: 'file' | 'group';
      group: string;
      absolute: boolean;
      package: string | undefined;
      names: string[];
      optional: boolean;
      override: boolean;
      where: string;
    };

/** What stands at the end of a list that does not place the file itself: the file wins. */
export const SELF: DefaultsItem = { kind: 'self', where: '' };

const KEY = /^(?:(optional|override)\s+)?(?:(optional|override)\s+)?(\/?)([^@\s]+)(?:@(\S*))?$/;

/** Reads an entry: `_self_`, `group/name@package`, or `[optional|override] group@package: name`. */
export function parseItem(node: TreeNode): DefaultsItem {
  const where = node.origin.where;
  if (node.kind === 'scalar' && typeof node.value === 'string') {
    if (node.value === '_self_') return { kind: 'self', where };
    const { path, ...rest } = parseKey(node.value, where);
    const slash = path.lastIndexOf('/');
    const name = path.slice(slash + 1).replace(/\.yaml$/, '');
    const group = slash < 0 ? '' : path.slice(0, slash);
    return { kind: 'file', group, names: [literal(name, where)], ...rest, where };
  }
  const [pair, ...more] = node.kind === 'map' ? [...node.entries] : [];
  if (pair === undefined || more.length > 0) malformed(where);
  const { path, ...rest } = parseKey(pair[0], where);
  return { kind: 'group', group: path, names: namesOf(pair[1].node, where), ...rest, where };
}

/** Reads the `group@package` of an override that adds an entry (`+group@package=name`). */
export function appendedItem(
  group: string,
  packageName: string | undefined,
  names: string[],
  where: string,
): DefaultsItem {
  const place = { absolute: false, package: packageName, optional: false, override: false };
  return { kind: 'group', group, names, ...place, where };
}

function parseKey(text: string, where: string) {
  const match = KEY.exec(text.trim());
  if (match === null) malformed(where);
  const [, first, second, slash, path = '', packageName] = match;
  return {
    path: literal(path, where),
    absolute: slash === '/',
    package: packageName,
    optional: first === 'optional' || second === 'optional',
    override: first === 'override' || second === 'override',
  };
}

function namesOf(node: TreeNode, where: string): string[] {
  if (node.kind === 'list') return node.items.flatMap((item) => namesOf(item, where));
  if (node.kind === 'scalar' && node.value === null) return [];
  if (node.kind !== 'scalar') malformed(where);
  return [literal(node.text.replace(/\.yaml$/, ''), where)];
}

function literal(text: string, where: string): string {
  if (!text.includes('${')) return text;
  fail(
    'ERR_DSRL_CONFIG_DEFAULTS',
    `${where}: defaults: interpolations are not read in a defaults list`,
    'write the name itself',
  );
}

function malformed(where: string): never {
  fail(
    'ERR_DSRL_CONFIG_DEFAULTS',
    `${where}: defaults: an entry is a name or one \`group: name\``,
    'for example `- env/tabletop@env.train`, `- model@actor.model: pi0` or `- _self_`',
  );
}
