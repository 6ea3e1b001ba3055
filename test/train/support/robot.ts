import { setTimeout as sleep } from 'node:timers/promises';
import type { RobotEnvironment, RobotReading, RobotStart, RobotStep } from '../../../lib/index.js';

/** What goes wrong at a step, counted over the robot's life. */
export type Trouble =
  | 'throws'
  | 'hangs'
  | 'stale'
  | 'no picture'
  | 'float picture'
  | 'empty picture'
  | 'short state'
  | 'nan state'
  | 'no state'
  | 'nothing'
  | 'null picture'
  | 'nan time';

/** A hand above a table that succeeds once it is low enough: a robot in JavaScript. */
export class SimulatedRobot implements RobotEnvironment {
  readonly prompts = ['tidy'];
  readonly starts: RobotStart[] = [];
  steps = 0;
  stops = 0;
  /** Answers that came after their deadline. */
  late = 0;
  failingResets = 0;
  /** Resets that answer nothing. */
  muteResets = 0;
  private height = 0.5;

  constructor(
    private readonly troubles: Readonly<Record<number, Trouble>> = {},
    private readonly stepMs = 0,
  ) {}

  reset(start: RobotStart): RobotReading {
    if (this.failingResets-- > 0) throw new Error('the gripper does not open');
    if (this.muteResets-- > 0) return null as unknown as RobotReading;
    this.starts.push(start);
    this.height = 0.5;
    return this.reading();
  }

  async step(action: Float32Array, { signal }: { signal: AbortSignal }): Promise<RobotStep> {
    const number = this.steps++;
    await sleep(this.stepMs);
    const trouble = this.troubles[number];
    if (trouble === 'throws') throw new Error('the arm has stopped by itself');
    if (trouble === 'hangs') {
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      this.late += 1;
    }
    this.height = Math.min(1, Math.max(0, this.height + 0.05 * (action[2] ?? 0)));
    const reading = this.reading();
    const time = trouble === 'stale' ? number - 1 : number;
    if (trouble === 'no picture') return { ...reading, images: {}, time };
    if (trouble === 'float picture' || trouble === 'empty picture') {
      const side = trouble === 'float picture' ? 64 : 0;
      const data = new (side === 0 ? Uint8Array : Float32Array)(side * side * 3) as Uint8Array;
      return { ...reading, images: { main: { data, height: side, width: side } }, time };
    }
    if (trouble === 'short state') return { ...reading, state: [1, 2], time };
    if (trouble === 'nothing') return undefined as unknown as RobotStep;
    if (trouble === 'no state') return { images: reading.images, time } as RobotStep;
    if (trouble === 'null picture') return { ...reading, images: { main: null } } as never;
    if (trouble === 'nan time') return { ...reading, time: NaN };
    if (trouble === 'nan state')
      return { ...reading, state: [...reading.state.slice(1), NaN], time };
    // A message of a robot may have further fields, whatever they are called.
    const more = { kind: 'sensor_msgs/JointState', fault: null, message: '' };
    return { ...more, ...reading, success: this.height < 0.2, time };
  }

  async stop(): Promise<void> {
    await sleep(5);
    this.stops += 1;
  }

  private reading(): RobotReading & { state: number[] } {
    const shade = Math.round(255 * this.height);
    const data = new Uint8Array(64 * 64 * 3).fill(shade);
    const state = [0.5, 0.5, this.height, Math.PI, 0, 0, 0.04, -0.04];
    return { images: { main: { data, height: 64, width: 64 } }, state };
  }
}
