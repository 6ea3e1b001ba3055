import { totalSteps } from '../config/index.js';
import type { AbortedError } from '../errors.js';
import { plotCurve } from '../log/curve.js';
import { createProgress, type Progress, type ProgressFormat } from '../log/progress.js';
import { createRuntime } from '../native/index.js';
import { runOf, type TrainSummary, train } from '../train/index.js';
import { type StopTellers, stoppable } from './signals.js';
import type { TrainPlan } from './train-plan.js';

const resumeIt = (run: string) => `dsrl-native train --resume ${run}`;

/**
 * Trains with progress on stderr and the learning curve at the end.
 *
 * @param goesOn what to type to go on with a run that was stopped
 */
export async function trainAloud(
  { config, runDir, resume }: TrainPlan,
  format: ProgressFormat,
  goesOn: (run: string) => string = resumeIt,
): Promise<{ summary: TrainSummary; stopped: AbortedError | null }> {
  const shown = createProgress({ format, totalSteps: totalSteps(config) });
  let newest = resume;
  let begun = false;
  const progress: Progress = {
    ...shown,
    phase(name) {
      begun ||= name !== 'setup';
      shown.phase(name);
    },
    checkpoint(path) {
      newest = path;
      shown.checkpoint(path);
    },
  };
  const tell: StopTellers = {
    first: (name) =>
      progress.warn(
        begun
          ? `${name}: a checkpoint is written after this chunk or update; once more ends at once`
          : `${name}: stopping before the first step; once more ends at once`,
      ),
    second: (name) => {
      progress.warn(`${name}: ended at once, ${whatIsLost(newest, goesOn)}`);
      progress.stop();
    },
  };
  try {
    const runtime = createRuntime({ device: config.device });
    const { result, stopped } = await stoppable(
      (signal) => train({ config, runtime, progress, signal, runDir, resume }),
      tell,
      (summary) =>
        summary === undefined
          ? 'nothing was written: type the same command again'
          : `to go on: ${goesOn(summary.run)}`,
    );
    const { columns = 80 } = process.stderr;
    const width = Math.min(columns, 100);
    const curve = format === 'json' ? [] : plotCurve(result.history, { width, height: 10 });
    const videos = result.videos.map((folder) => `videos      ${folder}`);
    const paths = [`run         ${result.run}`, `checkpoint  ${result.checkpoint}`, ...videos];
    progress.finish([...curve, ...paths]);
    return { summary: result, stopped: result.interrupted ? stopped : null };
  } finally {
    progress.stop();
  }
}

function whatIsLost(checkpoint: string | undefined, goesOn: (run: string) => string): string {
  if (checkpoint === undefined) return 'no checkpoint had been written';
  return `what came after ${checkpoint} is lost; to go on: ${goesOn(runOf(checkpoint))}`;
}
