/**
 * What `failure` of a backend's chunk says of an environment.
 *
 * `failed`: its simulation broke. The episode ends without success and counts.
 * `lost`: it is gone (a worker died, a robot did not answer). The episode never was: it is begun
 * again with the same task and trial, and counts for nothing.
 *
 * `interrupted`: somebody wanted it so (a pause). As `lost`, but no sign that anything is broken.
 *
 * What a chunk with any of them showed is not stored: its next observation is not to be trusted.
 */
export const FAILURE = { none: 0, failed: 1, lost: 2, interrupted: 3 } as const;

/** Whether the episode never was, and is begun again with the same task and trial. */
export function isBegunAgain(failure: number): boolean {
  return failure === FAILURE.lost || failure === FAILURE.interrupted;
}

/** How often in a row an episode may be lost before the run ends: nothing mends itself for ever. */
export const LOSSES_ALLOWED = 5;

/** One failure, for the run's log. */
export interface EnvironmentFailure {
  env: number;
  task: number;
  trial: number;
  kind: 'failed' | 'lost';
}
