/**
 * Hydra's override grammar (hydra.cc/docs/advanced/override_grammar): `key=value`, `+key=value`,
 * `++key=value`, `~key`, `group@package=option`, and the values: numbers, booleans, null, quoted
 * and unquoted text, lists, dicts, escapes, interpolations. Not taken over: sweeps (`a=1,2`) and
 * functions (`range(1,4)`), which start several runs. Two things are taken that Hydra refuses:
 * letters outside ASCII in unquoted text, and interpolations inside interpolations.
 */
import { scalarText } from './tree.js';

/** A parsed value. Dicts are Maps: their keys may be any word. */
export type OverrideValue =
  | string
  | number
  | boolean
  | null
  | OverrideValue[]
  | Map<string, OverrideValue>;

export interface Override {
  /** `set` is the bare form, which needs a key that is there. */
  action: 'set' | 'add' | 'force' | 'delete';
  /** A dotted key, or a group such as `env` or `a/b`. */
  key: string;
  /** What stands behind `@`; undefined without one. */
  package: string | undefined;
  /** Undefined for `~key` without a value. */
  value: OverrideValue | undefined;
  /** A number as it was written, `3.0e-4`; otherwise the value's own text. */
  text: string;
  line: string;
}

/** What is wrong with an override's text, and what to type instead. */
export class GrammarError extends Error {
  constructor(
    message: string,
    readonly hint: string,
  ) {
    super(message);
  }
}

const NAME = '[A-Za-z_$][\\w$-]*';
const DOTTED = `(?:${NAME}|\\d+)(?:\\.(?:${NAME}|\\d+))*`;
const KEY = new RegExp(
  `^(~|\\+\\+?)?(${NAME}(?:/${NAME})+|${DOTTED})?(?:@(${DOTTED})?(:[^=]*)?)?(=|$)`,
);

/** Splits and reads one override. Throws a GrammarError. */
export function parseOverride(line: string): Override {
  const match = KEY.exec(line);
  if (match === null || (match[2] === undefined && !line.includes('@'))) {
    throw new GrammarError(
      'it is not `key=value`',
      'type it as key=value, +key=value or ~key, e.g. `algorithm.gamma=0.99`',
    );
  }
  const [whole, prefix, key = '', packageName, rename, equals] = match;
  if (rename !== undefined) {
    throw new GrammarError(
      'a package cannot be renamed (`@from:to`)',
      `name the package itself, e.g. \`${key}@${rename.slice(1)}=...\``,
    );
  }
  const action = ACTIONS[prefix ?? ''] as Override['action'];
  const common = { action, key, package: whole.includes('@') ? (packageName ?? '') : undefined };
  if (equals === '') {
    if (action !== 'delete') {
      throw new GrammarError(
        'it has no value',
        `type \`${line}=...\`, or \`~${key}\` to delete it`,
      );
    }
    return { ...common, value: undefined, text: '', line };
  }
  const source = line.slice(whole.length);
  const value = parseValue(source);
  const written = typeof value === 'number' ? source.trim() : scalarText(value as string);
  return { ...common, value, text: written, line };
}

const ACTIONS: Record<string, Override['action']> = {
  '': 'set',
  '+': 'add',
  '++': 'force',
  '~': 'delete',
};

/** Reads a whole value; the empty text is the empty text. Throws a GrammarError. */
export function parseValue(source: string): OverrideValue {
  const text = source.replace(/^[ \t]+/, '');
  if (text === '') return '';
  const reader = new Reader(text);
  const value = reader.element(MAX_DEPTH);
  if (reader.atEnd()) return value;
  if (reader.peek() === ',') {
    throw new GrammarError(
      'several values at once (a sweep) would be several runs',
      `for a list type [${text}], for a text with commas quote it: '"${text}"'`,
    );
  }
  throw reader.unexpected();
}

/** Nested lists and dicts; beyond it the text is not meant. */
const MAX_DEPTH = 50;

const INT = '(?:0|[1-9](?:_?\\d)*)';
const POINT = `(?:${INT}\\.\\d(?:_?\\d)*|${INT}\\.|\\.\\d(?:_?\\d)*)`;
const FLOAT = `[+-]?(?:(?:${POINT}|${INT})[eE][+-]?\\d(?:_?\\d)*|${POINT}|inf|nan)`;

type TokenKind = 'float' | 'int' | 'bool' | 'null' | 'word' | 'escape' | 'space' | 'plain';

/**
 * The lexer's rules, in Hydra's order: the longest match wins, the first of equal length. `1e-4` is
 * therefore one float, `10abc` an integer and a word that join to a text, and `truex` a word.
 */
const RULES: readonly { kind: TokenKind; pattern: RegExp }[] = [
  { kind: 'float', pattern: new RegExp(FLOAT, 'iy') },
  { kind: 'int', pattern: new RegExp(`[+-]?${INT}`, 'y') },
  { kind: 'bool', pattern: /true|false/iy },
  { kind: 'null', pattern: /null/iy },
  { kind: 'word', pattern: /[A-Za-z_][\w-]*/y },
  { kind: 'escape', pattern: /(?:\\[\\()[\]{}:=, \t])+/y },
  { kind: 'space', pattern: /[ \t]+/y },
  { kind: 'plain', pattern: /[/\-\\+.$%*@?|:]|[\u0080-\u{10ffff}]/uy },
];

interface Token {
  kind: TokenKind | 'interpolation';
  text: string;
}

class Reader {
  private at = 0;

  constructor(private readonly text: string) {}

  atEnd(): boolean {
    return this.at >= this.text.length;
  }

  peek(): string {
    return this.text[this.at] ?? '';
  }

  element(depth: number): OverrideValue {
    if (depth === 0) throw new GrammarError('nested too deeply', 'use fewer brackets');
    if (this.take('[')) return this.list(depth);
    if (this.take('{')) return this.dict(depth);
    const quote = this.peek();
    if (quote === '"' || quote === "'") return this.quoted(quote);
    return this.primitive(true);
  }

  private list(depth: number): OverrideValue[] {
    const items: OverrideValue[] = [];
    if (this.close(']')) return items;
    do {
      this.spaces();
      items.push(this.element(depth - 1));
      this.spaces();
    } while (this.take(','));
    if (!this.close(']')) throw this.unexpected('`,` or `]`');
    return items;
  }

  private dict(depth: number): Map<string, OverrideValue> {
    const entries = new Map<string, OverrideValue>();
    if (this.close('}')) return entries;
    do {
      this.spaces();
      const key = this.primitive(false);
      if (!this.take(':')) throw this.unexpected('`:`');
      this.spaces();
      entries.set(scalarText(key as string), this.element(depth - 1));
      this.spaces();
    } while (this.take(','));
    if (!this.close('}')) throw this.unexpected('`,` or `}`');
    return entries;
  }

  private quoted(quote: string): string {
    const start = this.at;
    let end = start + 1;
    while (end < this.text.length) {
      if (this.text[end] === quote && (this.backslashesBefore(end) & 1) === 0) break;
      end += 1;
    }
    if (end >= this.text.length) {
      throw new GrammarError(
        `the quote ${quote} is not closed`,
        'close it, or put a backslash before a quote that belongs to the text',
      );
    }
    this.at = end + 1;
    this.spaces();
    // Backslashes count as escapes only where they stand before a quote, the closing one too.
    const inside = this.text.slice(start + 1, end + 1);
    const before = new RegExp(`(\\\\+)${quote}`, 'g');
    return inside.replace(before, halve).slice(0, -1);
  }

  private backslashesBefore(index: number): number {
    let count = 0;
    while (this.text[index - 1 - count] === '\\') count += 1;
    return count;
  }

  /** One or more tokens: one keeps its type, several join to a text. */
  private primitive(colons: boolean): OverrideValue {
    const tokens: Token[] = [];
    for (let token = this.token(colons); token !== undefined; token = this.token(colons)) {
      tokens.push(token);
    }
    if (tokens[0]?.kind === 'space') tokens.shift();
    if (tokens.at(-1)?.kind === 'space') tokens.pop();
    const [first, ...rest] = tokens;
    if (first === undefined) throw this.unexpected('a value');
    if (this.peek() === '(' && tokens.at(-1)?.kind === 'word') {
      throw new GrammarError(
        `functions such as ${tokens.at(-1)?.text}(...) are not supported`,
        `write the value itself, or quote a text with brackets: '"..."'`,
      );
    }
    if (rest.length > 0) return tokens.map(joined).join('');
    return typed(first);
  }

  private token(colons: boolean): Token | undefined {
    if (this.text.startsWith('${', this.at)) {
      if (!colons) throw this.unexpected('a key');
      return { kind: 'interpolation', text: this.interpolation() };
    }
    let best: Token | undefined;
    for (const { kind, pattern } of RULES) {
      pattern.lastIndex = this.at;
      const text = pattern.exec(this.text)?.[0];
      if (text !== undefined && text.length > (best?.text.length ?? 0)) best = { kind, text };
    }
    if (best === undefined || (!colons && best.text === ':')) return undefined;
    this.at += best.text.length;
    return best;
  }

  private interpolation(): string {
    const start = this.at;
    let depth = 0;
    for (let index = start; index < this.text.length; index++) {
      if (this.text.startsWith('${', index)) depth += 1;
      else if (this.text[index] === '}') depth -= 1;
      if (depth === 0 && this.text[index] === '}') {
        this.at = index + 1;
        return this.text.slice(start, this.at);
      }
    }
    throw new GrammarError('an interpolation is not closed', 'end it with `}`');
  }

  private spaces(): void {
    while (this.peek() === ' ' || this.peek() === '\t') this.at += 1;
  }

  private take(character: string): boolean {
    if (this.peek() !== character) return false;
    this.at += 1;
    return true;
  }

  private close(bracket: string): boolean {
    const before = this.at;
    this.spaces();
    if (!this.take(bracket)) {
      this.at = before;
      return false;
    }
    this.spaces();
    return true;
  }

  unexpected(wanted?: string): GrammarError {
    const found = this.atEnd() ? 'the end' : `\`${this.peek()}\` at character ${this.at + 1}`;
    return new GrammarError(
      wanted === undefined ? `${found} is not expected` : `expected ${wanted}, found ${found}`,
      `quote a text with special characters: key='"${this.text.replace(/["']/g, '')}"'`,
    );
  }
}

/** `\\\"` in a quoted text: the backslashes before a quote come in pairs, the odd one is for it. */
function halve(run: string): string {
  const backslashes = run.length - 1;
  return '\\'.repeat(Math.floor(backslashes / 2)) + run.slice(-1);
}

/** An escape run holds a character behind every backslash. */
function withoutBackslashes(text: string): string {
  return [...text].filter((_, index) => index % 2 === 1).join('');
}

function joined(token: Token): string {
  return token.kind === 'escape' ? withoutBackslashes(token.text) : token.text;
}

function typed(token: Token): OverrideValue {
  const text = token.text.toLowerCase();
  switch (token.kind) {
    case 'int':
      return Number(text.replaceAll('_', ''));
    case 'float':
      return floatOf(text.replaceAll('_', ''));
    case 'bool':
      return text === 'true';
    case 'null':
      return null;
    default:
      return joined(token);
  }
}

function floatOf(text: string): number {
  if (text.endsWith('nan')) return Number.NaN;
  if (text.endsWith('inf')) return text.startsWith('-') ? -Infinity : Infinity;
  return Number(text);
}
