/**
 * The tree that composition works on: YAML's maps, lists and scalars, each with the place it was
 * written at, so that an error found late (a range, a conflict) can still point at a line.
 *
 * Maps are JavaScript Maps: a key such as `__proto__` in somebody's file is then a key like any
 * other.
 */

/** Where a value was written. */
export interface Origin {
  /** `file.yaml:31:7`, or ``the override `gamma=2` ``. */
  where: string;
  /** True for a file of this package: no notice is given about what the user did not write. */
  packaged: boolean;
  /** True if the value was copied from another key, as a default. */
  copied?: true;
}

export type Scalar = string | number | boolean | null;

export interface ScalarNode {
  kind: 'scalar';
  value: Scalar;
  /** The text it was written as: `3.0e-4`. Interpolation into a longer text keeps this spelling. */
  text: string;
  origin: Origin;
}

export interface ListNode {
  kind: 'list';
  items: TreeNode[];
  origin: Origin;
}

export interface MapNode {
  kind: 'map';
  entries: Map<string, Entry>;
  origin: Origin;
}

export interface Entry {
  key: Origin;
  node: TreeNode;
}

export type TreeNode = ScalarNode | ListNode | MapNode;

/** A value that was computed here, written at no place of the user's. */
export const COMPUTED: Origin = { where: 'computed', packaged: true };

export function scalar(value: Scalar, origin: Origin, text = scalarText(value)): ScalarNode {
  return { kind: 'scalar', value, text, origin };
}

export function emptyMap(origin: Origin): MapNode {
  return { kind: 'map', entries: new Map(), origin };
}

/** Booleans and null in the spelling of the files we read (Python's). */
export function scalarText(value: Scalar): string {
  if (value === true) return 'True';
  if (value === false) return 'False';
  return value === null ? 'null' : String(value);
}

export function clone(node: TreeNode): TreeNode {
  switch (node.kind) {
    case 'scalar':
      return { ...node };
    case 'list':
      return { ...node, items: node.items.map(clone) };
    case 'map': {
      const entries = new Map<string, Entry>();
      for (const [key, entry] of node.entries) {
        entries.set(key, { key: entry.key, node: clone(entry.node) });
      }
      return { ...node, entries };
    }
  }
}

/** Lays `source` over `target`: maps merge key by key, everything else is replaced. */
export function mergeInto(target: MapNode, source: MapNode): void {
  for (const [key, entry] of source.entries) {
    const present = target.entries.get(key);
    if (present?.node.kind === 'map' && entry.node.kind === 'map') {
      mergeInto(present.node, entry.node);
      present.key = entry.key;
    } else {
      target.entries.set(key, { key: entry.key, node: clone(entry.node) });
    }
  }
}

/** The child of a node by name, or by index in a list. */
export function childOf(node: TreeNode, segment: string): TreeNode | undefined {
  if (node.kind === 'map') return node.entries.get(segment)?.node;
  if (node.kind === 'list' && /^\d+$/.test(segment)) return node.items[Number(segment)];
  return undefined;
}

export function lookup(root: TreeNode, path: readonly string[]): TreeNode | undefined {
  let node: TreeNode | undefined = root;
  for (const segment of path) {
    if (node === undefined) return undefined;
    node = childOf(node, segment);
  }
  return node;
}

/** The entry (with the place of its key) at a path, if its parent is a map. */
export function lookupEntry(root: TreeNode, path: readonly string[]): Entry | undefined {
  const parent = lookup(root, path.slice(0, -1));
  const last = path.at(-1);
  return parent?.kind === 'map' && last !== undefined ? parent.entries.get(last) : undefined;
}

/** The deepest node of a path that is there: the place to point at when the rest is missing. */
export function deepest(root: TreeNode, path: readonly string[]): TreeNode {
  let node = root;
  for (const segment of path) {
    const next = childOf(node, segment);
    if (next === undefined) return node;
    node = next;
  }
  return node;
}

/**
 * Puts a node at a path, making the maps between. Returns the part of the path that is in the way
 * (a scalar or a list where a map would have to be), or undefined when it went well.
 */
export function place(root: MapNode, path: readonly string[], entry: Entry): string | undefined {
  let parent: TreeNode = root;
  for (const [depth, segment] of path.slice(0, -1).entries()) {
    let next: TreeNode | undefined = childOf(parent, segment);
    const absent = next === undefined || (next.kind === 'scalar' && next.value === null);
    if (absent && parent.kind === 'map') {
      next = emptyMap(entry.key);
      parent.entries.set(segment, { key: entry.key, node: next });
    }
    if (next === undefined || next.kind === 'scalar') return path.slice(0, depth + 1).join('.');
    parent = next;
  }
  const last = path.at(-1) as string;
  if (parent.kind === 'map') {
    const present = parent.entries.get(last)?.node;
    if (present?.kind === 'map' && entry.node.kind === 'map') mergeInto(present, entry.node);
    else parent.entries.set(last, entry);
    return undefined;
  }
  if (parent.kind === 'list' && childOf(parent, last) !== undefined) {
    parent.items[Number(last)] = entry.node;
    return undefined;
  }
  return path.slice(0, -1).join('.');
}

/** Plain JavaScript values, as the schema reads them. */
export function toPlain(node: TreeNode): unknown {
  switch (node.kind) {
    case 'scalar':
      return node.value;
    case 'list':
      return node.items.map(toPlain);
    case 'map':
      // fromEntries defines properties, so `__proto__` becomes a key and not the prototype.
      return Object.fromEntries([...node.entries].map(([key, { node }]) => [key, toPlain(node)]));
  }
}

/** A tree of values that came from no file: lists and plain objects of an override. */
export function fromPlain(value: unknown, origin: Origin): TreeNode {
  if (Array.isArray(value)) {
    return { kind: 'list', items: value.map((item) => fromPlain(item, origin)), origin };
  }
  if (value instanceof Map) {
    const entries = new Map<string, Entry>();
    for (const [key, item] of value) {
      entries.set(String(key), { key: origin, node: fromPlain(item, origin) });
    }
    return { kind: 'map', entries, origin };
  }
  return scalar(value as Scalar, origin);
}
