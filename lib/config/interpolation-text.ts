/** Pieces of interpolation that work on text alone. */

/** Why an interpolation has no value. */
export class Unresolved extends Error {
  constructor(
    message: string,
    readonly hint: string,
  ) {
    super(message);
  }
}

/** The text without the quotes around it, if it has them. */
export function unquote(text: string): string {
  const quoted = /^(["'])(.*)\1$/s.exec(text);
  return quoted?.[2] ?? text;
}

/** The index of the brace that closes the interpolation that starts at `start`. */
export function closing(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    if (text.startsWith('${', at)) {
      depth += 1;
      at += 1;
    } else if (text[at] === '{') depth += 1;
    else if (text[at] === '}') depth -= 1;
    if (depth === 0) return at;
  }
  throw new Unresolved(`\`${text}\`: the interpolation is not closed`, 'end it with `}`');
}

/** The first place of a character outside nested interpolations and quotes, or -1. */
export function topLevel(text: string, character: string, from = 0): number {
  let depth = 0;
  let quote = '';
  for (let at = from; at < text.length; at++) {
    const here = text[at] as string;
    if (quote !== '') {
      if (here === quote) quote = '';
    } else if (here === '"' || here === "'") quote = here;
    else if ('{[('.includes(here)) depth += 1;
    else if ('}])'.includes(here)) depth -= 1;
    else if (depth === 0 && here === character) return at;
  }
  return -1;
}

/** Splits the arguments of a resolver at their commas. */
export function splitArguments(text: string): string[] {
  const parts: string[] = [];
  let from = 0;
  for (let comma = topLevel(text, ','); comma >= 0; comma = topLevel(text, ',', from)) {
    parts.push(text.slice(from, comma));
    from = comma + 1;
  }
  return [...parts, text.slice(from)];
}

/** Python's strftime, for the directives that name a moment in digits. */
export function strftime(date: Date, format: string): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const fields: Record<string, string> = {
    Y: String(date.getFullYear()),
    y: two(date.getFullYear() % 100),
    m: two(date.getMonth() + 1),
    d: two(date.getDate()),
    H: two(date.getHours()),
    M: two(date.getMinutes()),
    S: two(date.getSeconds()),
    '%': '%',
  };
  return format.replace(/%(.)/g, (directive, letter: string) => {
    const field = fields[letter];
    if (field === undefined) {
      throw new Unresolved(`\${now:...}: ${directive} is not known`, 'use %Y %m %d %H %M %S');
    }
    return field;
  });
}
