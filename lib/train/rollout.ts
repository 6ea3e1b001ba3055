import type { Config } from '../config/index.js';
import type { Environments, EpisodeRecord } from '../envs/index.js';
import type { Agent, Replay } from '../native/index.js';
import type { Counters } from './checkpoint.js';
import type { SamplingPolicy } from './environments.js';

export interface RolloutParts {
  config: Config;
  envs: Environments;
  agent: Agent;
  policy: SamplingPolicy;
  replay: Replay;
  /** Counted on here. */
  counters: Counters;
}

export interface RolloutResult {
  episodes: EpisodeRecord[];
  /** Milliseconds inside the environments and inside the policy. */
  envTime: number;
  policyTime: number;
}

/** One rollout of all environments: at most `chunks` decisions each, every one into the replay. */
export async function rollOut(parts: RolloutParts, chunks: number): Promise<RolloutResult> {
  const { config, envs, agent, policy, replay, counters } = parts;
  const result: RolloutResult = { episodes: [], envTime: 0, policyTime: 0 };
  let obs = await envs.startRollout();
  try {
    for (let chunk = 0; chunk < chunks && !envs.allDone; chunk++) {
      const { frame, state } = obs;
      const noise = await agent.act({ frame, state }, { step: counters.decisions });
      const began = performance.now();
      const actions = await policy.sample(obs, noise, config.actor.model.num_steps);
      const sampled = performance.now();
      const stepped = await envs.stepChunk(actions);
      result.policyTime += sampled - began;
      result.envTime += performance.now() - sampled;
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
      obs = stepped.obs;
      result.episodes.push(...stepped.episodes);
      counters.decisions += 1;
      counters.envSteps += stepped.envSteps;
      counters.chunks += stepped.chunks;
    }
  } finally {
    obs.dispose();
  }
  counters.rollouts += 1;
  return result;
}
