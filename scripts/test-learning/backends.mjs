// Environments that a control trains on: tabletop with something taken from the agent. They are
// backends in JavaScript, as a user would write them, so the rest of the training is the product's.

import { Tensor } from '../../dist/index.js';
import { succeeded } from '../../dist/native/index.js';

/** Passes everything on to another backend. */
class Around {
  constructor(inner) {
    this.inner = inner;
    this.numEnvs = inner.numEnvs;
    this.numTasks = inner.numTasks;
    this.numTrials = inner.numTrials;
    this.actionDim = inner.actionDim;
    this.settlingAction = inner.settlingAction;
  }
  restore(env, task, trial) {
    return this.inner.restore(env, task, trial);
  }
  observe() {
    return this.inner.observe();
  }
  stepChunk(actions, limit) {
    return this.inner.stepChunk(actions, limit);
  }
  prompt(task) {
    return this.inner.prompt(task);
  }
  saveState() {
    return this.inner.saveState();
  }
  loadState(state) {
    this.inner.loadState(state);
  }
}

/**
 * Every chunk's outcome is credited to another environment, another one each time: rewards and ends
 * of episodes are as frequent as they are, and say nothing about what was done. All chunks claim to
 * have run to their end, since the steps of one that succeeded would tell. A success is credited
 * once: the environment that had it is not told, and goes on with its task done.
 */
export class PermutedOutcomes extends Around {
  #shift = 0;
  /** Environments whose success has been credited since they were last put somewhere. */
  #credited = new Set();

  restore(env, task, trial) {
    this.#credited.delete(env);
    return super.restore(env, task, trial);
  }

  async stepChunk(actions, limit) {
    const result = await this.inner.stepChunk(actions, limit);
    const [envs, chunk] = actions.shape;
    this.#shift = (this.#shift % (envs - 1)) + 1; // never 0: nobody gets its own
    const success = new Uint8Array(envs * chunk);
    for (let env = 0; env < envs; env++) {
      const other = (env + this.#shift) % envs;
      if (!succeeded(result, other, chunk) || this.#credited.has(other)) continue;
      this.#credited.add(other);
      success[env * chunk + limit[env] - 1] = 1;
    }
    return { ...result, success, executed: limit.slice() };
  }
}

/** The agent's frame is black; the frozen policy, which asks for its camera by name, sees. */
export class BlackFrame extends Around {
  #runtime;

  constructor(inner, runtime) {
    super(inner);
    this.#runtime = runtime;
  }
  async observe() {
    return this.#blinded(await this.inner.observe());
  }
  async stepChunk(actions, limit) {
    const result = await this.inner.stepChunk(actions, limit);
    return { ...result, observation: this.#blinded(result.observation) };
  }

  /** The agent's frame is the first camera's. */
  #blinded({ images, state }) {
    const [picture] = Object.values(images);
    return { images: { black: blackened(this.#runtime, picture), ...images }, state };
  }
}

/** A black picture of the same shape. */
export function blackened(runtime, { shape }) {
  const size = shape.reduce((product, side) => product * side, 1);
  return Tensor.from(runtime, new Uint8Array(size), shape, 'uint8');
}
