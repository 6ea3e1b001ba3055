/**
 * The words that the schema is written in. Every key is one line: its type and range, its default,
 * its fate, and what it means. The line is all there is: types, errors, "did you mean", the notice
 * about keys without effect and the table in docs/config.md are derived from it.
 */
import * as z from 'zod';

/**
 * What becomes of a key: `honoured`, `inert` (read, without effect here), or `fixed` (only one
 * value can be honoured; others are refused, with what to do instead).
 */
export type Fate = 'honoured' | 'inert' | 'fixed';

export interface KeyMeaning {
  fate: Fate;
  doc: string;
  /** What to use instead of a refused value. */
  instead?: string;
  /** What a key without a default takes when absent, in words. */
  absent?: string;
}

export const meanings = z.registry<KeyMeaning>();

/** A key that has the effect it says. `absent` says what holds when a key has no fixed default. */
export function honoured<T extends z.ZodType>(type: T, doc: string, absent?: string): T {
  meanings.add(
    type,
    absent === undefined ? { fate: 'honoured', doc } : { fate: 'honoured', doc, absent },
  );
  return type;
}

/** A key that means something to RLinf and nothing here. Any value passes and has no effect. */
export function inert(doc: string) {
  let type = inertTypes.get(doc);
  if (type === undefined) {
    type = z.unknown().optional();
    inertTypes.set(doc, type);
    meanings.add(type, { fate: 'inert', doc });
  }
  return type;
}

/** Keys that share their reason share their type: a third of the schema loads at no cost. */
const inertTypes = new Map<string, z.ZodOptional<z.ZodUnknown>>();

/** The same for a key whose type is checked because another role honours it. */
export function inertTyped<T extends z.ZodType>(type: T, doc: string): T {
  meanings.add(type, { fate: 'inert', doc });
  return type;
}

/** A whole block of such keys; others than the named ones pass too. */
export function inertBlock(doc: string, names: readonly string[] = []) {
  const shape = Object.fromEntries(names.map((name) => [name, inert(doc)]));
  const type = described(z.looseObject(shape).nullish(), 'a block');
  meanings.add(type, { fate: 'inert', doc });
  return type;
}

/** A key of which only one value can be honoured, which is also its default. */
export function fixed<const T extends z.core.util.Literal>(value: T, doc: string, instead: string) {
  const shown = value === true ? 'True' : value === false ? 'False' : String(value);
  const type = described(z.literal(value), `only ${shown}`);
  return fixedTyped(type.default(value as never), doc, instead);
}

/** The same for a type that already admits nothing else. */
export function fixedTyped<T extends z.ZodType>(type: T, doc: string, instead: string): T {
  meanings.add(type, { fate: 'fixed', doc, instead });
  return type;
}

/** A block of keys. Absent, it is as if empty, so that its keys' own defaults and errors show. */
export function block<const S extends z.core.$ZodShape>(shape: S) {
  return described(z.strictObject(shape), 'a block').prefault({} as never);
}

/**
 * Says in words what a type admits; errors and the reference page use them. (Zod's own `describe`
 * copies the type, and making types is most of the time that this schema takes to load.)
 */
export function described<T extends z.ZodType>(type: T, expected: string): T {
  z.globalRegistry.add(type, { description: expected });
  return type;
}

/** A whole number of at least `min`. */
export function whole(min: number, max?: number) {
  const range = max === undefined ? `of at least ${min}` : `from ${min} to ${max}`;
  const type = max === undefined ? z.int().min(min) : z.int().min(min).max(max);
  return described(type, `a whole number ${range}`);
}

/** -1 for never or none, or a whole number of at least 1. */
export function countOrNone() {
  // Not `refine`, which no JSON Schema shows.
  const type = z.union([z.literal(-1), z.int().min(1)]);
  return described(type, '-1 or a whole number of at least 1');
}

/** A number above zero. */
export function positive() {
  return described(z.number().gt(0), 'a number above 0');
}

export function atLeastZero() {
  return described(z.number().min(0), 'a number of at least 0');
}

export function real() {
  return described(z.number(), 'a number');
}

/** A number above 0 and at most 1, such as a discount. */
export function fraction() {
  return described(z.number().gt(0).max(1), 'a number above 0 and at most 1');
}

/** The moving-average factor of one of Adam's moments. */
export function beta() {
  return described(z.number().min(0).lt(1), 'a number of at least 0 and below 1');
}

export function flag() {
  return described(z.boolean(), 'True or False');
}

export function text() {
  return described(z.string().min(1), 'a text');
}

export function choice<const T extends readonly [string, ...string[]]>(...values: T) {
  return described(z.enum(values), `one of ${values.join(', ')}`);
}

/** A list of whole numbers, at least one of them. */
export function wholes(min: number) {
  const type = z.array(z.int().min(min)).min(1);
  return described(type, `a list of whole numbers of at least ${min}`);
}
