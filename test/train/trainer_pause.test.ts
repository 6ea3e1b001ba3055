/** Paused time is not data: in no time, and no speed, of the training. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Tensor } from '../../lib/index.js';
import { configured, ENVS, Tabletop, training } from '../support/training.js';
import { SimulatedRobot } from './support/robot.js';
import { collect, ofType, trainer } from './support/trainer.js';

function rows(run: string): Record<string, number>[] {
  const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line));
}

test('what a robot waits for `resume` is subtracted', async () => {
  class Watched extends SimulatedRobot {
    /** When the last motion of the first global step was asked for. */
    began = 0;
    second = false;
    override step(...given: Parameters<SimulatedRobot['step']>) {
      if (!this.second) this.began = performance.now();
      return super.step(...given);
    }
  }
  const robot = new Watched({}, 1);
  const { trainer: training, runDir } = trainer(robot, 2);
  let paused = 0;
  let whole = 0;
  const rest = async () => {
    await expect.poll(() => robot.stops, { timeout: 60_000, interval: 5 }).toBe(1);
    const began = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    paused = (performance.now() - began) / 1000;
    training.resume();
  };
  const resting: Promise<void>[] = [];
  let seconds = Number.NaN;
  for await (const event of training.run()) {
    if (event.type !== 'step') continue;
    if (event.step === 1) {
      robot.second = true;
      training.pause();
      resting.push(rest());
    } else {
      whole = (performance.now() - robot.began) / 1000;
      seconds = event.secondsElapsed;
    }
  }
  await Promise.all(resting);
  const [first = {}, second = {}] = rows(runDir);
  const most = whole - paused;
  for (const key of ['time/step', 'time/generate_rollouts', 'time/env_step']) {
    expect(second[key], key).toBeGreaterThan(0);
    expect(second[key], key).toBeLessThanOrEqual(most);
  }
  expect(seconds - (first['time/step'] as number)).toBeLessThanOrEqual(most);
  const steps = (second['rollout/env_steps_per_s'] as number) * most;
  expect(steps).toBeGreaterThanOrEqual(48); // of 60, whatever a pause cut off
});

test('a backend that says it waited longer than anything took makes no time negative', async () => {
  class Waiting extends Tabletop {
    pausedSeconds = 0;
    override async stepChunk(actions: Tensor, limit: Int32Array) {
      this.pausedSeconds += 3600;
      return super.stepChunk(actions, limit);
    }
  }
  const config = configured('runner.max_steps=1', `env.train.total_num_envs=${ENVS}`);
  const { run, trainSeconds } = await training({ config, backend: new Waiting() });
  const [row = {}] = rows(run);
  expect([row['time/generate_rollouts'], row['time/env_step']]).toEqual([0, 0]);
  expect(trainSeconds).toBe(row['time/actor_training']);
});

test('a pause on a pause is one, and `resume` and `pause` in one breath keep the robot at rest', async () => {
  const robot = new SimulatedRobot({}, 2);
  const { trainer: training } = trainer(robot, 1);
  const running = collect(training.run());
  await expect.poll(() => robot.steps, { timeout: 60_000 }).toBeGreaterThan(3);
  training.pause();
  training.pause();
  await expect.poll(() => robot.stops, { timeout: 60_000 }).toBe(1);
  const { steps, resets } = robot;
  // First it waits within its episode, then before the reset.
  for (let breath = 0; breath < 3; breath++) {
    training.resume();
    training.pause();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect([robot.steps, robot.resets]).toEqual([steps, resets]);
  training.resume();
  const { seen } = await running;
  expect(ofType(seen, 'fault').map(({ kind }) => kind)).toEqual(['paused']);
});
