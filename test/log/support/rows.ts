import type { EvaluationRow, StepRow } from '../../../lib/log/progress.js';

/** The row of a global step in a run of `totalSteps`. */
export function stepRow(step: number, totalSteps: number, changes: Partial<StepRow> = {}): StepRow {
  return {
    step,
    totalSteps,
    success: step / totalSteps,
    return: -85.2,
    episodeLength: 63.5,
    envSteps: 2560 * step,
    envStepsPerSecond: 12_345,
    updates: 40 * step,
    updatesPerSecond: 35.14,
    entropy: -15.9,
    alpha: 0.0131,
    secondsElapsed: step,
    secondsLeft: totalSteps - step,
    ...changes,
  };
}

export const EVALUATION: EvaluationRow = {
  step: 10,
  success: 0.71,
  low: 0.652,
  high: 0.761,
  episodes: 200,
  return: -63,
  episodeLength: 63.1,
  seconds: 2.1,
};
