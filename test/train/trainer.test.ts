import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { RobotReading, RobotStart, RobotStep } from '../../lib/index.js';
import { editedPolicy } from '../support/policy.js';
import { SimulatedRobot, type Trouble } from './support/robot.js';
import { collect, ofType, trainer } from './support/trainer.js';

test('a robot is trained, its events come as they happen, and the summary at the end', async () => {
  const robot = new SimulatedRobot();
  const { seen, summary } = await collect(trainer(robot).trainer.run());
  expect(ofType(seen, 'step').map(({ step }) => step)).toEqual([1, 2]);
  expect(ofType(seen, 'checkpoint')).toHaveLength(1);
  expect(ofType(seen, 'fault')).toEqual([]);
  expect(summary.envSteps).toBe(robot.steps);
  expect(existsSync(join(summary.checkpoint, 'agent.safetensors'))).toBe(true);
  const lengths = ofType(seen, 'episode').map(({ length }) => length);
  expect(lengths.length).toBeGreaterThan(0);
  expect(Math.max(...lengths)).toBeLessThanOrEqual(60);
  expect(robot.stops).toBe(1); // at the end
});

test('a robot under a configuration of LIBERO moves as the policy says and no more', async () => {
  const robot = new SimulatedRobot();
  const overrides = ['env.train.env_type=libero', 'env.train.task_suite_name=libero_spatial'];
  const { summary } = await collect(trainer(robot, 1, { overrides }).trainer.run());
  expect(summary.envSteps).toBeGreaterThan(0);
  expect(robot.steps).toBe(summary.envSteps);
});

const troubles: [Trouble, string, RegExp][] = [
  ['throws', 'error', /the arm has stopped by itself/],
  ['hangs', 'late', /no answer within 200 ms/],
  ['hangs, then throws', 'late', /no answer within 200 ms/],
  ['holds the event loop', 'late', /no answer within 200 ms/],
  ['stale', 'stale', /an answer of time 6 after one of 6/],
  ['no picture', 'partial', /no picture of the camera `main`; there are: none/],
  ['float picture', 'partial', /the picture of `main` is no Uint8Array/],
  ['empty picture', 'partial', /the picture of `main` has 0 bytes, not 0 x 0 x 3/],
  ['small picture', 'partial', /the picture of `main` is 48 x 64, the policy takes 64 x 64/],
  ['grey picture', 'partial', /the picture of `main` has 4096 bytes, not 64 x 64 x 3/],
  ['short state', 'partial', /the state has 2 numbers, not 8/],
  ['nan state', 'partial', /number 7 of the state is NaN/],
  ['state beyond float32', 'partial', /number 7 of the state is 1e\+39/],
  ['null in the state', 'partial', /number 7 of the state is null/],
  ['no state', 'partial', /the answer has no `state`/],
  ['nothing', 'partial', /the answer has no `images`/],
  ['null picture', 'partial', /no picture of the camera `main`/],
  ['nan time', 'partial', /the time is NaN/],
];

test.each(troubles)(
  'a step that %s ends its episode and not the run',
  async (trouble, kind, text) => {
    const robot = new SimulatedRobot({ 7: trouble });
    const { seen, summary } = await collect(
      trainer(robot, 2, { stepDeadlineMs: 200 }).trainer.run(),
    );
    expect(ofType(seen, 'fault')).toEqual([
      { type: 'fault', kind, message: expect.stringMatching(text) },
    ]);
    expect(ofType(seen, 'step')).toHaveLength(2);
    expect(robot.stops).toBe(2); // after the fault and at the end
    // The same trial again, and nothing of the broken chunk is counted.
    expect(robot.starts[1]).toEqual(robot.starts[0]);
    expect(robot.steps - summary.envSteps).toBe(3);
    expect(robot.late).toBe(trouble.startsWith('hangs') ? 1 : 0);
  },
);

test('a policy that resizes takes pictures of any size', async () => {
  const folder = editedPolicy((json) => Object.assign(json, { image_resize: 'openpi' }));
  const robot = new SimulatedRobot({ 7: 'small picture' });
  const more = { overrides: [`actor.model.model_path=${folder}`] };
  const { seen } = await collect(trainer(robot, 1, more).trainer.run());
  expect(ofType(seen, 'fault')).toEqual([]);
});

test('a robot may fill its own arrays again, whatever it fills them with', async () => {
  class Reusing extends SimulatedRobot {
    private last: RobotReading | undefined;
    override async step(...given: Parameters<SimulatedRobot['step']>): Promise<RobotStep> {
      const answer = await super.step(...given);
      if (this.steps === 8 && this.last !== undefined) {
        Object.assign(this.last.images.main as object, { height: 1 });
        (this.last.state as number[]).length = 1;
        throw new Error('a message that was cut off');
      }
      this.last = answer;
      return answer;
    }
  }
  const { seen } = await collect(trainer(new Reusing(), 1).trainer.run());
  expect(ofType(seen, 'fault')).toHaveLength(1);
  expect(ofType(seen, 'step')).toHaveLength(1);
});

test.each([0, -1, NaN, Infinity])('a deadline of %s ms is refused', (ms) => {
  const robot = new SimulatedRobot();
  expect(() => trainer(robot, 1, { stepDeadlineMs: ms })).toThrow('are no deadline of a step');
  expect(() => trainer(robot, 1, { stopDeadlineMs: ms })).toThrow('are no deadline of a stop');
});

test('a stopped run goes on with `resume`', async () => {
  const robot = new SimulatedRobot();
  const { trainer: first, runDir } = trainer(robot, 3);
  for await (const event of first.run()) if (event.type === 'step') break;
  const second = trainer(new SimulatedRobot(), 3, { resume: runDir }).trainer;
  const { seen } = await collect(second.run());
  expect(ofType(seen, 'step').at(-1)?.step).toBe(3);
});

test('while it is paused the robot rests, and the episode begins again', async () => {
  const robot = new SimulatedRobot({}, 2);
  const { trainer: training } = trainer(robot, 2);
  const running = collect(training.run());
  await expect.poll(() => robot.steps, { timeout: 60_000 }).toBeGreaterThan(3);
  training.pause();
  await expect.poll(() => robot.stops, { timeout: 60_000 }).toBe(1);
  const { steps } = robot;
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(robot.steps).toBe(steps);
  training.resume();
  const { seen } = await running;
  expect(ofType(seen, 'fault').map(({ kind }) => kind)).toEqual(['paused']);
  expect(robot.starts[1]).toEqual(robot.starts[0]);
});

test('pauses one after another are no sign of a broken robot', async () => {
  let paused = false;
  class Interrupted extends SimulatedRobot {
    override reset(start: RobotStart, options: { signal: AbortSignal }) {
      paused = this.starts.length < 7;
      if (paused) training.pause();
      return super.reset(start, options);
    }
    override async stop() {
      await super.stop();
      if (paused) setImmediate(() => training.resume()); // once it rests
      paused = false;
    }
  }
  const { trainer: training } = trainer(new Interrupted(), 1);
  const { seen } = await collect(training.run());
  expect(ofType(seen, 'fault').map(({ kind }) => kind)).toEqual(Array(7).fill('paused'));
  expect(ofType(seen, 'step')).toHaveLength(1);
});

test('a reset that fails is tried again, and three in a row end the run', async () => {
  const robot = new SimulatedRobot();
  robot.failingResets = 2;
  const { seen } = await collect(trainer(robot, 1).trainer.run());
  expect(ofType(seen, 'fault').map(({ message }) => message)).toEqual([
    'reset: the gripper does not open',
    'reset: the gripper does not open',
  ]);
  const mute = new SimulatedRobot();
  mute.muteResets = 1;
  const heard = await collect(trainer(mute, 1).trainer.run());
  expect(ofType(heard.seen, 'fault').map(({ message }) => message)).toEqual([
    'reset: the answer has no `images`',
  ]);
  const broken = new SimulatedRobot();
  broken.failingResets = 99;
  await expect(collect(trainer(broken, 1).trainer.run())).rejects.toMatchObject({
    code: 'ERR_DSRL_ENVIRONMENT',
    message: expect.stringContaining('failed 3 times in a row'),
  });
  expect(broken.stops).toBeGreaterThan(2);
});
