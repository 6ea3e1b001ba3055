/**
 * OmegaConf's interpolations (omegaconf.readthedocs.io): `${a.b}`, relative `${.a}` and `${..a}`,
 * `${a[0]}`, nested `${a.${b}}`, `\${` for the characters themselves, and the resolvers `oc.env`,
 * `oc.decode`, `oc.select` and `now`. A text that is one interpolation takes the type of what it
 * names, a block included; in a longer text the value's own spelling is inserted.
 */

import {
  closing,
  splitArguments,
  strftime,
  topLevel,
  Unresolved,
  unquote,
} from './interpolation-text.js';
import { GrammarError, parseValue } from './override-grammar.js';
import { didYouMean, nearestPaths, type Problems } from './problems.js';
import {
  fromPlain,
  lookup,
  type MapNode,
  type Origin,
  type ScalarNode,
  scalar,
  type TreeNode,
} from './tree.js';

export interface InterpolationContext {
  environment: Readonly<Record<string, string | undefined>>;
  now: Date;
  /** Every key that the schema knows, for "did you mean". */
  knownPaths: readonly string[];
  /** The value of a known key that no file mentions; undefined if it has none. */
  defaultOf(path: string): unknown;
}

/** Copying blocks into blocks can multiply; no configuration needs so many values. */
const MAX_COPIES = 50_000;
/** The same for texts in texts. */
const MAX_TEXT = 100_000;
/** And for a reference to a reference to a reference. */
const MAX_DEPTH = 100;

/** For what refers to an interpolation that failed: that one is reported already. */
const FAILED_BEFORE = new Unresolved('', '');

/**
 * Resolves every interpolation of the tree in place. What cannot be resolved becomes a problem, and
 * its path is returned, so that nothing more is said about it.
 */
export function resolveAll(
  root: MapNode,
  context: InterpolationContext,
  problems: Problems,
): string[] {
  return new Resolver(root, context, problems).run();
}

/**
 * The value of one text outside a tree, for `hydra.searchpath`: resolvers only.
 * Returns the message of what is wrong instead of a value.
 */
export function resolveText(
  text: string,
  context: InterpolationContext,
  root: MapNode,
): { text: string } | { error: string } {
  try {
    const node = scalar(text, root.origin);
    const value = new Resolver(root, context).value(node, []);
    return { text: spelling(value) };
  } catch (error) {
    if (error instanceof Unresolved) return { error: error.message };
    throw error;
  }
}

/** Writes a text so that reading it interpolates nothing. */
export function escapeInterpolations(text: string): string {
  return text.replace(/(\\*)\$\{/g, (_, run: string) => `${run}${run}\\\${`);
}

class Resolver {
  private readonly broken: string[] = [];
  /** Nodes under evaluation: meeting one again is a circle. */
  private readonly open = new Set<TreeNode>();
  /** What an interpolated text came to. Results are in it too: their `${` are characters. */
  private readonly results = new Map<TreeNode, TreeNode>();
  /** What stands where an interpolation failed. */
  private readonly holes = new Set<TreeNode>();
  private copies = 0;
  private depth = 0;

  constructor(
    private readonly root: MapNode,
    private readonly context: InterpolationContext,
    private readonly problems?: Problems,
  ) {}

  run(): string[] {
    this.walk(this.root, []);
    return this.broken;
  }

  private walk(node: TreeNode, path: readonly string[]): void {
    if (node.kind === 'map') {
      for (const [key, entry] of node.entries) {
        entry.node = this.settle(entry.node, [...path, key]);
      }
    } else if (node.kind === 'list') {
      node.items = node.items.map((item, index) => this.settle(item, [...path, String(index)]));
    }
  }

  private settle(node: TreeNode, path: string[]): TreeNode {
    if (node.kind !== 'scalar') {
      this.walk(node, path);
      return node;
    }
    try {
      return this.value(node, path);
    } catch (error) {
      if (!(error instanceof Unresolved)) throw error;
      const name = path.join('.');
      this.broken.push(name);
      const hole = scalar(null, node.origin);
      this.holes.add(hole);
      if (error === FAILED_BEFORE) return hole;
      const message = `${node.origin.where}: ${name}: ${error.message}`;
      this.problems?.add('ERR_DSRL_CONFIG_INTERPOLATION', message, error.hint);
      return hole;
    }
  }

  /** The value of a scalar at a path; a copy when it is another node's. */
  value(node: ScalarNode, path: readonly string[]): TreeNode {
    if (typeof node.value !== 'string' || !node.value.includes('${')) return node;
    const known = this.results.get(node);
    if (known !== undefined) return known;
    if (this.open.has(node)) {
      throw new Unresolved(
        `${node.value} leads back to itself`,
        'give one key of the circle a value',
      );
    }
    this.open.add(node);
    try {
      const result = this.expand(node.value, node.origin, path);
      this.results.set(node, result);
      this.results.set(result, result);
      return result;
    } finally {
      this.open.delete(node);
    }
  }

  private expand(text: string, origin: Origin, path: readonly string[]): TreeNode {
    let literal = '';
    let single: TreeNode | undefined;
    let at = 0;
    while (at < text.length) {
      const start = text.indexOf('${', at);
      if (start < 0) break;
      let backslashes = 0;
      while (start - backslashes > at && text[start - backslashes - 1] === '\\') backslashes += 1;
      literal += text.slice(at, start - backslashes) + '\\'.repeat(Math.floor(backslashes / 2));
      if (backslashes % 2 === 1) {
        literal += '${';
        at = start + 2;
        continue;
      }
      const end = closing(text, start);
      const found = this.evaluate(text.slice(start + 2, end), origin, path);
      if (literal === '' && start === 0 && end === text.length - 1) single = found;
      else literal += spelling(found);
      if (literal.length > MAX_TEXT) {
        throw new Unresolved(`more than ${MAX_TEXT} characters`, 'insert shorter texts');
      }
      at = end + 1;
    }
    if (single !== undefined) return single;
    return scalar(literal + text.slice(at), origin);
  }

  private evaluate(inside: string, origin: Origin, path: readonly string[]): TreeNode {
    if (this.depth === MAX_DEPTH) {
      throw new Unresolved(`more than ${MAX_DEPTH} references in a row`, 'use fewer of them');
    }
    this.depth += 1;
    try {
      return this.evaluateBelow(inside, origin, path);
    } finally {
      this.depth -= 1;
    }
  }

  private evaluateBelow(inside: string, origin: Origin, path: readonly string[]): TreeNode {
    const colon = topLevel(inside, ':');
    if (colon >= 0) {
      return this.call(inside.slice(0, colon).trim(), inside.slice(colon + 1), origin, path);
    }
    const name = spelling(this.expand(inside, origin, path)).trim();
    return this.reference(name, path, origin);
  }

  private reference(name: string, path: readonly string[], origin: Origin): TreeNode {
    const dots = /^\.*/.exec(name)?.[0].length ?? 0;
    const words = name
      .slice(dots)
      .replace(/\[([^\]]*)\]/g, '.$1')
      .split('.');
    const base = dots === 0 ? [] : path.slice(0, Math.max(0, path.length - dots));
    if (dots > path.length) {
      throw new Unresolved(`\${${name}} climbs above the top`, 'use fewer dots');
    }
    const target = [...base, ...words.filter((word, index) => word !== '' || index > 0)];
    const found = this.select(target, origin);
    if (found !== undefined) return found;
    const full = target.join('.');
    throw new Unresolved(
      `\${${name}} names a key that is not there (${full})`,
      didYouMean(nearestPaths(full, this.context.knownPaths), `give \`${full}\` a value`),
    );
  }

  private select(target: readonly string[], origin: Origin): TreeNode | undefined {
    const node = this.reach(target);
    if (node === undefined) {
      const value = this.context.defaultOf(target.join('.'));
      return value === undefined ? undefined : fromPlain(value, origin);
    }
    if (node.kind === 'scalar') return { ...node, origin };
    // A block that is copied brings its own interpolations, seen from where it stands.
    if (this.open.has(node)) {
      throw new Unresolved(`${target.join('.')} contains itself`, 'name a smaller block');
    }
    this.open.add(node);
    try {
      return { ...this.resolved(node, target), origin };
    } finally {
      this.open.delete(node);
    }
  }

  private resolved(node: TreeNode, path: readonly string[]): TreeNode {
    this.copies += 1;
    if (this.copies > MAX_COPIES) {
      throw new Unresolved(`more than ${MAX_COPIES} values are copied`, 'name smaller blocks');
    }
    if (node.kind === 'scalar') return this.value(node, path);
    if (node.kind === 'list') {
      return {
        ...node,
        items: node.items.map((item, index) => this.resolved(item, [...path, String(index)])),
      };
    }
    const entries = new Map(
      [...node.entries].map(([key, entry]) => {
        return [key, { key: entry.key, node: this.resolved(entry.node, [...path, key]) }] as const;
      }),
    );
    return { ...node, entries };
  }

  /** Walks to a node, through interpolations that stand on the way. */
  private reach(target: readonly string[]): TreeNode | undefined {
    let node: TreeNode | undefined = this.root;
    for (const [index, word] of target.entries()) {
      node = lookup(node, [word]);
      if (node === undefined) return undefined;
      if (this.holes.has(node)) throw FAILED_BEFORE;
      if (node.kind === 'scalar') node = this.value(node, target.slice(0, index + 1));
    }
    return node;
  }

  /** A resolver with its arguments, e.g. `oc.env:HOME,none`. */
  private call(
    name: string,
    rawArguments: string,
    origin: Origin,
    path: readonly string[],
  ): TreeNode {
    const texts = splitArguments(rawArguments).map((argument) => {
      return this.expand(argument.trim(), origin, path);
    });
    const [first, second] = texts;
    const argument = first === undefined ? '' : spelling(first);
    switch (name) {
      case 'oc.env':
        return this.environment(unquote(argument), second, origin);
      case 'oc.decode':
        return first === undefined || isNull(first)
          ? scalar(null, origin)
          : decode(unquote(argument), origin);
      case 'oc.select': {
        const found = this.select(unquote(argument).split('.'), origin);
        return found ?? (second === undefined ? scalar(null, origin) : decoded(second, origin));
      }
      case 'now':
        return scalar(strftime(this.context.now, unquote(rawArguments.trim())), origin);
      default:
        throw new Unresolved(
          `the resolver \`${name}\` is not known`,
          'known are oc.env, oc.decode, oc.select and now',
        );
    }
  }

  private environment(name: string, fallback: TreeNode | undefined, origin: Origin): TreeNode {
    const value = this.context.environment[name];
    if (value !== undefined) return scalar(value, origin);
    if (fallback === undefined) {
      throw new Unresolved(
        `the environment variable ${name} is not set`,
        `type \`export ${name}=...\`, or give a default: \${oc.env:${name},default}`,
      );
    }
    const node = decoded(fallback, origin);
    // As in OmegaConf: an environment variable is text, so its default is too, unless it is null.
    return isNull(node) ? node : scalar(unquote(spelling(fallback)), origin);
  }
}

function isNull(node: TreeNode): boolean {
  return node.kind === 'scalar' && node.value === null;
}

function decoded(node: TreeNode, origin: Origin): TreeNode {
  if (node.kind !== 'scalar' || typeof node.value !== 'string') return node;
  return decode(node.value, origin);
}

function decode(text: string, origin: Origin): TreeNode {
  try {
    return fromPlain(parseValue(text), origin);
  } catch (error) {
    if (!(error instanceof GrammarError)) throw error;
    throw new Unresolved(`${text}: ${error.message}`, error.hint);
  }
}

/** What a value looks like inside a longer text, as Python writes it. */
function spelling(node: TreeNode): string {
  if (node.kind === 'scalar') return node.value === null ? 'None' : node.text;
  throw new Unresolved('a block or a list cannot stand inside a text', 'name one of its values');
}
