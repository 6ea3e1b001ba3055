import { parseCommand, usageError, wholeNumber } from './arguments.js';

const HELP = `Usage: dsrl-native debug random --seed S --stream NAME [--step N] [--env E]
                                 [--count K]

Prints the first numbers of a random stream as one JSON object: {"u32", "uniform", "normal"}.

Examples:
  dsrl-native debug random --seed 0 --stream policy --count 4
  dsrl-native debug random --seed 3 --stream actor --step 7 --env 1 --count 8
`;

/** `dsrl-native debug random`. */
export async function runRandom(argv: string[]): Promise<number> {
  const command = 'debug random';
  const { values, positionals } = await parseCommand(command, argv, {
    seed: { type: 'string' },
    stream: { type: 'string' },
    step: { type: 'string', default: '0' },
    env: { type: 'string', default: '0' },
    count: { type: 'string', default: '8' },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (positionals[0] !== undefined) throw usageError(command, `what is \`${positionals[0]}\`?`);
  const { seed, stream } = values;
  if (seed === undefined || !/^\d+$/.test(seed) || BigInt(seed) >= 1n << 64n) {
    throw usageError(command, '--seed takes a whole number below 2^64');
  }
  if (stream === undefined) throw usageError(command, '--stream is missing');
  const number = (option: 'step' | 'env' | 'count') =>
    wholeNumber(command, option, values[option] as string);
  const { createRuntime, randomStream } = await import('../native/index.js');
  const runtime = createRuntime({ device: 'cpu' });
  const numbers = randomStream(
    runtime,
    BigInt(seed),
    stream,
    number('step'),
    number('env'),
    number('count'),
  );
  process.stdout.write(`${JSON.stringify(numbers)}\n`);
  return 0;
}
