import { RuntimeFailure, UsageError } from '../errors.js';
import {
  type BackendChunkResult,
  type LiberoBackend,
  type Runtime,
  Tensor,
} from '../native/index.js';

/** Errands of LIBERO's scripted expert: what `debug expert` and `debug demonstrations` share. */

export const ACTION_DIM = 7;
/** Steps of an episode, after the warm-up: RLinf's. */
export const HORIZON = 240;
const WARM_UP_STEPS = 15;
const NO_OP = [0, 0, 0, 0, 0, 0, -1] as const;

/** native/core/env/libero_expert.h, LiberoExpert::Phase. */
export const PHASES = ['reach', 'close', 'carry', 'release', 'done'] as const;
export const [REACH, CARRY, DONE] = [0, 2, 4] as const;

/** Which bowl the expert fetches. */
export const ERRANDS = { target: 0, other: 1 } as const;

/** All environments stand still while what their initial states hold in the air comes to rest. */
export async function settle(runtime: Runtime, backend: LiberoBackend): Promise<void> {
  const { numEnvs } = backend;
  const still = Array.from({ length: numEnvs * WARM_UP_STEPS }, () => NO_OP).flat();
  const shape = [numEnvs, WARM_UP_STEPS, ACTION_DIM];
  const actions = Tensor.from(runtime, Float64Array.from(still), shape);
  const limit = new Int32Array(numEnvs).fill(WARM_UP_STEPS);
  forget(await backend.stepChunk(actions, limit, { pictures: false }));
  actions.dispose();
}

/** Frees what a step showed; a loop of thousands of steps cannot wait for the collector. */
export function forget({ observation }: BackendChunkResult): void {
  for (const image of Object.values(observation.images)) image.dispose();
  observation.state.dispose();
}

/** @throws RuntimeFailure ERR_DSRL_ENV_FAILED: a simulation broke under the expert's actions */
export function checkUnbroken({ failure }: BackendChunkResult, doing: string): void {
  if (failure.every((code) => code === 0)) return;
  throw new RuntimeFailure('ERR_DSRL_ENV_FAILED', `the simulation broke in ${doing}`, {
    hint: 'leave this task out with --tasks, and tell us of it',
  });
}

/** @throws UsageError ERR_DSRL_USAGE: the suite has fewer tasks */
export function checkTasks(tasks: readonly number[], count: number): void {
  const beyond = tasks.find((task) => task >= count);
  if (beyond === undefined) return;
  throw new UsageError('ERR_DSRL_USAGE', `--tasks ${beyond}: the suite has ${count} tasks`, {
    hint: `tasks are counted from 0 to ${count - 1}`,
  });
}
