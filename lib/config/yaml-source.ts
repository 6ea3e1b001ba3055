import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Pair,
  parseDocument,
  type YAMLError,
  type Scalar as YamlScalar,
} from 'yaml';
import { fail } from './problems.js';
import { emptyMap, type MapNode, type Origin, type Scalar, scalar, type TreeNode } from './tree.js';

/** Larger than any configuration; a file beyond it is something else by mistake. */
const MAX_BYTES = 1 << 20;
/** Aliases can multiply a small file into a huge tree; no configuration needs so many nodes. */
const MAX_NODES = 50_000;
/** Tags that only say what a scalar is already. */
const CORE_TAG = /^tag:yaml\.org,2002:(str|int|float|bool|null|map|seq|merge)$/;

interface Reading {
  document: Document;
  lines: LineCounter;
  display: string;
  packaged: boolean;
  nodes: number;
}

/**
 * Reads one YAML file into a tree with places. YAML 1.1, as OmegaConf reads it: `yes` and `off` are
 * booleans, `1e-4` is a number, `2020-01-01` is text, and a key that occurs twice is an error.
 *
 * @param display the file's name as errors show it
 * @throws ConfigError ERR_DSRL_CONFIG_SYNTAX with line and column
 */
export function parseYaml(text: string, display: string, packaged: boolean): MapNode {
  if (text.length > MAX_BYTES) {
    fail(
      'ERR_DSRL_CONFIG_SYNTAX',
      `${display} has ${text.length} characters; a configuration has at most ${MAX_BYTES}`,
      'name the YAML file of a run, e.g. `-c my.yaml`',
    );
  }
  const lines = new LineCounter();
  const document = parse(text, display, lines);
  const reading: Reading = { document, lines, display, packaged, nodes: 0 };
  const contents = document.contents;
  if (contents === null || (isScalar(contents) && contents.value === null)) {
    return emptyMap({ where: `${display}:1:1`, packaged });
  }
  const root = convert(reading, contents);
  if (root.kind !== 'map') {
    syntax(root.origin.where, 'a configuration is a block of `key: value` lines');
  }
  return root;
}

function parse(text: string, display: string, lines: LineCounter): Document {
  const document = parseDocument(text, {
    version: '1.1',
    lineCounter: lines,
    prettyErrors: false,
    customTags: (tags) => tags.filter((tag) => !isTimestamp(tag)),
  });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) {
    const { line, col } = lines.linePos(problem.pos[0]);
    syntax(`${display}:${line}:${col}`, inWords(problem));
  }
  return document;
}

function inWords(problem: YAMLError): string {
  if (problem.code === 'MULTIPLE_DOCS') return '`---` begins a second document';
  // The parser is recursive: a thousand open brackets end its stack.
  if (problem.message.includes('call stack')) return 'nested too deeply';
  return problem.message.split('\n')[0] as string;
}

function isTimestamp(tag: unknown): boolean {
  return typeof tag === 'object' && tag !== null && 'tag' in tag
    ? tag.tag === 'tag:yaml.org,2002:timestamp'
    : tag === 'timestamp';
}

function syntax(where: string, what: string): never {
  fail(
    'ERR_DSRL_CONFIG_SYNTAX',
    `${where}: not valid YAML: ${what}`,
    `mend ${where}; nested keys are indented by spaces, and texts with special characters quoted`,
  );
}

function originOf(reading: Reading, node: unknown): Origin {
  const range = (node as { range?: [number, number, number] | null } | null)?.range;
  const { line, col } = reading.lines.linePos(range?.[0] ?? 0);
  return { where: `${reading.display}:${line}:${col}`, packaged: reading.packaged };
}

function convert(reading: Reading, node: unknown): TreeNode {
  const origin = originOf(reading, node);
  reading.nodes += 1;
  if (reading.nodes > MAX_NODES) syntax(origin.where, `more than ${MAX_NODES} values`);
  if (isAlias(node)) {
    // An alias stands behind its anchor, so it cannot contain itself unless it is inside it.
    const target = node.resolve(reading.document);
    if (target === undefined || contains(target, node)) {
      syntax(origin.where, `the alias *${node.source} has no anchor before it`);
    }
    return convert(reading, target);
  }
  const tag = (node as { tag?: string } | null)?.tag;
  if (tag !== undefined && !CORE_TAG.test(tag)) syntax(origin.where, `the tag ${tag} is not known`);
  if (isMap(node)) {
    const map = emptyMap(origin);
    for (const pair of node.items) addPair(reading, map, pair);
    return map;
  }
  if (isSeq(node)) {
    return { kind: 'list', items: node.items.map((item) => convert(reading, item)), origin };
  }
  if (isScalar(node)) return convertScalar(node, origin);
  // `key:` with nothing behind it has no node at all.
  return scalar(null, origin);
}

function convertScalar(node: YamlScalar, origin: Origin): TreeNode {
  const source = node.source ?? String(node.value ?? '');
  // YAML 1.1 proper reads y and n as booleans; no reader that people use does.
  const plain = node.type === 'PLAIN' && /^[yn]$/i.test(source) ? source : node.value;
  if (plain === null || ['string', 'number', 'boolean'].includes(typeof plain)) {
    const text = typeof plain === 'number' ? source : undefined;
    return scalar(plain as Scalar, origin, text);
  }
  return scalar(source, origin);
}

function addPair(reading: Reading, map: MapNode, pair: Pair): void {
  const { key, value } = pair;
  const origin = originOf(reading, key ?? value);
  if (!isScalar(key) || key.value === null) syntax(origin.where, 'a key must be a plain word');
  // The word as written: `on:` and `1e3:` are names here, not a boolean and a number.
  const name = key.source ?? String(key.value);
  if (name === '<<' && key.type === 'PLAIN') {
    mergeKey(reading, map, value);
    return;
  }
  const node = value === null ? scalar(null, origin) : convert(reading, value);
  map.entries.set(name, { key: origin, node });
}

/** `<<: *base`: the keys of base, unless the map has them itself. */
function mergeKey(reading: Reading, map: MapNode, value: unknown): void {
  const merged = convert(reading, value);
  for (const source of merged.kind === 'list' ? merged.items : [merged]) {
    if (source.kind !== 'map') syntax(source.origin.where, '`<<` needs a block');
    for (const [key, entry] of source.entries) {
      if (!map.entries.has(key)) map.entries.set(key, entry);
    }
  }
}

function contains(outer: unknown, inner: unknown): boolean {
  if (outer === inner) return true;
  if (isMap(outer)) {
    return outer.items.some((pair) => contains(pair.key, inner) || contains(pair.value, inner));
  }
  return isSeq(outer) && outer.items.some((item) => contains(item, inner));
}
