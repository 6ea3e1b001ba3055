import type { PictureRows } from '../native/index.js';
import type { PolicyContract } from './contract.js';
import { mismatch } from './observation.js';
import { type Picture, pictureRows } from './pictures.js';

/** What a robot sees and is told at one moment. */
export interface RobotObservation {
  /** Camera -> picture; cameras that the policy does not take are left alone. */
  images: Readonly<Record<string, Picture>>;
  /** Raw proprioception, [state_dim], in the units of the data that the policy was trained on. */
  state: ArrayLike<number>;
  prompt: string;
}

/** Observations of robots as one batch of values, checked; the pictures are still the callers'. */
export interface RobotBatch {
  /** In the order of the policy's cameras. */
  images: PictureRows[];
  /** [B, state_dim], row by row. */
  state: Float32Array;
  prompts: readonly string[];
}

/** @throws PolicyError ERR_DSRL_POLICY_CONTRACT that names what is declared and what was found */
export function batchOf(
  policy: PolicyContract,
  observations: readonly RobotObservation[],
): RobotBatch {
  const state = new Float32Array(observations.length * policy.state_dim);
  for (const [row, observation] of observations.entries()) {
    if (observation === null || typeof observation !== 'object') {
      throw mismatch(`the observation is ${observation}`, 'give { images, state, prompt }');
    }
    fillState(policy, observation.state, state, row);
  }
  const images = observations.map((observation) => observation.images ?? {});
  return {
    state,
    images: policy.cameras.map((camera) => pictureRows(policy, camera, images)),
    prompts: observations.map(({ prompt }) => {
      if (typeof prompt === 'string') return prompt;
      throw mismatch(`the observation's prompt is ${prompt}`, 'give the instruction as a text');
    }),
  };
}

/** With pictures of its own, for a call that is made later. */
export function copyOf({ images, ...rest }: RobotBatch): RobotBatch {
  const copied = images.map(({ rows, ...size }) => ({
    rows: rows.map((row) => Uint8Array.from(row)),
    ...size,
  }));
  return { images: copied, ...rest };
}

function fillState(
  { name, state_dim }: PolicyContract,
  state: ArrayLike<number>,
  states: Float32Array,
  row: number,
): void {
  const hint = 'give the raw proprioception in the order of the data that it was trained on';
  if (state?.length !== state_dim) {
    const found = `the observation's has ${state?.length}`;
    throw mismatch(`the policy ${name} takes a state of ${state_dim} numbers, ${found}`, hint);
  }
  for (let index = 0; index < state_dim; index++) {
    // `null` of a sensor that did not answer is no 0.
    const given: unknown = state[index];
    const value = typeof given === 'number' ? Math.fround(given) : Number.NaN;
    if (!Number.isFinite(value)) {
      throw mismatch(`the observation's state[${index}] is ${state[index]}`, hint);
    }
    states[row * state_dim + index] = value;
  }
}
