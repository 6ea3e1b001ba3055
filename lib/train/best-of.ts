import { resetCount } from '../config/index.js';
import { randomUniform, Tensor } from '../native/index.js';
import { configuredResets, createBackend, waveSize } from './environments.js';
import {
  type EvaluationRequest,
  runWave,
  successByTask,
  type TaskResult,
  wilson,
} from './evaluation.js';

/** Scenes that some constant noise solves. */
export interface BestOfResult {
  /** Of the (task, trial), the fraction that one of the noises solved. */
  success: number;
  low: number;
  high: number;
  scenes: number;
  /** Noises tried a scene, at most. */
  noises: number;
  /** Mean number of noises until the first that solves a scene, of those that are solved. */
  tries: number;
  tasks: TaskResult[];
}

/**
 * How far a frozen policy can be steered by its noise, before any training: for each configured
 * (task, trial), is there one among `noises` draws of a tiled U(-b, b), each kept for a whole
 * episode, with which the policy succeeds? An agent that picks the noise cannot do much better than
 * the scenes that are solved here; one that picks it anew each chunk may do somewhat better.
 *
 * A scene is tried until it is solved. Its k-th noise depends on the seed, the scene's place in the
 * list and k alone. `onProgress` is told the scenes that are
 * solved; the request's `agent`, `noise`, `repeats` and `videos` are not used.
 */
export async function bestOf(request: EvaluationRequest, noises: number): Promise<BestOfResult> {
  const { config, runtime, policy, signal } = request;
  const { total_num_envs: asked } = config.env.eval;
  const width = Math.min(waveSize(config), asked, resetCount(config.env.eval) ?? asked);
  const backend = await createBackend(runtime, config, 'eval', width, policy.metadata.cameras);
  try {
    const resets = configuredResets(config, 'eval', backend.numTasks).slice(0, asked);
    const scenes = resets.map((reset, place) => ({ ...reset, place, success: false, tries: 0 }));
    for (let k = 0; k < noises; k++) {
      const open = scenes.filter(({ success }) => !success);
      for (let start = 0; start < open.length; start += width) {
        signal?.throwIfAborted();
        request.onProgress?.(scenes.length - open.length, scenes.length);
        const wave = open.slice(start, start + width);
        const noise = constantNoise(
          request,
          k,
          wave.map(({ place }) => place),
          scenes.length,
        );
        const episodes = await runWave(request, backend, wave, noise, undefined);
        for (const { task, trial, success } of episodes) {
          const scene = wave.find((it) => it.task === task && it.trial === trial);
          if (scene === undefined) continue;
          scene.success = success;
          scene.tries = k + 1;
        }
      }
    }
    const solved = scenes.filter(({ success }) => success);
    return {
      success: solved.length / scenes.length,
      ...wilson(solved.length, scenes.length),
      scenes: scenes.length,
      noises,
      tries: solved.reduce((sum, { tries }) => sum + tries, 0) / solved.length,
      tasks: successByTask(scenes),
    };
  } finally {
    backend.dispose?.();
  }
}

/** The same noise at every decision; rows beyond the scenes are those of environments that wait. */
function constantNoise(
  { config, runtime, policy }: EvaluationRequest,
  k: number,
  places: readonly number[],
  scenes: number,
) {
  const width = policy.metadata.noise_dim;
  const bound = config.actor.model.openpi.dsrl_noise_magnitude;
  const drawn = randomUniform(runtime, BigInt(config.seed), 'eval.best_of', k, scenes, width);
  const uniform = Float32Array.from(drawn.read() as Float32Array);
  drawn.dispose();
  const values = (envs: number) => {
    const rows = new Float32Array(envs * width);
    for (const [env, place] of places.entries()) {
      const row = uniform.subarray(place * width, (place + 1) * width);
      rows.set(
        row.map((value) => bound * (2 * value - 1)),
        env * width,
      );
    }
    return rows;
  };
  return {
    next: async (_: unknown, envs: number) =>
      Tensor.from(runtime, values(envs), [envs, width], 'float32'),
  };
}
