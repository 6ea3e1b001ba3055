/** How a robot's training ends early, and that nothing moves behind it. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { SimulatedRobot } from './support/robot.js';
import { collect, collectFailure, ofType, trainer } from './support/trainer.js';

const enough = new Error('enough');
const last = (runDir: string) => join(runDir, 'checkpoints', 'last', 'state.json');
const state = (runDir: string) => JSON.parse(readFileSync(last(runDir), 'utf8'));

/** Starts a run, aborts it once `until` holds, and gives what it came to. */
async function aborted(
  robot: SimulatedRobot,
  until: (training: ReturnType<typeof trainer>['trainer']) => Promise<void>,
  options: Parameters<typeof trainer>[2] = {},
) {
  const { trainer: training, runDir } = trainer(robot, 50, options);
  const controller = new AbortController();
  const running = collectFailure(training.run({ signal: controller.signal }));
  await until(training);
  const { steps, resets } = robot;
  controller.abort(enough);
  const { seen, error } = await running;
  // Nothing is asked of the robot any more, then or later.
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect([robot.steps, robot.resets]).toEqual([steps, resets]);
  return { runDir, error, faults: ofType(seen, 'fault') };
}

const reached = (what: () => number, count: number) =>
  expect.poll(what, { timeout: 60_000, interval: 5 }).toBe(count);

describe('an abort', () => {
  test('before the run starts nothing', async () => {
    const robot = new SimulatedRobot();
    const { trainer: training, runDir } = trainer(robot);
    const running = collectFailure(training.run({ signal: AbortSignal.abort(enough) }));
    expect((await running).error).toBe(enough);
    expect([robot.resets, robot.steps, robot.stops]).toEqual([0, 0, 0]);
    expect(existsSync(runDir)).toBe(false);
    await collect(trainer(robot, 1).trainer.run()); // and the robot may be used by another
  });

  test('gives up the step under way and rejects once the robot rests', async () => {
    const robot = new SimulatedRobot({ 7: 'hangs' });
    const stepDeadlineMs = 60_000;
    const until = () => reached(() => robot.steps, 8);
    const { runDir, error, faults } = await aborted(robot, until, { stepDeadlineMs });
    expect(error).toBe(enough);
    expect(robot.stops).toBeGreaterThan(0);
    expect(faults.map(({ kind }) => kind)).toEqual(['stopped']);
    // No sign of a broken robot: the run that goes on counts no loss.
    expect(state(runDir).step.failures).toEqual({ failed: 0, lost: 0 });
  });

  test('during the first reset leaves nothing to go on from', async () => {
    const robot = new SimulatedRobot();
    robot.hangingReset = 1;
    const { runDir, error, faults } = await aborted(robot, () => reached(() => robot.resets, 1));
    expect(error).toBe(enough);
    expect(faults).toEqual([]); // that the reset then failed is no fault of the robot
    expect(robot.stops).toBeGreaterThan(0);
    expect(existsSync(last(runDir))).toBe(false);
  });

  test.each(['True', 'False'])(
    'during a later reset (auto_reset %s) moves nothing',
    async (auto) => {
      const robot = new SimulatedRobot();
      robot.hangingReset = 2;
      const overrides = [`env.train.auto_reset=${auto}`];
      const until = () => reached(() => robot.resets, 2);
      const { runDir, error, faults } = await aborted(robot, until, { overrides });
      expect(error).toBe(enough);
      expect(faults.filter(({ kind }) => kind !== 'stopped')).toEqual([]);
      expect(robot.stops).toBeGreaterThan(0);
      expect(existsSync(last(runDir))).toBe(true);
    },
  );

  test('during a pause, of the episode or before it', async () => {
    const robot = new SimulatedRobot({}, 2);
    const { error } = await aborted(robot, async (training) => {
      await expect.poll(() => robot.steps, { timeout: 60_000 }).toBeGreaterThan(3);
      training.pause();
      await reached(() => robot.stops, 1);
    });
    expect(error).toBe(enough);

    const fresh = new SimulatedRobot();
    const before = await aborted(fresh, async (training) => {
      training.pause();
      await new Promise((resolve) => setTimeout(resolve, 500));
    });
    expect(before.error).toBe(enough);
    expect([fresh.resets, fresh.steps]).toEqual([0, 0]);
  });

  test('while a checkpoint is written leaves it whole', async () => {
    const overrides = ['runner.save_interval=1'];
    const { trainer: training, runDir } = trainer(new SimulatedRobot(), 50, { overrides });
    const controller = new AbortController();
    const events: string[] = [];
    const run = async () => {
      for await (const { type } of training.run({ signal: controller.signal })) {
        if (type === 'step') controller.abort(enough); // its checkpoint is what comes next
        if (type === 'step' || type === 'checkpoint') events.push(type);
      }
    };
    await expect(run()).rejects.toBe(enough);
    expect(events).toEqual(['step', 'checkpoint']);
    expect(state(runDir).counters.globalSteps).toBe(1);
    const options = { resume: runDir, overrides };
    const next = trainer(new SimulatedRobot(), 2, options).trainer;
    const { seen } = await collect(next.run());
    expect(ofType(seen, 'step').map(({ step }) => step)).toEqual([2]);
  });
});

test('between chunks the robot rests before the checkpoint is written', async () => {
  const written: boolean[] = [];
  class Watched extends SimulatedRobot {
    override async stop() {
      written.push(existsSync(last(runDir)));
      await super.stop();
    }
  }
  const overrides = ['runner.save_interval=1'];
  const { trainer: training, runDir } = trainer(new Watched(), 50, { overrides });
  for await (const { type } of training.run()) {
    if (type === 'step') break; // its checkpoint is what comes next
  }
  expect(existsSync(last(runDir))).toBe(true);
  expect(written[0]).toBe(false);
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

describe('a robot whose `stop`', () => {
  const told = 'the brake does not answer';
  const hanging = /could not be brought to rest: no answer within 100 ms/;

  test('fails behind a fault goes on from a reset', async () => {
    const robot = new SimulatedRobot({ 7: 'throws' });
    robot.stopping = 'fails once';
    const { seen } = await collect(trainer(robot, 1).trainer.run());
    const messages = ofType(seen, 'fault').map(({ message }) => message);
    expect(messages).toEqual([`stop: ${told}`, 'the arm has stopped by itself']);
    expect(ofType(seen, 'step')).toHaveLength(1);
  });

  test('fails at the end of a run is an error: it may be moving', async () => {
    const robot = new SimulatedRobot();
    robot.stopping = 'fails';
    const { trainer: training, runDir } = trainer(robot, 1);
    const { error } = await collectFailure(training.run());
    expect(error).toMatchObject({
      code: 'ERR_DSRL_ENVIRONMENT',
      message: `the robot could not be brought to rest: ${told}`,
      cause: { message: told },
    });
    expect(state(runDir).counters.globalSteps).toBe(1);
  });

  test.each([
    ['fails', /could not be brought to rest: the brake/],
    ['hangs', hanging],
  ] as const)('%s at an abort is told in place of its reason', async (stopping, message) => {
    const robot = new SimulatedRobot({ 7: 'hangs' });
    robot.stopping = stopping;
    const options = { stepDeadlineMs: 60_000, stopDeadlineMs: 100 };
    const until = () => reached(() => robot.steps, 8);
    const { error, runDir } = await aborted(robot, until, options);
    expect(error).toMatchObject({
      code: 'ERR_DSRL_ENVIRONMENT',
      message: expect.stringMatching(message),
    });
    expect(existsSync(last(runDir))).toBe(true);
  });

  test('fails when the loop is left is not kept back', async () => {
    const robot = new SimulatedRobot();
    robot.stopping = 'fails';
    const leave = async () => {
      for await (const event of trainer(robot, 50).trainer.run()) if (event.type === 'step') break;
    };
    await expect(leave()).rejects.toMatchObject({ code: 'ERR_DSRL_ENVIRONMENT' });
  });

  test('never answers is asked for nothing more', async () => {
    const robot = new SimulatedRobot({ 7: 'throws' });
    robot.stopping = 'hangs';
    const { trainer: training } = trainer(robot, 50, { stopDeadlineMs: 100 });
    const { error, seen } = await collectFailure(training.run());
    expect(error).toMatchObject({
      code: 'ERR_DSRL_ENVIRONMENT',
      message: expect.stringMatching(hanging),
    });
    expect([robot.resets, robot.steps, robot.stops]).toEqual([1, 8, 1]);
    expect(ofType(seen, 'fault')[0]).toMatchObject({
      kind: 'late',
      message: expect.stringMatching(/^stop: /),
    });
  });
});
