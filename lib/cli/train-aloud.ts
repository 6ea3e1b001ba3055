import { totalSteps } from '../config/index.js';
import type { AbortedError } from '../errors.js';
import { plotCurve } from '../log/curve.js';
import { createProgress, type ProgressFormat } from '../log/progress.js';
import { createRuntime } from '../native/index.js';
import { type TrainSummary, train } from '../train/index.js';
import { stoppable } from './signals.js';
import type { TrainPlan } from './train-plan.js';

/** Trains with progress on stderr and the learning curve at the end. */
export async function trainAloud(
  { config, runDir, resume }: TrainPlan,
  format: ProgressFormat,
): Promise<{ summary: TrainSummary; stopped: AbortedError | null }> {
  const progress = createProgress({ format, totalSteps: totalSteps(config) });
  try {
    const runtime = createRuntime({ device: config.device });
    const { result, stopped } = await stoppable(
      (signal) =>
        train({
          config,
          runtime,
          progress,
          signal,
          ...(runDir === undefined ? {} : { runDir }),
          ...(resume === undefined ? {} : { resume }),
        }),
      (name) => progress.notice(`${name}: stopping after a checkpoint; once more stops at once`),
      'to go on type: dsrl-native train --resume <run folder>',
    );
    const { columns = 80 } = process.stderr;
    const width = Math.min(columns, 100);
    const curve = format === 'json' ? [] : plotCurve(result.history, { width, height: 10 });
    const paths = [`run         ${result.run}`, `checkpoint  ${result.checkpoint}`];
    progress.finish([...curve, ...paths]);
    return { summary: result, stopped: result.interrupted ? stopped : null };
  } finally {
    progress.stop();
  }
}
