/** An RGB picture, rows from the top, `height * width * 3` bytes. */
export interface RobotPicture {
  data: Uint8Array;
  height: number;
  width: number;
}

/** What a robot shows at one moment. */
export interface RobotReading {
  /** By the camera's name; the policy's cameras at least. */
  images: Readonly<Record<string, RobotPicture>>;
  /** Raw proprioception, the policy's `state_dim` numbers. */
  state: ArrayLike<number>;
}

/** What one action led to. */
export interface RobotStep extends RobotReading {
  success?: boolean;
  /**
   * When it was taken, in milliseconds of a clock that never goes back. Given, an answer that is
   * not newer than the one before is stale: the cameras hang.
   */
  time?: number;
}

/**
 * A robot, or anything else that acts in the world: slow, sometimes failing, reset by a person.
 *
 * Whatever goes wrong in an episode (an error, a step that is late, an answer that is stale, has a
 * part missing or does not fit the policy) ends that episode and not the run: the robot is stopped,
 * nothing of the chunk is learned from, and the same trial begins again with a reset.
 */
export interface RobotEnvironment {
  /** What the policy is told in each task; one task without words unless given. */
  readonly prompts?: readonly string[];
  /** Puts the scene at the start of a trial. It may take as long as a person needs. */
  reset(start: RobotStart, options: { signal: AbortSignal }): Promise<RobotReading> | RobotReading;
  /**
   * Executes one action, `action_dim` numbers, and returns what the robot shows after it. `signal`
   * is aborted when the answer is no longer waited for.
   */
  step(action: Float32Array, options: { signal: AbortSignal }): Promise<RobotStep> | RobotStep;
  /**
   * Brings the robot to rest. It is awaited after every fault and whenever training stops. One that
   * fails is told as a fault, and the reset behind it decides; without an answer within
   * `stopDeadlineMs` nothing is asked of the robot any more, and the run ends.
   */
  stop?(): Promise<void> | void;
}

/** The trial that a reset begins: which task, and which of its starts. */
export interface RobotStart {
  task: number;
  trial: number;
}

/** What broke an episode off: an error, an answer too late, stale or in part, a pause, a stop. */
export type RobotFaultKind = 'error' | 'late' | 'stale' | 'partial' | 'paused' | 'stopped';

/** Why an episode was broken off. */
export interface RobotFault {
  kind: RobotFaultKind;
  /** What happened, for a person. */
  message: string;
}
