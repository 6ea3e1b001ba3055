import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { composeConfig, type RobotStart, Trainer, type TrainerEvent } from '../../lib/index.js';
import { SimulatedRobot, type Trouble } from './support/robot.js';

const root = mkdtempSync(join(tmpdir(), 'dsrl-trainer-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let runs = 0;
function trainer(robot: SimulatedRobot, steps = 2, options = {}) {
  const { config } = composeConfig({
    recipe: 'tabletop',
    overrides: [
      'device=cpu',
      'algorithm.update_epoch=2',
      'env.train.total_num_envs=1',
      'actor.global_batch_size=16',
      'actor.micro_batch_size=16',
      'runner.val_check_interval=-1',
      `runner.max_steps=${steps}`,
    ],
  });
  const runDir = join(root, `run-${runs++}`);
  return { runDir, trainer: new Trainer(config, { env: robot, runDir, ...options }) };
}

async function collect(events: AsyncGenerator<TrainerEvent, unknown>) {
  const seen: TrainerEvent[] = [];
  for (;;) {
    const { done, value } = await events.next();
    if (done) return { seen, summary: value as { envSteps: number; checkpoint: string } };
    seen.push(value);
  }
}

const ofType = <T extends TrainerEvent['type']>(seen: TrainerEvent[], type: T) =>
  seen.filter((event): event is Extract<TrainerEvent, { type: T }> => event.type === type);

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

const troubles: [Trouble, string, RegExp][] = [
  ['throws', 'error', /the arm has stopped by itself/],
  ['hangs', 'late', /no answer within 200 ms/],
  ['stale', 'stale', /an answer of time 6 after one of 6/],
  ['no picture', 'partial', /no picture of the camera `main`; there are: none/],
  ['float picture', 'partial', /the picture of `main` is no Uint8Array/],
  ['empty picture', 'partial', /the picture of `main` has 0 bytes, not 0 x 0 x 3/],
  ['short state', 'partial', /the state has 2 numbers, not 8/],
  ['nan state', 'partial', /number 7 of the state is NaN/],
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
    expect(robot.late).toBe(trouble === 'hangs' ? 1 : 0);
  },
);

test.each([0, -1, NaN, Infinity])('a deadline of %s ms is refused', (stepDeadlineMs) => {
  expect(() => trainer(new SimulatedRobot(), 1, { stepDeadlineMs })).toThrow('are no deadline');
});

test('an abort gives up the step under way and rejects once the robot rests', async () => {
  const robot = new SimulatedRobot({ 7: 'hangs' });
  const { trainer: training, runDir } = trainer(robot, 50, { stepDeadlineMs: 60_000 });
  const controller = new AbortController();
  const running = collect(training.run({ signal: controller.signal }));
  await expect.poll(() => robot.steps, { timeout: 60_000 }).toBe(8);
  controller.abort(new Error('enough'));
  await expect(running).rejects.toThrow('enough');
  expect(robot.stops).toBeGreaterThan(0);
  expect(existsSync(join(runDir, 'checkpoints', 'last', 'state.json'))).toBe(true);
  const steps = robot.steps;
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(robot.steps).toBe(steps);
});

test('leaving the loop stops the training', async () => {
  const robot = new SimulatedRobot();
  for await (const event of trainer(robot, 50).trainer.run()) {
    if (event.type === 'step') break;
  }
  const { steps } = robot;
  expect(robot.stops).toBeGreaterThan(0);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(robot.steps).toBe(steps);
});

test('a stopped run goes on with `resume`', async () => {
  const robot = new SimulatedRobot();
  const { trainer: first, runDir } = trainer(robot, 3);
  for await (const event of first.run()) if (event.type === 'step') break;
  const second = trainer(new SimulatedRobot(), 3, { resume: runDir, runDir: undefined }).trainer;
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
    override reset(start: RobotStart) {
      paused = this.starts.length < 7;
      if (paused) training.pause();
      return super.reset(start);
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
