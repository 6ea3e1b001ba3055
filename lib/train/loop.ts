import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Config, chunksPerRollout, totalSteps } from '../config/index.js';
import type { EpisodeRecord } from '../envs/index.js';
import { RunLog } from '../log/metrics.js';
import { type Progress, withRunLog } from '../log/progress.js';
import type { Runtime, UpdateRow, VecEnvBackend } from '../native/index.js';
import { resolveCheckpoint, runOf, writeCheckpoint } from './checkpoint.js';
import { type EvaluationResult, evaluate } from './evaluation.js';
import { episodeTags, refuseDiverged, updateTags } from './metrics.js';
import { rollOut } from './rollout.js';
import { createRunFolder } from './run-folder.js';
import {
  checkpointState,
  type HistoryPoint,
  heldRollouts,
  openSession,
  type Session,
} from './session.js';

export interface TrainRequest {
  config: Config;
  runtime: Runtime;
  /** The run's folder itself; made from the configuration's names where absent. */
  runDir?: string | undefined;
  /** A run or checkpoint to go on from; the run's own folder is used again. */
  resume?: string | undefined;
  /** Aborted: the global step under way is completed, a checkpoint written, and `train` returns. */
  signal?: AbortSignal | undefined;
  progress: Progress;
  /** A JavaScript environment in place of the configured one. It is not evaluated. */
  backend?: VecEnvBackend | undefined;
}

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
}

/**
 * Trains: `rollout_epoch` rollouts and `update_epoch` updates a global step, with metrics,
 * evaluations and checkpoints by their schedules.
 *
 * @throws DivergedError before anything of the diverged state is written
 */
export async function train(request: TrainRequest): Promise<TrainSummary> {
  const { config, runtime, signal } = request;
  request.progress.phase('setup');
  const resumed = request.resume === undefined ? undefined : resolveCheckpoint(request.resume);
  const session = await openSession(config, runtime, {
    checkpoint: resumed,
    backend: request.backend,
  });
  const { counters } = session;
  const run =
    resumed === undefined ? createRunFolder(config, runtime, request.runDir) : runOf(resumed);
  mkdirSync(join(run, 'checkpoints'), { recursive: true });
  const progress = withRunLog(request.progress, join(run, 'run.log'));
  const log = RunLog.open(run, resumed === undefined ? {} : { resumeStep: counters.globalSteps });

  const total = totalSteps(config);
  let checkpoint: string | null = resumed ?? null;
  let saved = resumed === undefined ? -1 : counters.globalSteps;
  const save = async () => {
    progress.phase('checkpoint');
    log.flush();
    const { learner, replay } = session;
    const keep = config.checkpoint.keep;
    const state = checkpointState(session);
    checkpoint = await writeCheckpoint(run, { learner, replay, state, keep });
    saved = counters.globalSteps;
    progress.checkpoint(checkpoint);
  };
  try {
    while (counters.globalSteps < total && signal?.aborted !== true) {
      await globalStep(session, { ...request, progress }, log, total);
      if (due(config.runner.save_interval, counters.globalSteps)) await save();
    }
    if (saved !== counters.globalSteps) await save();
  } finally {
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
  };
}

/** One global step: rollouts, updates, evaluation where due, one row of metrics. */
async function globalStep(
  session: Session,
  request: TrainRequest,
  log: RunLog,
  total: number,
): Promise<void> {
  const { config, learner, agent, replay, counters } = session;
  const { progress } = request;
  const before = { ...counters };
  const began = performance.now();

  progress.phase('rollout');
  const episodes: EpisodeRecord[] = [];
  const times = { env: 0, policy: 0 };
  for (let epoch = 0; epoch < config.env.train.rollout_epoch; epoch++) {
    const rollout = await rollOut(session, chunksPerRollout(config));
    episodes.push(...rollout.episodes);
    times.env += rollout.envTime / 1000;
    times.policy += rollout.policyTime / 1000;
  }
  const rolled = performance.now();

  progress.phase('learn');
  let rows: UpdateRow[] = [];
  if (heldRollouts(session) >= config.algorithm.replay_buffer.min_buffer_size) {
    rows = await learner.update(config.algorithm.update_epoch, replay);
    refuseDiverged(rows, learner.finite());
    learner.publish(agent);
  }
  const learned = performance.now();
  counters.updates = learner.updates;
  counters.trainSeconds += (learned - began) / 1000;
  counters.globalSteps += 1;

  const evaluation = await evaluateIfDue(session, request);
  const evaluated = performance.now();
  const seconds = { rollout: (rolled - began) / 1000, learn: (learned - rolled) / 1000 };
  const envSteps = counters.envSteps - before.envSteps;
  const tags: Record<string, number> = {
    ...episodeTags(episodes),
    ...updateTags(rows),
    ...(rows.length === 0 ? {} : learningRates(config)),
    'train/replay_buffer/size': replay.size,
    'train/replay_buffer/utilization': replay.size / replay.capacity,
    'train/replay_buffer/num_trajectories': heldRollouts(session),
    'train/replay_buffer/total_samples': replay.total,
    'time/step': (evaluated - began) / 1000,
    'time/generate_rollouts': seconds.rollout,
    'time/actor_training': seconds.learn,
    'time/env_step': times.env,
    'time/policy_infer': times.policy,
    'rollout/env_steps_per_s': envSteps / seconds.rollout,
    'rollout/chunks_per_s': (counters.chunks - before.chunks) / seconds.rollout,
    ...(evaluation === null
      ? {}
      : { ...evaluationTags(evaluation), 'time/eval': (evaluated - learned) / 1000 }),
  };
  log.write({
    step: before.globalSteps,
    envSteps: counters.envSteps,
    chunks: counters.chunks,
    updates: counters.updates,
    seconds: counters.trainSeconds,
    tags,
  });
  const success = tags['env/success_once'] ?? Number.NaN;
  session.history.push({
    envSteps: counters.envSteps,
    success,
    ...(evaluation === null ? {} : { evalSuccess: evaluation.success }),
  });
  progress.step({
    step: counters.globalSteps,
    totalSteps: total,
    success,
    return: tags['env/return'] ?? Number.NaN,
    episodeLength: tags['env/episode_len'] ?? Number.NaN,
    evalSuccess: session.history.findLast((point) => point.evalSuccess !== undefined)?.evalSuccess,
    envSteps: counters.envSteps,
    envStepsPerSecond: envSteps / seconds.rollout,
    updates: counters.updates,
    updatesPerSecond: rows.length / seconds.learn,
    entropy: tags['train/actor/entropy'],
    alpha: tags['train/sac/alpha'],
    secondsElapsed: counters.trainSeconds,
    secondsLeft: (counters.trainSeconds / counters.globalSteps) * (total - counters.globalSteps),
  });
}

/** With its own environments and the deterministic agent: training does not notice. */
async function evaluateIfDue(
  session: Session,
  { progress, backend, signal }: TrainRequest,
): Promise<EvaluationResult | null> {
  const { config, runtime, policy, agent, counters } = session;
  if (backend !== undefined || signal?.aborted === true) return null;
  if (!due(config.runner.val_check_interval, counters.globalSteps)) return null;
  progress.phase('evaluate');
  const began = performance.now();
  const result = await evaluate({ config, runtime, policy, agent });
  progress.evaluation({
    step: counters.globalSteps,
    success: result.success,
    low: result.low,
    high: result.high,
    episodes: result.episodes,
    return: result.return,
    episodeLength: result.episode_len,
    seconds: (performance.now() - began) / 1000,
  });
  return result;
}

function evaluationTags(result: EvaluationResult): Record<string, number> {
  return {
    'eval/success_once': result.success,
    'eval/success_at_end': result.success_at_end,
    'eval/return': result.return,
    'eval/episode_len': result.episode_len,
    'eval/reward': result.reward,
    'eval/num_trajectories': result.episodes,
  };
}

function learningRates({ actor }: Config): Record<string, number> {
  return { 'train/actor/lr': actor.optim.lr, 'train/critic/lr': actor.critic_optim.lr };
}

/** -1 is never. */
function due(interval: number, globalSteps: number): boolean {
  return interval > 0 && globalSteps % interval === 0;
}
