import { ConfigError } from '../errors.js';

/** One thing that is wrong with a configuration. */
export interface Problem {
  code: `ERR_DSRL_CONFIG_${string}`;
  /** Place and matter: `a.yaml:3:5: algorithm.gamma: expected ..., found 2`. */
  message: string;
  /** What to type next. */
  hint: string;
}

/** More than fit on a screen help nobody. */
const MAX_SHOWN = 30;

/**
 * Collects problems, so that a user sees all of them at once and not one a run.
 */
export class Problems {
  private readonly byMessage = new Map<string, Problem>();

  add(code: Problem['code'], message: string, hint: string): void {
    if (!this.byMessage.has(message)) this.byMessage.set(message, { code, message, hint });
  }

  /**
   * Throws one ConfigError that says everything, if there is anything to say.
   *
   * @param about what the problems are of, at the head of the message
   * @param checks what `config validate` takes to find them again; null where it would not
   */
  throwIfAny(about: string, checks: string | null): void {
    const [first, ...rest] = this.byMessage.values();
    if (first === undefined) return;
    if (rest.length === 0) throw new ConfigError(first.code, first.message, { hint: first.hint });
    const sameCode = rest.every((problem) => problem.code === first.code);
    const all = [first, ...rest];
    const lines = all.slice(0, MAX_SHOWN).map(({ message, hint }) => `  ${message}\n    ${hint}`);
    if (all.length > MAX_SHOWN) lines.push(`  and ${all.length - MAX_SHOWN} more`);
    throw new ConfigError(
      sameCode ? first.code : 'ERR_DSRL_CONFIG_INVALID',
      `${about}: ${all.length} problems\n${lines.join('\n')}`,
      {
        hint:
          checks === null
            ? 'change all of them, then type the same command again'
            : `then check again with: dsrl-native config validate ${checks}`,
      },
    );
  }
}

/** Throws a single problem at once, where nothing can be collected behind it. */
export function fail(code: Problem['code'], message: string, hint: string): never {
  throw new ConfigError(code, message, { hint });
}

/** Edits (insert, delete, replace, swap of neighbours) from one word to the other. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(
        (row[j] as number) + 1,
        (next[j - 1] as number) + 1,
        (row[j - 1] as number) + cost,
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, (before[j - 2] as number) + 1);
      }
      next.push(best);
    }
    before = row;
    row = next;
  }
  return row[b.length] as number;
}

/** The words nearest to a misspelt one, best first; none when all are far. */
export function nearest(word: string, candidates: Iterable<string>, count = 3): string[] {
  // A very long word is not a slip of the hand, and the distance costs its length squared.
  if (word.length > 100) return [];
  const limit = Math.max(1, Math.floor(word.length / 3));
  const scored: { candidate: string; score: number }[] = [];
  for (const candidate of new Set(candidates)) {
    if (Math.abs(candidate.length - word.length) > limit) continue;
    const score = distance(word.toLowerCase(), candidate.toLowerCase());
    if (score <= limit) scored.push({ candidate, score });
  }
  scored.sort((a, b) => a.score - b.score || a.candidate.localeCompare(b.candidate));
  return scored.slice(0, count).map(({ candidate }) => candidate);
}

/**
 * The known paths that a misspelt path may have meant: a slip in one of its words, or its last word
 * in another block.
 */
export function nearestPaths(path: string, known: readonly string[]): string[] {
  const last = path.split('.').at(-1);
  const elsewhere = known.filter((candidate) => candidate.split('.').at(-1) === last);
  return [...new Set([...corrections(path.split('.'), known), ...elsewhere])].slice(0, 3);
}

/** Paths that differ from the given one in the first word that is not known. */
function corrections(words: readonly string[], known: readonly string[]): string[] {
  let prefix = '';
  for (const [depth, word] of words.entries()) {
    const siblings = known.filter((candidate) => {
      return candidate.startsWith(prefix) && !candidate.slice(prefix.length).includes('.');
    });
    if (!siblings.includes(prefix + word)) {
      const names = siblings.map((candidate) => candidate.slice(prefix.length));
      return nearest(word, names).map((name) => {
        const whole = [prefix + name, ...words.slice(depth + 1)].join('.');
        return known.includes(whole) ? whole : prefix + name;
      });
    }
    prefix += `${word}.`;
  }
  return [];
}

/** `did you mean a, b or c?`, or the fallback when nothing is near. */
export function didYouMean(candidates: readonly string[], fallback: string): string {
  if (candidates.length === 0) return fallback;
  const quoted = candidates.map((candidate) => `\`${candidate}\``);
  const last = quoted.pop();
  return `did you mean ${quoted.length > 0 ? `${quoted.join(', ')} or ${last}` : last}?`;
}
