import type { Config } from '../config/index.js';
import type { Environments, EpisodeRecord } from '../envs/index.js';
import type { Agent, Replay } from '../native/index.js';
import type { Counters, StepUnderWay } from './checkpoint-state.js';
import type { SamplingPolicy } from './environments.js';
import { stopwatch } from './stopwatch.js';

export interface RolloutParts {
  /** Is told of every episode as it ends. */
  onEpisode?: ((episode: EpisodeRecord) => void) | undefined;
  config: Config;
  envs: Environments;
  agent: Agent;
  policy: SamplingPolicy;
  replay: Replay;
  /** Counted on here. */
  counters: Counters;
  /** Counted on here: its `decisions` say where in the rollout it stands. */
  step: StepUnderWay;
}

/**
 * One rollout of all environments, or the rest of one that was interrupted: at most `chunks`
 * decisions each, every one into the replay.
 *
 * @returns false if `signal` has stopped it at the border of a chunk; the call for the same step
 *   goes on there
 */
export async function rollOut(
  parts: RolloutParts,
  chunks: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const { envs, counters, step } = parts;
  const stopped = () => signal?.aborted === true;
  // Not between the resets and the first chunk: a reset that was taken cannot be given back.
  if (stopped()) return false;
  let obs = step.decisions === 0 ? await envs.startRollout() : await envs.observe();
  try {
    while (step.decisions < chunks && !envs.allDone) {
      obs = await decide(parts, obs);
      if (stopped()) return false;
    }
  } finally {
    obs.dispose();
  }
  counters.rollouts += 1;
  step.rollouts += 1;
  step.decisions = 0;
  return true;
}

type Observation = Awaited<ReturnType<Environments['observe']>>;

/** Noise, actions, one chunk of all environments, into the replay. Disposes of `obs`. */
async function decide(parts: RolloutParts, obs: Observation): Promise<Observation> {
  const { config, envs, agent, policy, replay, counters, step } = parts;
  const { frame, state } = obs;
  const noise = await agent.act({ frame, state }, { step: counters.decisions });
  const began = performance.now();
  const actions = await policy.sample(obs, noise, config.actor.model.num_steps);
  step.seconds.policy += (performance.now() - began) / 1000;
  const taken = stopwatch(envs);
  const stepped = await envs.stepChunk(actions);
  step.seconds.environment += taken();
  const { next, rewards, steps, terminated, active } = stepped;
  replay.append({
    frame,
    state,
    nextFrame: next.frame,
    nextState: next.state,
    noise,
    rewards,
    steps,
    terminated,
    active,
    version: agent.version,
  });
  actions.dispose();
  noise.dispose();
  obs.dispose();
  if (next !== stepped.obs) next.dispose();
  step.episodes.push(...stepped.episodes);
  for (const episode of stepped.episodes) parts.onEpisode?.(episode);
  for (const { kind } of stepped.failures) step.failures[kind] += 1;
  step.decisions += 1;
  step.envSteps += stepped.envSteps;
  step.chunks += stepped.chunks;
  counters.decisions += 1;
  counters.envSteps += stepped.envSteps;
  counters.chunks += stepped.chunks;
  return stepped.obs;
}
