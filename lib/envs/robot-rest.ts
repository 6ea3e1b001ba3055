import { RuntimeFailure, reasonOf } from '../errors.js';
import type { RobotEnvironment, RobotFault } from './robot.js';

/**
 * Brings a robot to rest, and knows whether it rests.
 *
 * A `stop` that throws is told as a fault: the reset behind it shows whether the robot still
 * listens. One that does not answer may be at work for ever: nothing more is asked of that robot.
 */
export class RobotRest {
  /** Why the robot may be moving; null once its last `stop` has ended well. */
  private unrest: { cause: unknown } | null = null;
  private hanging = false;
  private stopping: Promise<void> | null = null;

  constructor(
    private readonly robot: RobotEnvironment,
    private readonly deadlineMs: number,
    private readonly onFault: (fault: RobotFault) => void,
  ) {}

  /** Never rejects: what went wrong is told, and `requireRest` throws it. One at a time. */
  stop(): Promise<void> {
    this.stopping ??= this.stopOnce().finally(() => {
      this.stopping = null;
    });
    return this.stopping;
  }

  private async stopOnce(): Promise<void> {
    if (this.hanging) return;
    let timer: NodeJS.Timeout | undefined;
    try {
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => {
          this.hanging = true;
          reject(new Error(`no answer within ${this.deadlineMs} ms`));
        }, this.deadlineMs);
      });
      late.catch(() => {});
      await Promise.race([this.robot.stop?.(), late]);
      this.unrest = null;
    } catch (cause) {
      this.unrest = { cause };
      const kind = this.hanging ? 'late' : 'error';
      this.onFault({ kind, message: `stop: ${reasonOf(cause)}` });
    } finally {
      clearTimeout(timer);
    }
  }

  /** @throws RuntimeFailure ERR_DSRL_ENVIRONMENT if the last `stop` failed */
  requireRest(): void {
    if (this.unrest === null) return;
    const { cause } = this.unrest;
    throw new RuntimeFailure(
      'ERR_DSRL_ENVIRONMENT',
      `the robot could not be brought to rest: ${reasonOf(cause)}`,
      { hint: 'stop it by its own switch; then go on from the last checkpoint', cause },
    );
  }

  /** @throws as `requireRest`, if `stop` has not answered */
  refuseHanging(): void {
    if (this.hanging) this.requireRest();
  }
}
