import { basename, join } from 'node:path';
import { type Config, configToYaml, totalSteps } from '../config/index.js';
import type { EpisodeRecord } from '../envs/index.js';
import { DivergedError } from '../errors.js';
import { makeFolder } from '../folder.js';
import { replaceFile } from '../log/files.js';
import { RunLog } from '../log/metrics.js';
import { type Progress, withRunLog } from '../log/progress.js';
import type { Runtime, VecEnvBackend } from '../native/index.js';
import { adoptCheckpoint, resolveCheckpoint, runOf, writeCheckpoint } from './checkpoint.js';
import { hasBegun } from './checkpoint-state.js';
import { due, globalStep } from './global-step.js';
import { compareWithCheckpoint } from './resume.js';
import { chooseRunFolder, createRunFolder } from './run-folder.js';
import {
  checkpointState,
  type HistoryPoint,
  openSession,
  type Session,
  steeringOf,
} from './session.js';
import { RunVideos } from './videos.js';

/** A training: its configuration, where it computes, and who is told. */
export interface TrainRequest {
  config: Config;
  runtime: Runtime;
  /** The run's folder itself; made from the configuration's names where absent. */
  runDir?: string | undefined;
  /**
   * A run or checkpoint to go on from; the run's own folder is used again. The configuration must
   * be the checkpoint's but for keys that may change (lib/train/resume.ts).
   */
  resume?: string | undefined;
  /**
   * Aborted: training stops at the next border of a chunk or an update, writes a checkpoint of
   * exactly that moment (the global step under way included), and `train` returns. A run that is
   * resumed from it ends in the same bits as one that was never stopped. Aborted before the policy
   * is open and a checkpoint restored: `train` rejects with the signal's reason, and neither has a
   * new run begun nor has the resumed one changed.
   */
  signal?: AbortSignal | undefined;
  progress: Progress;
  /** Is told of every episode of training as it ends. */
  onEpisode?: ((episode: EpisodeRecord) => void) | undefined;
  /** A JavaScript environment in place of the configured one. It is not evaluated. */
  backend?: VecEnvBackend | undefined;
}

/** What a training came to. */
export interface TrainSummary {
  run: string;
  checkpoint: string | null;
  globalSteps: number;
  envSteps: number;
  updates: number;
  /** Rollouts and updates alone, over all resumptions. */
  trainSeconds: number;
  interrupted: boolean;
  history: HistoryPoint[];
  /** The folders that hold the run's videos. */
  videos: string[];
}

/**
 * Trains: `rollout_epoch` rollouts and `update_epoch` updates a global step, with metrics,
 * evaluations and checkpoints by their schedules.
 *
 * @throws UsageError ERR_DSRL_RUN_EXISTS, before the policy is opened
 * @throws EnvironmentSetupError ERR_DSRL_RUN_UNWRITABLE, likewise
 * @throws CheckpointError where `resume` is damaged or does not fit; nothing is written then
 * @throws DivergedError for a value that is not finite in an environment, a loss or a weight,
 *   before anything of that state is written: the last checkpoint is from before
 */
export async function train(request: TrainRequest): Promise<TrainSummary> {
  const { config, runtime, signal } = request;
  request.progress.phase('setup');
  const resumed = request.resume === undefined ? null : resolveCheckpoint(request.resume);
  const run = resumed === null ? chooseRunFolder(config, request.runDir) : runOf(resumed);
  const changes = resumed === null ? [] : compareWithCheckpoint(config, resumed);
  let { progress } = request;
  const warn = (text: string) => progress.warn(text);
  const videos = new RunVideos(config, run, warn);
  const session = await openSession(config, runtime, {
    film: videos.training ?? undefined,
    checkpoint: resumed ?? undefined,
    backend: request.backend,
    onEpisode: request.onEpisode,
    warn,
    signal,
  });
  try {
    if (resumed === null) createRunFolder(run, config, runtime);
    makeFolder(join(run, 'checkpoints'));
    progress = withRunLog(request.progress, join(run, 'run.log'));
    const log = RunLog.open(run, {
      events: config.runner.logger.logger_backends.includes('tensorboard'),
      resumeStep: resumed === null ? undefined : session.counters.globalSteps,
    });
    if (resumed !== null) goOn(session, resumed, changes, progress);
    return await runSteps(session, { run, resumed, progress, log, videos, request });
  } finally {
    session.close();
  }
}

interface RunParts {
  run: string;
  /** The checkpoint that it goes on from. */
  resumed: string | null;
  progress: Progress;
  log: RunLog;
  videos: RunVideos;
  request: TrainRequest;
}

/** The global steps that are left, with a checkpoint at the end; closes the log and the videos. */
async function runSteps(
  session: Session,
  { run, resumed, progress, log, videos, request }: RunParts,
): Promise<TrainSummary> {
  const { config, counters } = session;
  const { signal } = request;
  const total = totalSteps(config);
  const evaluates = request.backend === undefined;
  let checkpoint = resumed;
  let saved = resumed !== null;
  const save = async () => {
    progress.phase('checkpoint');
    await log.flush();
    const { learner, replay } = session;
    const state = checkpointState(session);
    const steering = steeringOf(session);
    const parts = { learner, replay, state, steering, previous: checkpoint };
    checkpoint = await writeCheckpoint(run, { ...parts, keep: config.checkpoint.keep });
    saved = true;
    progress.checkpoint(checkpoint);
  };
  try {
    while (counters.globalSteps < total && signal?.aborted !== true) {
      const step = { progress, log, total, signal, evaluates, videos };
      const complete = await globalStep(session, step);
      if (complete || hasBegun(session.step)) saved = false;
      if (complete && due(config.runner.save_interval, counters.globalSteps)) await save();
    }
    if (!saved) await save();
    await videos.training?.finish(counters.globalSteps + 1); // of a step that was interrupted
  } catch (error) {
    throw error instanceof DivergedError ? withWayOn(error, run, checkpoint) : error;
  } finally {
    await videos.training?.close();
    log.close();
  }
  return {
    run,
    checkpoint,
    globalSteps: counters.globalSteps,
    envSteps: counters.envSteps,
    updates: counters.updates,
    trainSeconds: counters.trainSeconds,
    interrupted: counters.globalSteps < total,
    history: session.history,
    videos: videos.where(),
  };
}

/** What changes on disk, and what the user is told, before a resumed run takes its first step. */
function goOn(
  { config, counters, step }: Session,
  checkpoint: string,
  changes: readonly string[],
  progress: Progress,
): void {
  const run = runOf(checkpoint);
  const part = hasBegun(step) ? ' and a part of the next' : '';
  progress.notice(`going on from ${checkpoint}: ${counters.globalSteps} global steps${part}`);
  for (const change of changes) progress.notice(change);
  if (changes.length > 0) replaceFile(join(run, 'config.yaml'), configToYaml(config));
  const left = adoptCheckpoint(checkpoint);
  if (left.length > 0) {
    progress.notice(
      `${left.join(', ')} came after ${basename(checkpoint)}: the next checkpoint replaces them`,
    );
  }
  if (counters.globalSteps < totalSteps(config)) return;
  progress.notice(
    `all ${totalSteps(config)} global steps are done; for more type runner.max_steps=<number>`,
  );
}

/** The same error, with where the run stands in its hint. */
function withWayOn(error: DivergedError, run: string, checkpoint: string | null): DivergedError {
  const way =
    checkpoint === null
      ? `there is no checkpoint yet: begin again, with a smaller runner.save_interval`
      : `then go on from before it: dsrl-native train --resume ${run}`;
  return new DivergedError(error.message, { hint: `${error.hint}; ${way}`, cause: error });
}
