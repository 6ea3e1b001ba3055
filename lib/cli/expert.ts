import { oneOf, parseCommand, usageError, wholeNumber } from './arguments.js';

const HELP = `Usage: dsrl-native debug expert --env libero_spatial [--tasks K,K,...] [--bowl WHICH]
                               [--trials N] [--json] [--seed S] [--bundle DIR]

Lets the scripted expert fetch a bowl from the suite's initial states, and counts how often it is
done within 240 steps: with the target by the benchmark's own test, with the other bowl when it has
let go of it within 5 cm of the plate's middle. It knows where everything is and draws no picture;
what it does is what small policies are taught.

  --env NAME      libero_spatial
  --tasks K,...   tasks of the suite, from 0 on (all)
  --bowl WHICH    target, the bowl that the task asks for, or other (target)
  --trials N      initial states of each task, from 0 on (all 50)
  --json          one line of JSON a task instead of a table
  --seed S        the environment's, which places cabinet and stove (0)
  --bundle DIR    LIBERO's bundle
  -h, --help

Exit codes: 0; 2 for wrong usage; 3 where LIBERO's bundle or a library is missing.

Examples:
  dsrl-native debug expert --env libero_spatial
  dsrl-native debug expert --env libero_spatial --tasks 0,2,8 --bowl other --trials 10 --json
`;

const COMMAND = 'debug expert';
export const BOWLS = ['target', 'other'] as const;

const OPTIONS = {
  env: { type: 'string' },
  tasks: { type: 'string' },
  bowl: { type: 'string', default: 'target' },
  trials: { type: 'string' },
  json: { type: 'boolean', default: false },
  seed: { type: 'string', default: '0' },
  bundle: { type: 'string' },
} as const;

/** `dsrl-native debug expert`. */
export async function runExpert(argv: string[]): Promise<number> {
  const { values, positionals } = await parseCommand(COMMAND, argv, OPTIONS);
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (positionals[0] !== undefined) throw usageError(COMMAND, `what is \`${positionals[0]}\`?`);
  if (values.env === undefined) throw usageError(COMMAND, '--env is missing');
  oneOf(COMMAND, 'env', values.env, ['libero_spatial']);
  const request = {
    tasks: values.tasks === undefined ? undefined : taskList(COMMAND, values.tasks),
    bowl: oneOf(COMMAND, 'bowl', values.bowl ?? 'target', BOWLS),
    trials:
      values.trials === undefined ? undefined : wholeNumber(COMMAND, 'trials', values.trials, 1),
    json: values.json ?? false,
    seed: BigInt(wholeNumber(COMMAND, 'seed', values.seed ?? '0')),
    bundle: values.bundle,
  };
  const { countSuccesses } = await import('./expert-run.js');
  await countSuccesses(request);
  return 0;
}

/** `0,2,8` of a --tasks option. */
export function taskList(command: string, text: string): number[] {
  return text.split(',').map((part) => wholeNumber(command, 'tasks', part.trim()));
}
