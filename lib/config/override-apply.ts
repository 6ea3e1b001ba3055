import { known, unknownKey } from './catalogue.js';
import type { Override } from './override-grammar.js';
import { didYouMean, nearestPaths, type Problems } from './problems.js';
import {
  fromPlain,
  lookup,
  type MapNode,
  type Origin,
  place,
  scalar,
  type TreeNode,
  toPlain,
} from './tree.js';

/** Lays value overrides over the composed tree, in the order they were typed. */
export function applyOverrides(
  root: MapNode,
  overrides: readonly Override[],
  problems: Problems,
): void {
  for (const override of overrides) {
    // Hydra's own settings (its run folder, its logging) have no counterpart here.
    if (/^hydra(\.|$)/.test(override.key)) continue;
    const wrong = (message: string, hint: string) => {
      problems.add(
        'ERR_DSRL_CONFIG_OVERRIDE',
        `the override \`${override.line}\`: ${message}`,
        hint,
      );
    };
    if (override.action === 'delete') remove(root, override, wrong);
    else assign(root, override, problems, wrong);
  }
}

type Wrong = (message: string, hint: string) => void;

function assign(root: MapNode, override: Override, problems: Problems, wrong: Wrong): void {
  const { key, action, line } = override;
  const path = key.split('.');
  const present = lookup(root, path);
  if (action === 'set') {
    const absent = absentKey(present, override.value, path);
    if (absent !== undefined && known(absent) === undefined) {
      unknownKey(problems, `the override \`${line}\``, absent);
      return;
    }
    if (absent !== undefined) {
      wrong(`there is no key \`${absent.join('.')}\` to change`, `to add it type \`+${line}\``);
      return;
    }
  }
  if (action === 'add' && present !== undefined && isSet(present) && !isContainer(override)) {
    wrong(
      `\`${key}\` is there already`,
      `type \`${line.slice(1)}\` to change it, or \`+${line}\` to have it either way`,
    );
    return;
  }
  const origin: Origin = { where: `the override \`${line}\``, packaged: false };
  const blocked = place(root, path, { key: origin, node: nodeOf(override, origin) });
  if (blocked === undefined) return;
  wrong(`\`${blocked}\` holds a value and no keys`, `set \`${blocked}\` itself`);
}

/**
 * The first key that an override would have to add, which takes a `+`. A key of the schema is there
 * although no file mentions it; what lies below a block without effect is not.
 */
function absentKey(
  present: TreeNode | undefined,
  value: Override['value'],
  path: readonly string[],
): readonly string[] | undefined {
  const info = known(path);
  const isSchemaKey = info?.path === path.join('.');
  if (present === undefined && !isSchemaKey) return path;
  // What is no block takes the value as a whole.
  const isBlock = present === undefined ? info?.fate === 'block' : present.kind === 'map';
  if (!(value instanceof Map) || !isBlock) return undefined;
  for (const [key, child] of value) {
    const below = present && lookup(present, [key]);
    const absent = absentKey(below, child, [...path, key]);
    if (absent !== undefined) return absent;
  }
  return undefined;
}

function isSet(node: TreeNode): boolean {
  return !(node.kind === 'scalar' && node.value === null);
}

function isContainer({ value }: Override): boolean {
  return Array.isArray(value) || value instanceof Map;
}

function nodeOf({ value, text }: Override, origin: Origin): TreeNode {
  if (typeof value === 'number') return scalar(value, origin, text);
  return fromPlain(value, origin);
}

function remove(root: MapNode, override: Override, wrong: Wrong): void {
  const { key, value } = override;
  const path = key.split('.');
  const parent = lookup(root, path.slice(0, -1));
  const last = path.at(-1) as string;
  const present = lookup(root, path);
  if (present === undefined || parent === undefined || parent.kind === 'scalar') {
    wrong(
      `there is no key \`${key}\` to delete`,
      didYouMean(nearestPaths(key, [...paths(root)]), 'leave it out'),
    );
    return;
  }
  if (value !== undefined && !equal(present, value)) {
    const found = present.kind === 'scalar' ? present.text : 'a block or a list';
    wrong(`\`${key}\` is ${found}`, `type \`~${key}\` to delete it whatever it is`);
    return;
  }
  if (parent.kind === 'map') parent.entries.delete(last);
  else parent.items.splice(Number(last), 1);
}

function equal(node: TreeNode, value: Override['value']): boolean {
  const other = toPlain(fromPlain(value, node.origin));
  return JSON.stringify(toPlain(node)) === JSON.stringify(other);
}

/** Every key and block that a tree holds. */
function* paths(node: TreeNode, prefix = ''): Generator<string> {
  if (node.kind !== 'map') return;
  for (const [key, entry] of node.entries) {
    const path = prefix === '' ? key : `${prefix}.${key}`;
    yield path;
    yield* paths(entry.node, path);
  }
}
