import type { BackendChunkResult, ChunkOptions, Tensor } from '../native/index.js';
import { FAILURE, isBegunAgain } from './failure.js';

/** A picture as it is, RGB row by row from the top, with where its episode stood. */
export interface Frame {
  picture: { data: Uint8Array; width: number; height: number };
  /** Of the episode, from 1. */
  step: number;
  /** Of this step, and of the episode's so far. */
  reward: number;
  return: number;
  success: boolean;
}

/** What one environment showed in a chunk. */
export interface Shot {
  env: number;
  task: number;
  trial: number;
  prompt: string;
  /** One for every executed step, or a single one of the chunk's end. */
  frames: Frame[];
  /** How the episode stands; `lost`: it is begun again and none of it counts. */
  outcome: 'running' | 'success' | 'failure' | 'lost';
}

/** Who films the episodes. It never decides anything: what happens is the same without it. */
export interface Film {
  /** Whether frames of the steps within a chunk are wanted, of a backend that has them. */
  readonly everyStep: boolean;
  /** Whether this episode is filmed. */
  wants(task: number, trial: number): boolean;
  /** The pictures are only lent: they are gone when the promise is settled. */
  record(shots: readonly Shot[]): Promise<void>;
}

/** An episode as it stood before the chunk. */
interface Standing {
  task: number;
  trial: number;
  elapsed: number;
  return: number;
}

/** The filming of one chunk: made before it, shown after it. */
export class Filming {
  /** What the backend is asked for; undefined where it need not draw more than it does. */
  readonly wanted: ChunkOptions | undefined;
  private readonly before: Standing[];
  private readonly filmed: Uint8Array;

  /** @param limit steps that each environment may run; 0: it waits, and is not shown */
  constructor(
    private readonly film: Film,
    slots: readonly Standing[],
    private readonly limit: Int32Array,
  ) {
    this.before = slots.map((slot) => ({ ...slot }));
    this.filmed = Uint8Array.from(slots, ({ task, trial }, env) =>
      limit[env] !== 0 && film.wants(task, trial) ? 1 : 0,
    );
    if (film.everyStep) this.wanted = { filmed: this.filmed };
  }

  /**
   * Tells the film what the chunk has shown, and frees the frames.
   *
   * @param length steps of a chunk, C
   * @param ended whether an environment's episode is over
   */
  async show(
    stepped: BackendChunkResult,
    length: number,
    prompts: readonly string[],
    ended: (env: number) => boolean,
  ): Promise<void> {
    const pictures = picturesOf(stepped, length);
    const shots: Shot[] = [];
    let row = -1; // of the frames, which are those of the filmed environments alone
    for (const [env, standing] of this.before.entries()) {
      if (this.filmed[env] !== 1) continue;
      row += 1;
      const executed = stepped.executed[env] ?? 0;
      if (executed === 0 || executed > (this.limit[env] ?? 0)) continue;
      const { task, trial } = standing;
      const failure = stepped.failure[env] ?? FAILURE.none;
      const flags = stepped.success.subarray(env * length, env * length + executed);
      const successes = failure === FAILURE.none ? flags : new Uint8Array(executed);
      const frames = pictures(env, row, executed).map(({ index, picture }) =>
        frameOf(standing, index, successes[index] === 1, picture),
      );
      const success = successes[executed - 1] === 1;
      const over = ended(env) || failure !== FAILURE.none;
      const outcome = success ? 'success' : over ? 'failure' : 'running';
      shots.push({
        env,
        task,
        trial,
        prompt: prompts[env] ?? '',
        frames,
        outcome: isBegunAgain(failure) ? 'lost' : outcome,
      });
    }
    try {
      if (shots.length > 0) await this.film.record(shots);
    } finally {
      stepped.frames?.dispose();
    }
  }
}

function frameOf(
  { elapsed, return: sum }: Standing,
  index: number,
  success: boolean,
  picture: Frame['picture'],
): Frame {
  const reward = success ? 0 : -1;
  const earned = sum - (success ? index : index + 1);
  return { picture, step: elapsed + index + 1, reward, return: earned, success };
}

/** The pictures of an environment's executed steps, or the one that it shows at the chunk's end. */
function picturesOf({ frames, observation }: BackendChunkResult, length: number) {
  if (frames !== undefined) {
    const stack = new Stack(frames);
    return (_: number, row: number, executed: number) =>
      Array.from({ length: executed }, (_, index) => ({
        index,
        picture: stack.at(row * length + index),
      }));
  }
  const [camera] = Object.values(observation.images);
  const stack = camera === undefined ? null : new Stack(camera);
  return (env: number, _: number, executed: number) =>
    stack === null ? [] : [{ index: executed - 1, picture: stack.at(env) }];
}

/** Pictures of one size, one after the other in memory. */
class Stack {
  private readonly bytes: Uint8Array;
  private readonly height: number;
  private readonly width: number;

  constructor(pictures: Tensor<'uint8'>) {
    const [height = 0, width = 0] = pictures.shape.slice(-3);
    this.bytes = pictures.viewOrRead();
    this.height = height;
    this.width = width;
  }

  at(index: number): Frame['picture'] {
    const { width, height } = this;
    const size = 3 * width * height;
    return { data: this.bytes.subarray(index * size, (index + 1) * size), width, height };
  }
}
