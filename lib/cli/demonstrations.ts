import { oneOf, parseCommand, usageError, wholeNumber } from './arguments.js';
import { taskList } from './expert.js';

const HELP = `Usage: dsrl-native debug demonstrations --out DIR [--tasks K,K,...] [--episodes N]
                                       [--target P] [--horizon H] [--every K] [--seed S]
                                       [--gl KIND] [--bundle DIR]

Records the scripted expert on LIBERO-Spatial, bimodal on purpose: in the same scene and under the
same prompt it fetches the target with probability P, and otherwise the other bowl. Now and then
its hand is led astray, so that a policy sees how to come back; a frame is kept only if the H
actions from it on are clean. An episode that fails is dropped. The scenes are not the evaluated
ones: objects and plate of an initial state that LIBERO does not evaluate on are moved by up to
1.5 cm.

  --out DIR        gets demonstrations.json and a file a batch of episodes, safetensors:
                   main and wrist U8 [F, 64, 64, 3] (the reduced scene, upright), state F32 [F, 8],
                   actions F32 [F, H, 7], objects F32 [F, 3, 3] (x, y and z of the target, the other
                   bowl and the plate, in metres: no policy sees them, a training may), expert
                   F32 [F, H, 7] (what it would have done itself: the same, as nothing led it
                   astray), placed F32 [F, 3, 3] (objects, where its episode put them before they
                   came to rest), and task, trial (the initial state, of those not evaluated),
                   errand (0: target), episode and step I32 [F]
  --tasks K,...    tasks of the suite (0,2,8)
  --episodes N     begun of each task (64)
  --target P       probability of the target (0.45)
  --horizon H      actions of a frame (8)
  --every K        a frame every K steps (2)
  --seed S         of scenes, errands and noise (0)
  --gl KIND        what draws: auto, egl or osmesa
  --bundle DIR     LIBERO's bundle
  -h, --help

Exit codes: 0; 2 for wrong usage; 3 where LIBERO's bundle or a library is missing, or DIR cannot be
written.

Examples:
  dsrl-native debug demonstrations --out demonstrations --episodes 200
  dsrl-native debug demonstrations --out all --tasks 0,1,2,3,4,5,6,7,8,9 --target 0.4
`;

const COMMAND = 'debug demonstrations';

const OPTIONS = {
  out: { type: 'string' },
  tasks: { type: 'string', default: '0,2,8' },
  episodes: { type: 'string', default: '64' },
  target: { type: 'string', default: '0.45' },
  horizon: { type: 'string', default: '8' },
  every: { type: 'string', default: '2' },
  seed: { type: 'string', default: '0' },
  gl: { type: 'string', default: 'auto' },
  bundle: { type: 'string' },
} as const;

/** `dsrl-native debug demonstrations`. */
export async function runDemonstrations(argv: string[]): Promise<number> {
  const { values, positionals } = await parseCommand(COMMAND, argv, OPTIONS);
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (positionals[0] !== undefined) throw usageError(COMMAND, `what is \`${positionals[0]}\`?`);
  if (values.out === undefined) throw usageError(COMMAND, '--out is missing');
  const number = (option: 'episodes' | 'horizon' | 'every') =>
    wholeNumber(COMMAND, option, values[option] ?? '', 1);
  const request = {
    out: values.out,
    tasks: taskList(COMMAND, values.tasks ?? ''),
    episodes: number('episodes'),
    target: probability(values.target ?? ''),
    horizon: number('horizon'),
    every: number('every'),
    seed: wholeNumber(COMMAND, 'seed', values.seed ?? ''),
    gl: oneOf(COMMAND, 'gl', values.gl ?? 'auto', ['auto', 'egl', 'osmesa']),
    bundle: values.bundle,
  };
  const { recordDemonstrations } = await import('./demonstrations-run.js');
  await recordDemonstrations(request);
  return 0;
}

function probability(text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (value >= 0 && value <= 1) return value;
  throw usageError(COMMAND, `--target ${text}: a probability between 0 and 1 is needed`);
}
