import { resetCount } from '../config/index.js';
import { type Runtime, Tensor } from '../native/index.js';
import { configuredResets, createBackend, waveSize } from './environments.js';
import {
  type EvaluationRequest,
  runWave,
  successByTask,
  type TaskResult,
  uniformNoise,
  type WaveNoise,
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
  /** Mean number of noises until the first that solves a scene, of those solved; null: none is. */
  tries: number | null;
  tasks: TaskResult[];
}

/**
 * How far a frozen policy can be steered by its noise, before any training: for each configured
 * (task, trial), is there one among `noises` draws of a tiled U(-b, b), each kept for a whole
 * episode, with which the policy succeeds? An agent that picks the noise cannot do much better than
 * the scenes that are solved here; one that picks it anew each chunk may do somewhat better.
 *
 * A scene is tried until it is solved, always in the same environment: where LIBERO's furniture
 * stands depends on that. Its k-th noise depends on the seed, the scene's place in the
 * list and k alone. `onProgress` is told the scenes that are solved; the request's `agent`,
 * `noise`, `repeats` and `videos` are not used.
 */
export async function bestOf(request: EvaluationRequest, noises: number): Promise<BestOfResult> {
  const { config, runtime, policy, signal } = request;
  const { noise_dim: size, cameras } = policy.metadata;
  const { total_num_envs: asked } = config.env.eval;
  const width = Math.min(waveSize(config), asked, resetCount(config.env.eval) ?? asked);
  const backend = await createBackend(runtime, config, 'eval', width, {
    cameras,
    warn: request.warn,
  });
  try {
    const resets = configuredResets(config, 'eval', backend.numTasks).slice(0, asked);
    const scenes = resets.map((reset, place) => ({ ...reset, place, success: false, tries: 0 }));
    for (let k = 0; k < noises; k++) {
      const open = scenes.filter(({ success }) => !success);
      if (open.length === 0) break;
      const drawn = uniformNoise(request, 'eval.best_of', k, scenes.length);
      for (const wave of waves(open, width)) {
        signal?.throwIfAborted();
        request.onProgress?.(solvedOf(scenes).length, scenes.length);
        const rows = wave.map((scene) => {
          return scene && drawn.subarray(scene.place * size, (scene.place + 1) * size);
        });
        const noise = constantNoise(runtime, size, rows);
        const episodes = await runWave(request, backend, wave, noise, undefined);
        for (const { task, trial, success } of episodes) {
          const scene = wave.find((it) => it?.task === task && it.trial === trial);
          if (!scene) continue;
          scene.success = success;
          scene.tries = k + 1;
        }
      }
    }
    const solved = solvedOf(scenes);
    const tries = solved.reduce((sum, scene) => sum + scene.tries, 0);
    return {
      success: solved.length / scenes.length,
      ...wilson(solved.length, scenes.length),
      scenes: scenes.length,
      noises,
      tries: solved.length === 0 ? null : tries / solved.length,
      tasks: successByTask(scenes),
    };
  } finally {
    backend.dispose?.();
  }
}

function solvedOf<Scene extends { success: boolean }>(scenes: readonly Scene[]): Scene[] {
  return scenes.filter(({ success }) => success);
}

/** Waves of scenes, each in the environment of its place; null where an environment waits. */
function* waves<Scene extends { place: number }>(
  scenes: readonly Scene[],
  width: number,
): Generator<(Scene | null)[]> {
  const queues = Array.from({ length: width }, (_, env) =>
    scenes.filter(({ place }) => place % width === env),
  );
  const count = Math.max(...queues.map(({ length }) => length));
  for (let wave = 0; wave < count; wave++) yield queues.map((queue) => queue[wave] ?? null);
}

/** The same noise at every decision; null, and beyond the rows: an environment that waits. */
function constantNoise(
  runtime: Runtime,
  width: number,
  rows: readonly (Float32Array | null)[],
): WaveNoise {
  return {
    next: async (_, envs) => {
      const values = new Float32Array(envs * width);
      for (const [env, row] of rows.entries()) if (row !== null) values.set(row, env * width);
      return Tensor.from(runtime, values, [envs, width], 'float32');
    },
  };
}
