import { oneOf, parseCommand, usageError, wholeNumber } from './arguments.js';

const HELP = `Usage: dsrl-native debug replay-env --env NAME --task K --trial N --actions FILE --out FILE
                                     [--pictures T,T,...] [--picture-size S] [--seed S]

Restores an initial state, runs given actions and writes what an environment went through, so that
it can be compared with any other implementation. There is no warm-up, and it goes on after success.

  --env NAME         libero_spatial or tabletop
  --task K           of the suite, from 0 on
  --trial N          the initial state
  --actions FILE     safetensors: actions F64 [T, 7]; for LIBERO optionally cabinet_pose and
                     stove_pose F64 [7]: position and quaternion (w first) of these fixtures
  --out FILE         gets qpos [T+1, ...], qvel [T+1, ...] (LIBERO only), state [T+1, 8], all F64,
                     row 0 as restored and row t after step t; success U8 [T], reward F64 [T], and
                     for each listed step agentview_t and wrist_t U8 [S, S, 3]
  --pictures T,...   steps, counted like the rows. LIBERO's as MuJoCo reads them, the bottom row
                     first; tabletop's upright, as it is drawn
  --picture-size S   side of the pictures (256)
  --seed S           the environment's, which places what no initial state holds (0)
  --gl KIND          what draws LIBERO: auto, egl or osmesa
  --bundle DIR       LIBERO's bundle
  -h, --help

Exit codes: 0; 2 for wrong usage or inputs; 3 where LIBERO's bundle or a library is missing.

Examples:
  dsrl-native debug replay-env --env tabletop --task 0 --trial 3 --actions a.safetensors --out o
  dsrl-native debug replay-env --env libero_spatial --task 5 --trial 0 --actions a.safetensors \\
      --out o.safetensors --pictures 15,75 --picture-size 256
`;

const COMMAND = 'debug replay-env';
export const REPLAY_ENVIRONMENTS = ['libero_spatial', 'tabletop'] as const;

const OPTIONS = {
  env: { type: 'string' },
  task: { type: 'string' },
  trial: { type: 'string' },
  actions: { type: 'string' },
  out: { type: 'string' },
  pictures: { type: 'string', default: '' },
  'picture-size': { type: 'string', default: '256' },
  seed: { type: 'string', default: '0' },
  gl: { type: 'string', default: 'auto' },
  bundle: { type: 'string' },
} as const;

/** `dsrl-native debug replay-env`. */
export async function runReplayEnv(argv: string[]): Promise<number> {
  const { values, positionals } = await parseCommand(COMMAND, argv, OPTIONS);
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (positionals[0] !== undefined) throw usageError(COMMAND, `what is \`${positionals[0]}\`?`);
  const given = (option: 'env' | 'task' | 'trial' | 'actions' | 'out'): string => {
    const value = values[option];
    if (value === undefined) throw usageError(COMMAND, `--${option} is missing`);
    return value;
  };
  const request = {
    env: oneOf(COMMAND, 'env', given('env'), REPLAY_ENVIRONMENTS),
    task: wholeNumber(COMMAND, 'task', given('task')),
    trial: wholeNumber(COMMAND, 'trial', given('trial')),
    actions: given('actions'),
    out: given('out'),
    pictures: steps(values.pictures ?? ''),
    pictureSize: wholeNumber(COMMAND, 'picture-size', values['picture-size'] ?? '256', 1),
    seed: BigInt(wholeNumber(COMMAND, 'seed', values.seed ?? '0')),
    gl: oneOf(COMMAND, 'gl', values.gl ?? 'auto', ['auto', 'egl', 'osmesa']),
    bundle: values.bundle,
  };
  const { replayEnv } = await import('./replay-env-run.js');
  await replayEnv(request);
  return 0;
}

function steps(text: string): number[] {
  if (text === '') return [];
  return text.split(',').map((part) => wholeNumber(COMMAND, 'pictures', part.trim()));
}
