import { type Config, chunksPerRollout } from '../config/index.js';
import type { RunLog } from '../log/metrics.js';
import type { Progress } from '../log/progress.js';
import { freshStep } from './checkpoint-state.js';
import { type EvaluationResult, evaluate } from './evaluation.js';
import { episodeTags, evaluationTags, failureTags, refuseDiverged, updateTags } from './metrics.js';
import { rollOut } from './rollout.js';
import { heldRollouts, type Session } from './session.js';
import { stopwatch } from './stopwatch.js';
import type { RunVideos } from './videos.js';

export interface GlobalStepRequest {
  progress: Progress;
  log: RunLog;
  /** Global steps of the run. */
  total: number;
  signal: AbortSignal | undefined;
  /** Whether the configured evaluations are run. */
  evaluates: boolean;
  videos: RunVideos;
}

/**
 * One global step, or the rest of one that was interrupted: rollouts, updates, evaluation where
 * due, one row of metrics.
 *
 * An abort stops it between two chunks, two updates or two chunks of an evaluation. What it has
 * done is in `session.step` then, and since every random draw is a function of the seed and the
 * counters, going on from there ends in the same bits as never having stopped.
 *
 * @returns false if `signal` has interrupted it
 * @throws DivergedError before anything of the diverged state is written
 */
export async function globalStep(session: Session, request: GlobalStepRequest): Promise<boolean> {
  const { counters, step } = session;
  const timed = async (part: 'rollout' | 'learn', body: () => Promise<boolean>) => {
    const taken = stopwatch(session.envs);
    const complete = await body();
    const seconds = taken();
    step.seconds[part] += seconds;
    counters.trainSeconds += seconds;
    return complete;
  };
  if (!(await timed('rollout', () => rollOutAll(session, request)))) return false;
  await request.videos.training?.finish(counters.globalSteps + 1);
  if (!(await timed('learn', () => learn(session, request)))) return false;
  const evaluation = await evaluateIfDue(session, request);
  if (evaluation === 'interrupted') return false;
  counters.globalSteps += 1;
  report(session, request, evaluation);
  session.step = freshStep();
  return true;
}

async function rollOutAll(session: Session, request: GlobalStepRequest): Promise<boolean> {
  const { config, step } = session;
  request.progress.phase('rollout');
  while (step.rollouts < config.env.train.rollout_epoch) {
    if (!(await rollOut(session, chunksPerRollout(config), request.signal))) return false;
  }
  return true;
}

async function learn(session: Session, { progress, signal }: GlobalStepRequest): Promise<boolean> {
  const { config, learner, agent, replay, counters, step } = session;
  const { replay_buffer, update_epoch } = config.algorithm;
  if (heldRollouts(session) < replay_buffer.min_buffer_size) return true;
  progress.phase('learn');
  const missing = update_epoch - step.updates.length;
  const rows = missing === 0 ? [] : await learner.update(missing, replay, { signal });
  refuseDiverged(rows, await learner.finite());
  step.updates.push(...rows);
  counters.updates = learner.updates;
  if (step.updates.length < update_epoch) return false;
  learner.publish(agent);
  return true;
}

/** With its own environments and the deterministic agent: training does not notice. */
async function evaluateIfDue(
  session: Session,
  { progress, signal, evaluates, videos: run }: GlobalStepRequest,
): Promise<{ result: EvaluationResult; seconds: number } | null | 'interrupted'> {
  const { config, runtime, policy, agent, counters } = session;
  const completed = counters.globalSteps + 1;
  if (!evaluates || !due(config.runner.val_check_interval, completed)) return null;
  progress.phase('evaluate');
  const began = performance.now();
  let result: EvaluationResult;
  try {
    const videos = run.evaluation(completed);
    const warn = (text: string) => progress.warn(text);
    result = await evaluate({ config, runtime, policy, agent, signal, videos, warn });
  } catch (error) {
    if (signal?.aborted === true && error === signal.reason) return 'interrupted';
    throw error;
  }
  const seconds = (performance.now() - began) / 1000;
  progress.evaluation({
    step: completed,
    success: result.success,
    low: result.low,
    high: result.high,
    episodes: result.episodes,
    return: result.return,
    episodeLength: result.episode_len,
    seconds,
  });
  return { result, seconds };
}

/** The row of metrics, the history and the progress of a step that is complete. */
function report(
  session: Session,
  { progress, log, total }: GlobalStepRequest,
  evaluation: { result: EvaluationResult; seconds: number } | null,
): void {
  const { config, replay, counters, step } = session;
  const { seconds, updates } = step;
  const perSecond = step.envSteps / seconds.rollout;
  const tags: Record<string, number> = {
    ...episodeTags(step.episodes),
    ...failureTags(step.failures),
    ...updateTags(updates),
    ...(updates.length === 0 ? {} : learningRates(config)),
    'train/replay_buffer/size': replay.size,
    'train/replay_buffer/utilization': replay.size / replay.capacity,
    'train/replay_buffer/num_trajectories': heldRollouts(session),
    'train/replay_buffer/total_samples': replay.total,
    'time/step': seconds.rollout + seconds.learn + (evaluation?.seconds ?? 0),
    'time/generate_rollouts': seconds.rollout,
    'time/actor_training': seconds.learn,
    'time/env_step': seconds.environment,
    'time/policy_infer': seconds.policy,
    'rollout/env_steps_per_s': perSecond,
    'rollout/chunks_per_s': step.chunks / seconds.rollout,
    ...(evaluation === null
      ? {}
      : { ...evaluationTags(evaluation.result), 'time/eval': evaluation.seconds }),
  };
  log.write({
    step: counters.globalSteps - 1,
    envSteps: counters.envSteps,
    chunks: counters.chunks,
    updates: counters.updates,
    seconds: counters.trainSeconds,
    tags,
  });
  const { failed, lost } = step.failures;
  if (failed + lost > 0) {
    progress.warn(`environments failed in ${failed} episodes; ${lost} were lost and begun again`);
  }
  const success = tags['env/success_once'] ?? Number.NaN;
  session.history.push({
    envSteps: counters.envSteps,
    success,
    ...(evaluation === null ? {} : { evalSuccess: evaluation.result.success }),
  });
  progress.step({
    step: counters.globalSteps,
    totalSteps: total,
    success,
    return: tags['env/return'] ?? Number.NaN,
    episodeLength: tags['env/episode_len'] ?? Number.NaN,
    evalSuccess: session.history.findLast((point) => point.evalSuccess !== undefined)?.evalSuccess,
    envSteps: counters.envSteps,
    envStepsPerSecond: perSecond,
    updates: counters.updates,
    updatesPerSecond: updates.length / seconds.learn,
    entropy: tags['train/actor/entropy'],
    alpha: tags['train/sac/alpha'],
    secondsElapsed: counters.trainSeconds,
    secondsLeft: (counters.trainSeconds / counters.globalSteps) * (total - counters.globalSteps),
  });
}

function learningRates({ actor }: Config): Record<string, number> {
  return { 'train/actor/lr': actor.optim.lr, 'train/critic/lr': actor.critic_optim.lr };
}

/** Whether something that happens every `interval` global steps is due; -1 is never. */
export function due(interval: number, globalSteps: number): boolean {
  return interval > 0 && globalSteps % interval === 0;
}
