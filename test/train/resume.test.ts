/** What a resumed run goes on from, and what becomes of the run's other checkpoints. */
import { cpSync, mkdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { TrainSummary } from '../../lib/index.js';
import {
  checkpoints,
  configured,
  failure,
  metrics,
  newFolder,
  snapshot,
  Told,
  tensors,
  training,
} from '../support/training.js';

let plain: TrainSummary;
/** A run of four steps with a checkpoint after each. */
let every: TrainSummary;

beforeAll(async () => {
  plain = await training({ config: configured() });
  every = await training({ config: configured('runner.save_interval=1', 'checkpoint.keep=9') });
});

function copyOf({ run }: TrainSummary): string {
  const copy = newFolder();
  cpSync(run, copy, { recursive: true, verbatimSymlinks: true });
  return copy;
}

function last(run: string): string {
  return readlinkSync(join(run, 'checkpoints', 'last'));
}

test('a run that is resumed, or evaluated on the way, is the plain one bit for bit', async () => {
  expect(plain).toMatchObject({ globalSteps: 4, updates: 12, interrupted: false });
  const config = configured('runner.val_check_interval=2', 'runner.save_interval=2');
  const evaluated = await training({ config });
  const points = evaluated.history.map((point) => point.evalSuccess !== undefined);
  expect(points).toEqual([false, true, false, true]);
  expect(tensors(evaluated.checkpoint)).toEqual(tensors(plain.checkpoint));
  const log = readFileSync(join(evaluated.run, 'run.log'), 'utf8');
  for (const line of ['step 1/4', 'eval at step 2', 'step_4']) expect(log).toContain(line);

  const half = await training({ config: configured('runner.max_steps=2') });
  const resumed = await training({ config: configured(), resume: half.run });
  expect(resumed.run).toBe(half.run);
  expect(tensors(resumed.checkpoint)).toEqual(tensors(plain.checkpoint));
  expect(resumed.envSteps).toBe(plain.envSteps);
  expect(metrics(resumed.run)).toEqual(metrics(plain.run));
});

describe('going back to step_2 of a run that has step_4', () => {
  test('leaves the later ones until the next checkpoint, then makes its own line', async () => {
    const run = copyOf(every);
    const told = new Told();
    const seen: string[][] = [];
    const resumed = await training({
      config: configured('runner.save_interval=1', 'checkpoint.keep=9'),
      resume: join(run, 'checkpoints', 'step_2'),
      progress: { ...told.progress, checkpoint: () => void seen.push(checkpoints(run)) },
    });
    expect(told.lines.join('\n')).toContain('step_3, step_4 came after step_2');
    expect(seen).toEqual([
      ['last', 'step_1', 'step_2', 'step_3'],
      ['last', 'step_1', 'step_2', 'step_3', 'step_4'],
    ]);
    expect(tensors(resumed.checkpoint)).toEqual(tensors(plain.checkpoint));
    expect(metrics(run)).toEqual(metrics(plain.run));
    expect(last(run)).toBe('step_4');
  });

  // 64 environments fill the replay's first segment of 4096 transitions in the sixth step, and with
  // other learning rates it holds other ones: a link to the old line's file would show.
  test('links no segment of the line that it leaves', async () => {
    const wide = ['env.train.total_num_envs=64', 'runner.max_steps=6', 'algorithm.update_epoch=1'];
    const config = configured(...wide, 'runner.save_interval=1', 'checkpoint.keep=9');
    const old = await training({ config });
    const replays = [];
    for (const kept of [true, false]) {
      const run = copyOf(old);
      for (const name of kept ? [] : ['step_5', 'step_6']) {
        rmSync(join(run, 'checkpoints', name), { recursive: true });
      }
      const resumed = await training({
        config: configured(...wide, 'actor.optim.lr=0.1', 'checkpoint.keep=1'),
        resume: join(run, 'checkpoints', 'step_4'),
      });
      replays.push(Object.values(snapshot(join(resumed.checkpoint as string, 'replay'))));
      expect(checkpoints(run)).toEqual(['last', 'step_6']);
    }
    expect(replays[0]).toHaveLength(3); // two segments and their index
    expect(replays[0]).toEqual(replays[1]);
    const before = Object.values(snapshot(join(old.checkpoint as string, 'replay')));
    expect(replays[0]).not.toEqual(before);
  });

  test('makes step_2 the last one at once: `--resume last` stays on this line', async () => {
    const run = copyOf(every);
    const stop = new AbortController();
    const phase = (name: string) => (name === 'rollout' ? stop.abort() : undefined);
    const { progress } = new Told({ phase });
    const config = configured('runner.save_interval=1');
    const resume = join(run, 'checkpoints', 'step_2');
    const summary = await training({ config, resume, signal: stop.signal, progress });
    expect(summary).toMatchObject({ globalSteps: 2, interrupted: true });
    expect(basename(summary.checkpoint as string)).toBe('step_2');
    expect(last(run)).toBe('step_2');
    expect(checkpoints(run)).toContain('step_4');
    const again = await training({ config: configured(), resume: run });
    expect(tensors(again.checkpoint)).toEqual(tensors(plain.checkpoint));
  });
});

test('a run that was copied without its links goes on from its newest checkpoint', async () => {
  const run = newFolder();
  cpSync(every.run, run, { recursive: true, dereference: true });
  const config = configured('runner.max_steps=5');
  const resumed = await training({ config, resume: run });
  expect(resumed.globalSteps).toBe(5);
  expect(last(run)).toBe('step_5');
});

test('a run that has nothing left to do says how to go on', async () => {
  const told = new Told();
  const resumed = await training({ config: configured(), resume: plain.run, ...told });
  expect(resumed.globalSteps).toBe(4);
  expect(told.lines.at(-1)).toContain('runner.max_steps=');
});

test('a checkpoint outside a run cannot be gone on from', async () => {
  const elsewhere = newFolder();
  mkdirSync(elsewhere);
  cpSync(plain.checkpoint as string, join(elsewhere, 'mine'), { recursive: true });
  const error = await failure(training({ config: configured(), resume: join(elsewhere, 'mine') }));
  expect(error).toMatchObject({ code: 'ERR_DSRL_NO_RUN', exitCode: 2 });
  expect(error.hint).toContain('checkpoints/');
});

describe('the configuration of a resumed run', () => {
  test('may change what FREE names, each with a line', async () => {
    const run = copyOf(plain);
    const told = new Told();
    const changes = [
      'runner.max_steps=5',
      'runner.save_interval=7',
      'runner.logger.experiment_name=other',
      'checkpoint.keep=1',
      'env.eval.trials=[25,50]',
      'actor.optim.lr=0.002',
      'actor.micro_batch_size=8',
    ];
    await training({ config: configured(...changes), resume: run, progress: told.progress });
    for (const change of changes) {
      const key = change.split('=')[0] as string;
      expect(told.lines.filter((line) => line.startsWith(`${key} is `))).toHaveLength(1);
    }
    expect(told.lines).toContain('runner.max_steps is 5 now, it was 4');
    expect(readFileSync(join(run, 'config.yaml'), 'utf8')).toContain('max_steps: 5');
  });

  test.each([
    ['seed=3', 'seed=0'],
    ['algorithm.gamma=0.9', 'algorithm.gamma=0.998'],
    ['algorithm.update_epoch=7', 'algorithm.update_epoch=3'],
    ['algorithm.replay_buffer.cache_size=9', 'algorithm.replay_buffer.cache_size=1000'],
    ['algorithm.replay_buffer.sample_window_size=9', 'sample_window_size=1000'],
    ['algorithm.chunk_reward=first_step', 'algorithm.chunk_reward=per_chunk'],
    ['env.train.total_num_envs=3', 'env.train.total_num_envs=4'],
    ['env.train.trials=[0,3]', 'env.train.trials=[0,25]'],
    ['env.train.auto_reset=False', 'env.train.auto_reset=true'],
    ['actor.model.openpi.dsrl_image_size=32', 'dsrl_image_size=16'],
    ['actor.model.openpi.dsrl_hidden_dims=[8,8]', 'dsrl_hidden_dims=[16,16]'],
    ['actor.optim.adam_beta2=0.9', 'actor.optim.adam_beta2=0.96'],
    ['actor.global_batch_size=8', 'actor.global_batch_size=16'],
  ])('may not change %s', async (change, typed) => {
    const before = snapshot(plain.run);
    const error = await failure(training({ config: configured(change), resume: plain.run }));
    expect(error).toMatchObject({ code: 'ERR_DSRL_CHECKPOINT_MISMATCH', exitCode: 2 });
    expect(error.message).toContain(`${change.split('=')[0]} is `);
    expect(error.hint).toContain(typed);
    expect(snapshot(plain.run)).toEqual(before);
  });

  test('names all that differs at once', async () => {
    const config = configured('seed=3', 'algorithm.tau=0.5');
    const { hint } = await failure(training({ config, resume: plain.run }));
    expect(hint).toContain('`seed=0 algorithm.tau=0.05`');
  });
});
