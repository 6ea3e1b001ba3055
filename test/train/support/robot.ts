import { setTimeout as sleep } from 'node:timers/promises';
import type { RobotEnvironment, RobotReading, RobotStart, RobotStep } from '../../../lib/index.js';

/** What goes wrong at a step, counted over the robot's life. */
export type Trouble =
  | 'throws'
  | 'hangs'
  | 'hangs, then throws'
  | 'holds the event loop'
  | 'stale'
  | 'no picture'
  | 'float picture'
  | 'empty picture'
  | 'small picture'
  | 'grey picture'
  | 'short state'
  | 'nan state'
  | 'state beyond float32'
  | 'null in the state'
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
  /** The reset, counted from 1, that nobody ends before it is given up. */
  hangingReset = 0;
  /** What stopping the robot comes to. */
  stopping: 'rests' | 'fails once' | 'fails' | 'hangs' = 'rests';
  /** Resets that were asked for. */
  resets = 0;
  private height = 0.5;

  constructor(
    private readonly troubles: Readonly<Record<number, Trouble>> = {},
    private readonly stepMs = 0,
  ) {}

  reset(
    start: RobotStart,
    { signal }: { signal: AbortSignal },
  ): RobotReading | Promise<RobotReading> {
    this.resets += 1;
    if (this.resets === this.hangingReset) {
      return new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(new Error('nobody is there')));
      });
    }
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
    if (trouble === 'hangs' || trouble === 'hangs, then throws') {
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      this.late += 1;
      if (trouble === 'hangs, then throws') throw new Error('too late to be heard');
    }
    if (trouble === 'holds the event loop') {
      for (const end = performance.now() + 250; performance.now() < end; );
    }
    this.height = Math.min(1, Math.max(0, this.height + 0.05 * (action[2] ?? 0)));
    const reading = this.reading();
    const time = trouble === 'stale' ? number - 1 : number;
    if (trouble === 'no picture') return { ...reading, images: {}, time };
    if (trouble === 'float picture') return { ...reading, images: picture(64, 64, 3, true), time };
    if (trouble === 'empty picture') return { ...reading, images: picture(0, 0), time };
    if (trouble === 'small picture') return { ...reading, images: picture(48, 64), time };
    if (trouble === 'grey picture') return { ...reading, images: picture(64, 64, 1), time };
    if (trouble === 'short state') return { ...reading, state: [1, 2], time };
    if (trouble === 'nothing') return undefined as unknown as RobotStep;
    if (trouble === 'no state') return { images: reading.images, time } as RobotStep;
    if (trouble === 'null picture') return { ...reading, images: { main: null } } as never;
    if (trouble === 'nan time') return { ...reading, time: NaN };
    const ending = { 'nan state': NaN, 'state beyond float32': 1e39, 'null in the state': null };
    if (trouble !== undefined && trouble in ending) {
      const last = ending[trouble as keyof typeof ending] as number;
      return { ...reading, state: [...reading.state.slice(1), last], time };
    }
    // A message of a robot may have further fields, whatever they are called.
    const more = { kind: 'sensor_msgs/JointState', fault: null, message: '' };
    return { ...more, ...reading, success: this.height < 0.2, time };
  }

  async stop(): Promise<void> {
    await sleep(5);
    this.stops += 1;
    const { stopping } = this;
    if (stopping === 'fails once') this.stopping = 'rests';
    if (stopping.startsWith('fails')) throw new Error('the brake does not answer');
    if (stopping === 'hangs') await new Promise(() => {});
  }

  private reading(): RobotReading & { state: number[] } {
    const shade = Math.round(255 * this.height);
    const data = new Uint8Array(64 * 64 * 3).fill(shade);
    const state = [0.5, 0.5, this.height, Math.PI, 0, 0, 0.04, -0.04];
    return { images: { main: { data, height: 64, width: 64 } }, state };
  }
}

function picture(height: number, width: number, channels = 3, floats = false) {
  const data = new (floats ? Float32Array : Uint8Array)(height * width * channels) as Uint8Array;
  return { main: { data, height, width } };
}
