import { availableParallelism } from 'node:os';
import { UsageError } from '../errors.js';
import { createRuntime, LiberoBackend, type Runtime } from '../native/index.js';
import { wilson } from '../train/index.js';
import {
  checkTasks,
  checkUnbroken,
  DONE,
  ERRANDS,
  forget,
  HORIZON,
  PHASES,
  settle,
} from './errands.js';

export interface ExpertRequest {
  /** All of the suite's without it. */
  tasks: readonly number[] | undefined;
  bowl: keyof typeof ERRANDS;
  trials: number | undefined;
  json: boolean;
  seed: bigint;
  bundle: string | undefined;
}

/** How an episode ended: the steps that it took, or the phase in which its time ran out. */
type Ending = { steps: number } | { stuck: (typeof PHASES)[number] };

const MOST_ENVIRONMENTS = 10;

/** Runs the expert and prints a line a task. */
export async function countSuccesses(request: ExpertRequest): Promise<void> {
  const runtime = createRuntime({ device: 'cpu' });
  const threads = availableParallelism();
  const backend = new LiberoBackend(runtime, {
    numEnvs: Math.min(request.trials ?? MOST_ENVIRONMENTS, MOST_ENVIRONMENTS),
    suite: 'libero_spatial',
    seed: request.seed,
    cameras: [],
    threads,
    ...(request.bundle !== undefined && { bundle: request.bundle }),
  });
  const tasks = request.tasks ?? Array.from({ length: backend.numTasks }, (_, task) => task);
  checkTasks(tasks, backend.numTasks);
  const trials = request.trials ?? backend.numTrials;
  if (trials > backend.numTrials) {
    const what = `--trials ${trials}: a task has ${backend.numTrials} initial states`;
    throw new UsageError('ERR_DSRL_USAGE', what, { hint: `give at most ${backend.numTrials}` });
  }
  for (const task of tasks) {
    const endings: Ending[] = [];
    while (endings.length < trials) {
      const first = endings.length;
      const count = Math.min(backend.numEnvs, trials - first);
      const ids = Array.from({ length: count }, (_, i) => first + i);
      endings.push(...(await runErrands(runtime, backend, request.bowl, task, ids)));
    }
    process.stdout.write(`${report(request, task, endings)}\n`);
  }
}

async function runErrands(
  runtime: Runtime,
  backend: LiberoBackend,
  bowl: keyof typeof ERRANDS,
  task: number,
  trials: readonly number[],
): Promise<Ending[]> {
  trials.forEach((trial, env) => {
    backend.restore(env, task, trial);
  });
  await settle(runtime, backend);
  const errands = new Int32Array(backend.numEnvs).fill(ERRANDS[bowl]);
  const endings: Ending[] = trials.map(() => ({ stuck: 'reach' }));
  const going = (env: number) => 'stuck' in (endings[env] ?? { steps: 0 });
  for (let step = 1; step <= HORIZON && endings.some((_, env) => going(env)); step++) {
    const { actions, phases } = backend.expertStep(errands);
    const limit = Int32Array.from(errands, (_, env) => (going(env) ? 1 : 0));
    const result = await backend.stepChunk(actions, limit, { pictures: false });
    actions.dispose();
    forget(result);
    checkUnbroken(result, `task ${task}`);
    for (let env = 0; env < endings.length; env++) {
      if (!going(env)) continue;
      const phase = phases[env] ?? 0;
      const done = bowl === 'target' ? result.success[env] === 1 : phase === DONE;
      endings[env] = done ? { steps: step } : { stuck: PHASES[phase] ?? 'reach' };
    }
  }
  return endings;
}

function report({ bowl, json }: ExpertRequest, task: number, endings: readonly Ending[]): string {
  const steps = endings.flatMap((ending) => ('steps' in ending ? [ending.steps] : []));
  const stuck: Record<string, number> = {};
  for (const ending of endings) {
    if ('stuck' in ending) stuck[ending.stuck] = (stuck[ending.stuck] ?? 0) + 1;
  }
  const successes = steps.length;
  const episodes = endings.length;
  const { low, high } = wilson(successes, episodes);
  steps.sort((a, b) => a - b);
  const median = steps[Math.floor(steps.length / 2)] ?? null;
  const figures = { task, bowl, successes, episodes, low, high, median_steps: median, stuck };
  if (json) return JSON.stringify(figures);
  const percent = (rate: number) => `${(100 * rate).toFixed(0)} %`;
  const failed = Object.entries(stuck).map(([phase, count]) => `${count} in ${phase}`);
  return [
    `task ${task}: ${successes} of ${episodes}`,
    `[${percent(low)}, ${percent(high)}]`,
    ...(median === null ? [] : [`${median} steps`]),
    ...(failed.length === 0 ? [] : [`failed: ${failed.join(', ')}`]),
  ].join('  ');
}
