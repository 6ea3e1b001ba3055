import { type Runtime, Tensor } from '../native/index.js';
import type { PolicyContract } from './contract.js';
import { mismatch, type PolicyObservation } from './observation.js';
import { type Picture, stackPictures } from './pictures.js';

/** What a robot sees and is told at one moment. */
export interface RobotObservation {
  /** Camera -> picture; cameras that the policy does not take are left alone. */
  images: Readonly<Record<string, Picture>>;
  /** Raw proprioception, [state_dim], in the units of the data that the policy was trained on. */
  state: ArrayLike<number>;
  prompt: string;
}

/**
 * Observations of robots as one batch of handles, which are the scope's in which it is called.
 *
 * @throws PolicyError ERR_DSRL_POLICY_CONTRACT that names what is declared and what was found
 */
export function batchOf(
  runtime: Runtime,
  policy: PolicyContract,
  observations: readonly RobotObservation[],
): PolicyObservation {
  const states = new Float32Array(observations.length * policy.state_dim);
  for (const [row, observation] of observations.entries()) {
    if (observation === null || typeof observation !== 'object') {
      throw mismatch(`the observation is ${observation}`, 'give { images, state, prompt }');
    }
    states.set(checkedState(policy, observation.state), row * policy.state_dim);
  }
  const shape = [observations.length, policy.state_dim];
  const rows = observations.map(({ images }) => images ?? {});
  const images: Record<string, Tensor<'uint8'>> = {};
  for (const camera of policy.cameras) {
    images[camera] = stackPictures(runtime, policy, camera, rows);
  }
  return {
    images,
    state: Tensor.from(runtime, states, shape, 'float32'),
    prompts: observations.map(({ prompt }) => {
      if (typeof prompt === 'string') return prompt;
      throw mismatch(`the observation's prompt is ${prompt}`, 'give the instruction as a text');
    }),
  };
}

function checkedState({ name, state_dim }: PolicyContract, state: ArrayLike<number>): Float32Array {
  const hint = 'give the raw proprioception in the order of the data that it was trained on';
  if (state?.length !== state_dim) {
    const found = `the observation's has ${state?.length}`;
    throw mismatch(`the policy ${name} takes a state of ${state_dim} numbers, ${found}`, hint);
  }
  // `null` of a sensor that did not answer is no 0.
  const values = Float32Array.from(state, (value) => (typeof value === 'number' ? value : NaN));
  const strange = values.findIndex((value) => !Number.isFinite(value));
  if (strange < 0) return values;
  throw mismatch(`the observation's state[${strange}] is ${state[strange]}`, hint);
}
