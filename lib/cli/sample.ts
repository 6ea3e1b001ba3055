import { renameSync, rmSync } from 'node:fs';
import { DsrlError, EnvironmentSetupError, PolicyError, UsageError } from '../errors.js';
import { parseCommand, usageError, wholeNumber } from './arguments.js';

const HELP = `Usage: dsrl-native debug sample --policy DIR --inputs FILE --out FILE [options]

Runs a frozen policy's flow on given tensors and noise: the network alone, without pre- or
post-processing, so that anyone can compare it with another implementation.

  --policy DIR     the folder with policy.json and policy.pt
  --inputs FILE    safetensors with the inputs of policy.pt, normalised and padded:
                     images       F32   [B, N, 3, S, S], in [-1, 1]
                     image_masks  BOOL  [B, N], false where a picture is not seen
                     tokens       I64   [B, L]
                     token_mask   BOOL  [B, L], false where a token is padding
                     state        F32   [B, 32]
                     noise        F32   [B, H, 32], or M noises for each row: [B * M, H, 32]
  --out FILE       gets \`actions\` F32, of noise's shape, normalised and padded
  --num-steps N    Euler steps; as in policy.json unless given
  --device D       cpu (the default), cuda or cuda:N
  --threads N      threads of torch's operations
  -h, --help

Exit codes: 0; 2 for wrong usage or inputs, with the tensor's name, and for actions that are not
finite; nothing is written then.

Examples:
  dsrl-native debug sample --policy policies/tabletop --inputs in.safetensors --out out.safetensors
  dsrl-native debug sample --policy pi0 --inputs in.safetensors --out out.safetensors --num-steps 4
`;

const COMMAND = 'debug sample';

/** `dsrl-native debug sample`. */
export async function runSample(argv: string[]): Promise<number> {
  const { values, positionals } = await parseCommand(COMMAND, argv, {
    policy: { type: 'string' },
    inputs: { type: 'string' },
    out: { type: 'string' },
    'num-steps': { type: 'string' },
    device: { type: 'string', default: 'cpu' },
    threads: { type: 'string' },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (positionals[0] !== undefined) throw usageError(COMMAND, `what is \`${positionals[0]}\`?`);
  const required = (option: 'policy' | 'inputs' | 'out'): string => {
    const value = values[option];
    if (value === undefined) throw usageError(COMMAND, `--${option} is missing`);
    return value;
  };
  const folder = required('policy');
  const inputs = required('inputs');
  const out = required('out');
  const number = (option: 'num-steps' | 'threads') => {
    const text = values[option];
    return text === undefined ? undefined : wholeNumber(COMMAND, option, text, 1);
  };
  const numSteps = number('num-steps');
  const threads = number('threads');
  const { createRuntime } = await import('../native/index.js');
  const { FrozenPolicy } = await import('../policy/index.js');
  const { stoppable } = await import('./signals.js');
  const runtime = createRuntime({ device: values.device as string });
  if (threads !== undefined) runtime.setThreads(threads);
  const policy = FrozenPolicy.load(runtime, folder);
  const unfinished = `${out}.unfinished`;
  const sample = (signal: AbortSignal) =>
    policy.sampleFile(inputs, unfinished, numSteps, { signal }).catch((error: unknown) => {
      throw explained(error, out);
    });
  try {
    const tell = {
      first: (name: string) => void process.stderr.write(`${name}: stopping\n`),
      second: () => {},
    };
    const { stopped } = await stoppable(sample, tell, () => 'nothing was written');
    if (stopped !== null) throw stopped;
    renameSync(unfinished, out);
  } finally {
    rmSync(unfinished, { force: true });
  }
  return 0;
}

/** An error of reading or writing the files, in the words of this command. */
function explained(error: unknown, out: string): unknown {
  if (!(error instanceof DsrlError) || error instanceof PolicyError) return error;
  if (error.code === 'ERR_DSRL_CHECKPOINT_WRITE') {
    return new EnvironmentSetupError('ERR_DSRL_UNWRITABLE', `${out} cannot be written`, {
      hint: 'name another file with --out',
      cause: error,
    });
  }
  if (error.exitCode !== 2) return error;
  return new UsageError('ERR_DSRL_SAMPLE_INPUTS', error.message, {
    hint: `\`dsrl-native ${COMMAND} --help\` lists the tensors of --inputs`,
    cause: error,
  });
}
