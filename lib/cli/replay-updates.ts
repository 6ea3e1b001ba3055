import { type parseCommand as Parse, parseCommand, usageError, wholeNumber } from './arguments.js';

const HELP = `Usage: dsrl-native debug replay-updates --agent FILE --batches DIR --config FILE
                                         --out DIR [--target FILE] [--optimizer FILE] [options]

Runs the learner's ordinary update on given weights, batches and noise, and writes what came out.
Nothing is drawn at random: the same inputs and options write the same bytes.

  --agent FILE       weights, as agent.safetensors of a checkpoint
  --batches DIR      batch_00.safetensors, batch_01.safetensors, ...: one update each
  --config FILE      JSON of the learner's settings; absent keys take their defaults
  --out DIR          gets agent_after, target_after, optimizer_after.safetensors, metrics.jsonl
  --target FILE      the target critic; without it a copy of the agent's critic
  --optimizer FILE   moments and steps; without it zero
  --first N          skip N batches and count updates from N
  --limit N          run N batches
  --device D         cpu (the default), cuda or cuda:N
  --compute C        fp32; bf16 does not exist yet
  --threads N        threads of torch's operations, and threads that share an update
  -h, --help

Exit codes: 0; 2 for wrong usage or inputs; 4 if a loss or a weight is not finite, with the files as
they stood before that update.

Examples:
  dsrl-native debug replay-updates --agent a.safetensors --batches b --config c.json --out o
  dsrl-native debug replay-updates --agent a.safetensors --batches b --config c.json --out o \\
    --limit 1
`;

const COMMAND = 'debug replay-updates';

const OPTIONS = {
  agent: { type: 'string' },
  batches: { type: 'string' },
  config: { type: 'string' },
  out: { type: 'string' },
  target: { type: 'string' },
  optimizer: { type: 'string' },
  first: { type: 'string', default: '0' },
  limit: { type: 'string' },
  device: { type: 'string', default: 'cpu' },
  compute: { type: 'string', default: 'fp32' },
  threads: { type: 'string' },
} as const;

type Values = Awaited<ReturnType<typeof Parse<typeof OPTIONS>>>['values'];

/** `dsrl-native debug replay-updates`. */
export async function runReplayUpdates(argv: string[]): Promise<number> {
  const { values, positionals } = await parseCommand(COMMAND, argv, OPTIONS);
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (positionals[0] !== undefined) throw usageError(COMMAND, `what is \`${positionals[0]}\`?`);
  const compute = values.compute ?? 'fp32';
  if (compute === 'bf16') {
    throw usageError(COMMAND, '--compute bf16 does not exist in this version yet', 'type fp32');
  }
  if (compute !== 'fp32') throw usageError(COMMAND, `--compute ${compute}: fp32 is needed`);
  const { limit, threads } = values;
  const request = {
    agent: required(values, 'agent'),
    batches: required(values, 'batches'),
    config: required(values, 'config'),
    out: required(values, 'out'),
    target: values.target,
    optimizer: values.optimizer,
    first: wholeNumber(COMMAND, 'first', values.first ?? '0'),
    limit: limit === undefined ? undefined : wholeNumber(COMMAND, 'limit', limit),
    device: values.device ?? 'cpu',
    threads: threads === undefined ? undefined : wholeNumber(COMMAND, 'threads', threads, 1),
  };
  const { replayUpdates } = await import('./replay-updates-run.js');
  await replayUpdates(request);
  return 0;
}

function required(values: Values, option: 'agent' | 'batches' | 'config' | 'out'): string {
  const value = values[option];
  if (value === undefined) throw usageError(COMMAND, `--${option} is missing`);
  return value;
}
