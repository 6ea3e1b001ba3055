import { type ParseArgsConfig, parseArgs } from 'node:util';
import { reasonOf, UsageError } from '../errors.js';

type Options = NonNullable<ParseArgsConfig['options']>;

const HELP_OPTION = { help: { type: 'boolean', short: 'h' } } as const;

type Parsed<Given extends Options> = ReturnType<
  typeof parseArgs<{
    options: Given & typeof HELP_OPTION;
    allowPositionals: true;
    args: string[];
  }>
>;

/**
 * `parseArgs` with `--help`, and with errors that say what was meant.
 *
 * @param command its name as it is typed after `dsrl-native`
 * @throws UsageError ERR_DSRL_USAGE
 */
export async function parseCommand<const Given extends Options>(
  command: string,
  argv: string[],
  options: Given,
): Promise<Parsed<Given>> {
  try {
    return parseArgs({
      args: argv,
      allowPositionals: true,
      options: { ...options, ...HELP_OPTION },
    }) as Parsed<Given>;
  } catch (error) {
    const message = reasonOf(error);
    const unknown = /^Unknown option '--([^']*)'/.exec(message)?.[1];
    if (unknown === undefined) throw usageError(command, message, helpHint(command));
    const flags = ['help', ...Object.keys(options)];
    const hint = await suggestion(unknown, flags, '--', helpHint(command));
    throw usageError(command, `there is no option \`--${unknown}\``, hint);
  }
}

export function usageError(command: string, what: string, hint?: string): UsageError {
  return new UsageError('ERR_DSRL_USAGE', `${command}: ${what}`, {
    hint: hint ?? helpHint(command),
  });
}

function helpHint(command: string): string {
  return `\`dsrl-native ${command} --help\` shows what it takes`;
}

/** `did you mean ...?`, else the fallback. Imported late: a command's help needs none of it. */
export async function suggestion(
  word: string,
  candidates: readonly string[],
  prefix: string,
  fallback: string,
): Promise<string> {
  const { didYouMean, nearest } = await import('../config/problems.js');
  return didYouMean(
    nearest(word, candidates).map((name) => prefix + name),
    fallback,
  );
}

/** A whole number of an option. */
export function wholeNumber(command: string, option: string, text: string, least = 0): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw usageError(command, `--${option} ${text}: a whole number of at least ${least} is needed`);
}

/** One of an option's words. */
export function oneOf<const Choice extends string>(
  command: string,
  option: string,
  text: string,
  choices: readonly Choice[],
): Choice {
  const choice = choices.find((candidate) => candidate === text);
  if (choice !== undefined) return choice;
  throw usageError(command, `--${option} ${text}: one of ${choices.join(', ')} is needed`);
}
