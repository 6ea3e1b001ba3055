import type { Environments } from '../envs/index.js';

/**
 * Seconds since the call, but for those in which somebody had paused the environments: a person who
 * mends a gripper over lunch is no part of the training's speed.
 */
export function stopwatch(envs: Pick<Environments, 'pausedSeconds'>): () => number {
  const began = performance.now();
  const paused = envs.pausedSeconds;
  return () => {
    const seconds = (performance.now() - began) / 1000;
    return Math.max(0, seconds - (envs.pausedSeconds - paused));
  };
}
