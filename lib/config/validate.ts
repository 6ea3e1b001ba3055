import { catalogue, type KeyInfo, unknownKey } from './catalogue.js';
import { FOLLOWING } from './dependent-defaults.js';
import type { Problems } from './problems.js';
import { type Config, schema } from './schema/root.js';
import {
  COMPUTED,
  deepest,
  lookup,
  lookupEntry,
  type MapNode,
  type TreeNode,
  toPlain,
} from './tree.js';

/** What this reads of zod's issues. */
interface Issue {
  code: string;
  path: PropertyKey[];
  keys?: string[];
}

/**
 * Holds the tree against the schema. Every problem is reported with its place; undefined if there
 * was one.
 *
 * @param broken paths of values that failed before (an interpolation), about which enough is said
 */
export function checkSchema(
  root: MapNode,
  broken: readonly string[],
  problems: Problems,
): Config | undefined {
  const result = schema.safeParse(toPlain(root), { jitless: true });
  if (result.success) return result.data;
  for (const issue of result.error.issues as Issue[]) {
    const path = issue.path.map(String);
    if (broken.some((other) => `${path.join('.')}.`.startsWith(`${other}.`))) continue;
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys ?? []) reportUnknown(root, [...path, key], problems);
    } else {
      reportValue(root, path, problems);
    }
  }
  return undefined;
}

function reportUnknown(root: MapNode, path: string[], problems: Problems): void {
  const entry = lookupEntry(root, path);
  unknownKey(problems, entry?.key.where ?? root.origin.where, path);
}

function reportValue(root: MapNode, path: string[], problems: Problems): void {
  const info = infoOf(path);
  const key = info?.path ?? path.join('.');
  const expected = info?.expected ?? 'another value';
  const node = lookup(root, path);
  if (node === undefined && lookup(root, key.split('.')) === undefined) {
    if (FOLLOWING.includes(key)) return;
    problems.add(
      'ERR_DSRL_CONFIG_MISSING_KEY',
      `${placeOf(deepest(root, path), root)}: ${key} is missing: ${expected}`,
      info?.instead ?? `add it to the file, or type \`${key}=...\``,
    );
    return;
  }
  const place = node ?? deepest(root, path);
  if (place.origin.copied) return;
  const whole = lookup(root, key.split('.')) ?? place;
  const inside = whole === place ? '' : ` in ${show(whole)}`;
  const where = place.origin.where;
  const found = `${where}: ${key}: expected ${expected}, found ${show(place)}${inside}`;
  if (info?.fate === 'fixed') {
    problems.add('ERR_DSRL_CONFIG_REFUSED_VALUE', found, info.instead ?? 'leave it out');
  } else {
    problems.add('ERR_DSRL_CONFIG_INVALID_VALUE', found, hintFor(key, info, place));
  }
}

/** Where a node was written; the file's beginning for one that was not. */
function placeOf(node: TreeNode, root: MapNode): string {
  // By its text: a copied default has an origin of its own.
  const { where } = node.origin;
  return where === COMPUTED.where ? root.origin.where : where;
}

/** The key that a path names, or that the element of a list at that path belongs to. */
function infoOf(path: readonly string[]): KeyInfo | undefined {
  for (let length = path.length; length > 0; length--) {
    const info = catalogue().get(path.slice(0, length).join('.'));
    if (info !== undefined) return info;
  }
  return undefined;
}

function hintFor(key: string, info: KeyInfo | undefined, node: TreeNode): string {
  if (node.kind === 'scalar' && typeof node.value === 'string' && node.value.trim() !== '') {
    const bare = Number(node.value);
    if (!Number.isNaN(bare) && info?.expected.includes('number')) {
      return `it is a text; write the number without quotes (or \${oc.decode:...} around it)`;
    }
  }
  if (info?.fate === 'block') return `give its keys one by one: \`${key}.<key>=...\``;
  if (node.kind === 'scalar' && Number(node.value) > Number.MAX_SAFE_INTEGER) {
    return `the largest whole number is ${Number.MAX_SAFE_INTEGER}`;
  }
  if (info === undefined || info.fallback === undefined || info.fallback === null) {
    return `type \`${key}=...\` with ${info?.expected ?? 'another value'}`;
  }
  return `the default is \`${key}=${shown(info.fallback)}\``;
}

/** A value as an error shows it. */
function show(node: TreeNode): string {
  if (node.kind === 'map') return 'a block of keys';
  if (node.kind === 'list') return clip(shown(toPlain(node)));
  return typeof node.value === 'string' ? clip(`the text "${node.value}"`) : node.text;
}

function clip(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** A value in the spelling of an override. */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(shown).join(',')}]`;
  if (value === true) return 'True';
  return value === false ? 'False' : String(value);
}
