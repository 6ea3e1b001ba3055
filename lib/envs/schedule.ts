/** An initial state of the environment; its reset id is trialsPerTask * task + trial. */
export interface Reset {
  task: number;
  trial: number;
}

/** Which (task, trial) are used; the keys of `env.train` and `env.eval`. */
export interface ResetSelection {
  numTasks: number;
  /** What a task counts for in a reset id. */
  trialsPerTask: number;
  /** Half-open range. */
  trials: readonly [number, number];
  /** null: all of them. */
  taskIds: readonly number[] | null;
  /** The one reset id that is used; null: all that the other keys select. */
  specificResetId: number | null;
}

/** Every selected pair once, interleaved over the tasks: t0 tr0, t1 tr0, ..., t0 tr1, ... */
export function selectResets(selection: ResetSelection): Reset[] {
  const { numTasks, trialsPerTask, trials, taskIds, specificResetId } = selection;
  if (specificResetId !== null) {
    const task = Math.floor(specificResetId / trialsPerTask);
    return [{ task, trial: specificResetId % trialsPerTask }];
  }
  const all = Array.from({ length: numTasks }, (_, task) => task);
  const tasks = taskIds === null ? all : [...new Set(taskIds)];
  const resets: Reset[] = [];
  for (let trial = trials[0]; trial < trials[1]; trial++) {
    for (const task of tasks) resets.push({ task, trial });
  }
  return resets;
}

/**
 * Which reset comes next; null where none is left: the environment stays idle.
 */
export interface ResetSource {
  /** The next reset of an environment. */
  next(): Reset | null;
  position: number;
}

/**
 * The endless order of resets in training: every selected pair once in each pass, shuffled anew.
 * The shuffle of a pass depends on the pass alone, so `position` is the whole state.
 */
export class ResetSchedule implements ResetSource {
  /** Resets taken since the run began. */
  position = 0;
  readonly #resets: readonly Reset[];
  readonly #draw: (pass: number, count: number) => ArrayLike<number>;
  #pass = -1;
  #order: number[] = [];

  /** @param draw `count` continuous random numbers that depend on the pass alone */
  constructor(resets: readonly Reset[], draw: (pass: number, count: number) => ArrayLike<number>) {
    this.#resets = resets;
    this.#draw = draw;
  }

  /** The next reset of an environment. */
  next(): Reset {
    const count = this.#resets.length;
    const pass = Math.floor(this.position / count);
    if (pass !== this.#pass) {
      this.#order = permutation(this.#draw(pass, count), count);
      this.#pass = pass;
    }
    const reset = this.#resets[this.#order[this.position % count] as number] as Reset;
    this.position += 1;
    return reset;
  }
}

/** Gives every reset of another source several times in a row: RLinf's groups of environments. */
export class RepeatedResets implements ResetSource {
  /** Resets given, repetitions included. */
  position = 0;
  readonly #source: ResetSource;
  readonly #times: number;
  #current: Reset | null = null;
  #held = -1;

  constructor(source: ResetSource, times: number) {
    this.#source = source;
    this.#times = times;
  }

  next(): Reset | null {
    const index = Math.floor(this.position / this.#times);
    if (index !== this.#held) {
      this.#source.position = index;
      this.#current = this.#source.next();
      this.#held = index;
    }
    this.position += 1;
    return this.#current;
  }
}

/** The list in its own order, once; null: an environment that waits from the start. */
export class ResetList implements ResetSource {
  position = 0;
  readonly #resets: readonly (Reset | null)[];

  constructor(resets: readonly (Reset | null)[]) {
    this.#resets = resets;
  }

  /** The next reset of an environment. */
  next(): Reset | null {
    return this.#resets[this.position++] ?? null;
  }
}

/** The indices in the order of their random keys; equal keys keep theirs. */
function permutation(keys: ArrayLike<number>, count: number): number[] {
  const indices = Array.from({ length: count }, (_, index) => index);
  return indices.sort((a, b) => (keys[a] as number) - (keys[b] as number) || a - b);
}
