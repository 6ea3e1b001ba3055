import { type Config, resetCount } from '../config/index.js';
import {
  type EpisodeRecord,
  type Film,
  type Observation,
  type Reset,
  ResetList,
} from '../envs/index.js';
import {
  type Agent,
  type Runtime,
  randomNormal,
  randomUniform,
  Tensor,
  type VecEnvBackend,
} from '../native/index.js';
import {
  configuredResets,
  createBackend,
  createEnvironments,
  type SamplingPolicy,
  waveSize,
} from './environments.js';
import { EpisodeVideos, type VideoRequest } from './videos.js';

/**
 * Noise of the frozen policy alone: `iid` N(0, I) for every action of the sequence, `tiled` one
 * N(0, I) repeated over it, `uniform` one U(-b, b) repeated over it.
 */
export type NoiseKind = 'iid' | 'tiled' | 'uniform';

/** What to evaluate: an agent or the frozen policy alone, and over which episodes. */
export interface EvaluationRequest {
  config: Config;
  runtime: Runtime;
  policy: SamplingPolicy;
  /** Acts deterministically; null: the frozen policy alone, under `noise`. */
  agent: Agent | null;
  noise?: NoiseKind | undefined;
  /** How often every (task, trial) is run (1). */
  repeats?: number | undefined;
  /**
   * Environments that run at once; unless given, what is fast for the backend and this machine.
   * LIBERO's cabinet and stove stand where environment e of so many has them, as in RLinf: results
   * are comparable episode by episode only with the same `wave`.
   */
  wave?: number | undefined;
  signal?: AbortSignal | undefined;
  /** Where videos go if `env.eval.video_cfg.save_video` wants them; without it there are none. */
  videos?: VideoRequest | undefined;
  /** Told of a worker of the original that was lost and replaced; stderr unless given. */
  warn?: ((text: string) => void) | undefined;
  /** Told before each wave of environments: the episodes that have ended, of all. */
  onProgress?: ((done: number, total: number) => void) | undefined;
  /** Told of every episode behind its wave, in the order in which they ended. */
  onEpisode?: ((episode: EpisodeRecord) => void) | undefined;
}

/** Episodes of one task, or its scenes, and how many of them succeeded. */
export interface TaskResult {
  task: number;
  successes: number;
  episodes: number;
  /** The 95 % Wilson interval of the success. */
  low: number;
  high: number;
}

/** Fractions of all episodes with their 95 % Wilson interval, and per task. */
export interface EvaluationResult {
  success: number;
  low: number;
  high: number;
  episodes: number;
  return: number;
  episode_len: number;
  /** Mean of return / steps. */
  reward: number;
  success_at_end: number;
  tasks: TaskResult[];
}

/**
 * Runs the configured (task, trial) once each, at most `env.eval.total_num_envs` of them, in waves.
 * Environments and random streams are its own, so a training around it goes on unchanged.
 *
 * @throws the signal's reason, between two chunks, once it is aborted
 */
export async function evaluate(request: EvaluationRequest): Promise<EvaluationResult> {
  const { config, runtime, repeats = 1, wave = waveSize(config) } = request;
  const { total_num_envs: asked } = config.env.eval;
  const most = repeats * Math.min(asked, resetCount(config.env.eval) ?? asked);
  const width = Math.min(wave, most);
  const { cameras } = request.policy.metadata;
  const backend = await createBackend(runtime, config, 'eval', width, {
    cameras,
    warn: request.warn,
  });
  const { save_video } = config.env.eval.video_cfg;
  const film =
    request.videos && save_video
      ? new EpisodeVideos(config, request.videos.folder, request.videos.warn)
      : undefined;
  try {
    const once = configuredResets(config, 'eval', backend.numTasks).slice(0, asked);
    const resets = Array.from({ length: repeats }, () => once).flat();
    const episodes: EpisodeRecord[] = [];
    const draw = new NoiseSource(request);
    for (let start = 0; start < resets.length; start += width) {
      request.onProgress?.(episodes.length, resets.length);
      const next = resets.slice(start, start + width);
      const ended = await runWave(request, backend, next, draw, film);
      for (const episode of ended) request.onEpisode?.(episode);
      episodes.push(...ended);
    }
    film?.warnOfMissing();
    return summarize(episodes);
  } finally {
    await film?.close();
    backend.dispose?.();
  }
}

/** The noise of a wave's next decision, a row an environment. */
export interface WaveNoise {
  next(obs: Observation, envs: number): Promise<Tensor<'float32'>>;
}

/** One episode for each of `resets`, as many as there are environments or fewer; null: none. */
export async function runWave(
  request: EvaluationRequest,
  backend: VecEnvBackend,
  resets: readonly (Reset | null)[],
  draw: WaveNoise,
  film: Film | undefined,
): Promise<EpisodeRecord[]> {
  const { config, runtime, policy, signal } = request;
  const envs = createEnvironments(runtime, config, 'eval', backend, new ResetList(resets), film);
  const episodes: EpisodeRecord[] = [];
  let obs = await envs.reset();
  try {
    while (!envs.allDone) {
      signal?.throwIfAborted();
      const noise = await draw.next(obs, backend.numEnvs);
      const actions = await policy.sample(obs, noise, config.actor.model.num_steps);
      noise.dispose();
      const result = await envs.stepChunk(actions);
      actions.dispose();
      obs.dispose();
      obs = result.obs;
      episodes.push(...result.episodes);
    }
  } finally {
    obs.dispose();
  }
  return episodes;
}

const STREAM = 'eval.noise';

/** The noise of each decision: the agent's mean, or draws of a stream of the evaluation's own. */
class NoiseSource implements WaveNoise {
  readonly #request: EvaluationRequest;
  #step = 0;

  constructor(request: EvaluationRequest) {
    this.#request = request;
  }

  async next(obs: Observation, envs: number): Promise<Tensor<'float32'>> {
    const { agent, policy, noise = 'iid' } = this.#request;
    const step = this.#step++;
    if (agent !== null) {
      const { frame, state } = obs;
      return agent.act({ frame, state }, { step, deterministic: true });
    }
    const { horizon, noise_dim: width } = policy.metadata;
    switch (noise) {
      case 'iid': {
        const values = this.#normal(step, envs, horizon * width);
        return this.#tensor(values, [envs, horizon, width]);
      }
      case 'tiled':
        return this.#tensor(this.#normal(step, envs, width), [envs, width]);
      case 'uniform':
        return this.#tensor(uniformNoise(this.#request, STREAM, step, envs), [envs, width]);
    }
  }

  #normal(step: number, rows: number, columns: number): Float32Array {
    const { runtime, config } = this.#request;
    return values(randomNormal(runtime, BigInt(config.seed), STREAM, step, rows, columns));
  }

  #tensor(values: Float32Array, shape: number[]): Tensor<'float32'> {
    return Tensor.from(this.#request.runtime, values, shape, 'float32');
  }
}

/** Tiled U(-b, b), b the noise magnitude: [rows, noise_dim] of a stream at a step. */
export function uniformNoise(
  { config, runtime, policy }: EvaluationRequest,
  stream: string,
  step: number,
  rows: number,
): Float32Array {
  const { noise_dim: width } = policy.metadata;
  const bound = config.actor.model.openpi.dsrl_noise_magnitude;
  const drawn = values(randomUniform(runtime, BigInt(config.seed), stream, step, rows, width));
  return drawn.map((value) => bound * (2 * value - 1));
}

function values(drawn: Tensor): Float32Array {
  const read = Float32Array.from(drawn.read() as Float32Array);
  drawn.dispose();
  return read;
}

function summarize(episodes: readonly EpisodeRecord[]): EvaluationResult {
  const count = episodes.length;
  const successes = countSuccesses(episodes);
  const mean = (value: (episode: EpisodeRecord) => number) =>
    episodes.reduce((sum, episode) => sum + value(episode), 0) / count;
  return {
    success: successes / count,
    ...wilson(successes, count),
    episodes: count,
    return: mean((episode) => episode.return),
    episode_len: mean((episode) => episode.length),
    reward: mean((episode) => episode.return / episode.length),
    success_at_end: successes / count, // an episode ends at its success
    tasks: successByTask(episodes),
  };
}

/** In the order of the tasks. */
export function successByTask(
  episodes: readonly { task: number; success: boolean }[],
): TaskResult[] {
  const byTask = new Map<number, { task: number; success: boolean }[]>();
  for (const episode of episodes) {
    byTask.set(episode.task, [...(byTask.get(episode.task) ?? []), episode]);
  }
  return [...byTask]
    .sort(([a], [b]) => a - b)
    .map(([task, own]) => {
      const successes = countSuccesses(own);
      return { task, successes, episodes: own.length, ...wilson(successes, own.length) };
    });
}

function countSuccesses(episodes: readonly { success: boolean }[]): number {
  return episodes.filter(({ success }) => success).length;
}

/** The 95 % Wilson score interval of `successes` of `count`. */
export function wilson(successes: number, count: number): { low: number; high: number } {
  const z = 1.959963984540054;
  const p = successes / count;
  const denominator = 1 + z ** 2 / count;
  const centre = (p + z ** 2 / (2 * count)) / denominator;
  const half = (z / denominator) * Math.sqrt((p * (1 - p)) / count + z ** 2 / (4 * count ** 2));
  // Exact at the ends, where rounding would leave 1e-17 or fall short of 1.
  return {
    low: successes === 0 ? 0 : centre - half,
    high: successes === count ? 1 : centre + half,
  };
}
