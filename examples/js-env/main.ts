// A robot that is simulated here, in JavaScript, trained as a real one would be: `Trainer` asks it
// to reset, gives it one action at a time, and learns which noise makes the frozen policy succeed.

import { setTimeout as sleep } from 'node:timers/promises';
import {
  composeConfig,
  type RobotEnvironment,
  type RobotReading,
  type RobotStart,
  type RobotStep,
  Trainer,
} from 'dsrl-native';

const SIDE = 64;

/** A hand over a table: the trial succeeds when it touches the table in the right half. */
class Hand implements RobotEnvironment {
  readonly prompts = ['push'];
  private place = [0.5, 0.5, 0.5];

  reset({ trial }: RobotStart): RobotReading {
    this.place = [0.3 + (trial % 5) / 10, 0.5, 0.4];
    return this.reading();
  }

  async step(action: Float32Array): Promise<RobotStep> {
    await sleep(1); // a real arm takes 50 ms
    this.place = this.place.map((at, axis) => {
      return Math.min(1, Math.max(0, at + 0.05 * (action[axis] ?? 0)));
    });
    const [x = 0, , height = 0] = this.place;
    return { ...this.reading(), success: height < 0.2 && x > 0.5, time: performance.now() };
  }

  stop(): void {
    process.stderr.write('the hand rests\n');
  }

  /** A grey picture with a white square where the hand is. */
  private reading(): RobotReading {
    const [x = 0, y = 0, height = 0] = this.place;
    const data = new Uint8Array(SIDE * SIDE * 3).fill(80);
    const [column, row] = [Math.round(x * (SIDE - 8)), Math.round(y * (SIDE - 8))];
    for (let line = row; line < row + 8; line++) {
      data.fill(255 * (1 - height), 3 * (line * SIDE + column), 3 * (line * SIDE + column + 8));
    }
    const state = [x, y, height, Math.PI, 0, 0, 0.04, -0.04];
    return { images: { main: { data, height: SIDE, width: SIDE } }, state };
  }
}

const { config } = composeConfig({
  recipe: 'tabletop',
  overrides: ['env.train.total_num_envs=1', 'device=cpu', ...process.argv.slice(2)],
});
const stop = new AbortController();
process.once('SIGINT', () => stop.abort());

const trainer = new Trainer(config, { env: new Hand(), stepDeadlineMs: 500 });
let episodes = 0;
try {
  for await (const event of trainer.run({ signal: stop.signal })) {
    if (event.type === 'episode') episodes += 1;
    if (event.type === 'fault') console.error(`fault: ${event.message}`);
    if (event.type === 'step') console.log(`step ${event.step}: ${episodes} episodes so far`);
    if (event.type === 'checkpoint') console.log(`checkpoint ${event.path}`);
  }
} catch (error) {
  // Here the hand rests, and after an abort a checkpoint is written.
  if (!stop.signal.aborted) throw error;
  process.exitCode = 130;
}
