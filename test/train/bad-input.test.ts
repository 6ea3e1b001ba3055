/** What `train` refuses, and what it leaves on disk when it does. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { type BackendObservation, Tensor, type TrainSummary } from '../../lib/index.js';
import { editedPolicy } from '../support/policy.js';
import { readSafetensors, writeSafetensors } from '../support/safetensors.js';
import {
  checkpoints,
  configured,
  ENVS,
  failure,
  metrics,
  newFolder,
  root,
  runtime,
  snapshot,
  Tabletop,
  Told,
  tensors,
  training,
} from '../support/training.js';

let plain: TrainSummary;
beforeAll(async () => {
  plain = await training({ config: configured() });
});

/** A copy of the plain run; its last checkpoint is step_4. */
function copied(): { run: string; checkpoint: string } {
  const run = newFolder();
  cpSync(plain.run, run, { recursive: true, verbatimSymlinks: true });
  return { run, checkpoint: join(run, 'checkpoints', 'step_4') };
}

describe('the run folder', () => {
  // The policy is named wrongly as well: it may be gigabytes, so the folder is judged before it.
  const config = () => configured('actor.model.model_path=./no-policy');

  test('that holds something', async () => {
    const before = snapshot(plain.run);
    const error = await failure(training({ config: config(), runDir: plain.run }));
    expect(error).toMatchObject({ code: 'ERR_DSRL_RUN_EXISTS', exitCode: 2 });
    expect(error.message).toContain(plain.run);
    expect(error.hint).toContain(`--resume ${plain.run}`);
    expect(snapshot(plain.run)).toEqual(before);
  });

  // Below a file nobody may write, root neither.
  test.each(['run', 'deep/down/run'])('below a file, as %s', async (name) => {
    const file = join(mkdtempSync(join(root, 'file-')), 'file');
    writeFileSync(file, '');
    const error = await failure(training({ config: config(), runDir: join(file, name) }));
    expect(error).toMatchObject({ code: 'ERR_DSRL_RUN_UNWRITABLE', exitCode: 3 });
    expect(error.message).toContain(join(file, name));
    expect(error.hint).toContain('--run-dir');
    const logs = configured(`runner.logger.log_path=${file}`);
    const other = await failure(training({ config: logs, runDir: undefined }));
    expect(other).toMatchObject({ code: 'ERR_DSRL_RUN_UNWRITABLE', exitCode: 3 });
  });

  // The kernel says that there is no such folder, not that it may not be made.
  test('in /proc', async () => {
    const error = await failure(training({ config: configured(), runDir: '/proc/nowhere/run' }));
    expect(error).toMatchObject({ code: 'ERR_DSRL_RUN_UNWRITABLE', exitCode: 3 });
  });

  test('is not made for a policy that cannot be opened', async () => {
    const runDir = newFolder();
    const error = await failure(training({ config: config(), runDir }));
    expect(error).toMatchObject({ code: 'ERR_DSRL_POLICY_MISSING', exitCode: 2 });
    expect(existsSync(runDir)).toBe(false);
  });

  test('whose log cannot be written', async () => {
    const { run } = copied();
    rmSync(join(run, 'metrics.jsonl'));
    mkdirSync(join(run, 'metrics.jsonl'));
    const config = configured('runner.max_steps=5');
    const error = await failure(training({ config, resume: run }));
    expect(error).toMatchObject({ code: 'ERR_DSRL_LOG_UNWRITABLE', exitCode: 3 });
    expect(error.message).toContain('metrics.jsonl');
  });

  test('that is lost on the way', async () => {
    const runDir = newFolder();
    const place = join(runDir, 'checkpoints');
    const told = new Told({
      phase(name) {
        if (name !== 'checkpoint') return;
        rmSync(place, { recursive: true });
        writeFileSync(place, '');
      },
    });
    const error = await failure(training({ config: configured(), runDir, ...told }));
    expect(error).toMatchObject({ code: 'ERR_DSRL_CHECKPOINT_WRITE', exitCode: 3 });
    expect(error.message).toContain(place);
  });
});

describe('a policy', () => {
  test('of another hash', async () => {
    const folder = editedPolicy(() => {});
    truncateSync(join(folder, 'policy.pt'), 1000);
    const runDir = newFolder();
    const config = configured(`actor.model.model_path=${folder}`);
    const error = await failure(training({ config, runDir }));
    expect(error).toMatchObject({ code: 'ERR_DSRL_POLICY_HASH', exitCode: 2 });
    expect(error.message).toContain(join(folder, 'policy.pt'));
    expect(existsSync(runDir)).toBe(false);
  });

  test.each([
    ['actor.model.num_action_chunks=6', 'env.train.max_steps_per_rollout_epoch=60', 'horizon'],
    ['actor.model.action_dim=6', 'algorithm.entropy_tuning.target_entropy=-16', 'action_dim'],
    ['actor.model.openpi.dsrl_state_dim=9', 'seed=0', 'state_dim'],
  ])('of other sizes: %s', async (change, also, names) => {
    const runDir = newFolder();
    const error = await failure(training({ config: configured(change, also), runDir }));
    expect(error).toMatchObject({ code: 'ERR_DSRL_POLICY_CONTRACT', exitCode: 2 });
    expect(error.message).toContain(names);
    expect(error.message).toContain(change.split('=')[0]);
    expect(existsSync(runDir)).toBe(false);
  });

  test('other than the one a run began with', async () => {
    const { run, checkpoint } = copied();
    const file = join(checkpoint, 'state.json');
    const state = JSON.parse(readFileSync(file, 'utf8'));
    state.policy.sha256 = 'f'.repeat(64);
    writeFileSync(file, JSON.stringify(state));
    const error = await failure(training({ config: configured(), resume: run }));
    expect(error).toMatchObject({ code: 'ERR_DSRL_CHECKPOINT_MISMATCH', exitCode: 2 });
    expect(error.message).toContain('ffff');
    expect(error.hint).toContain('actor.model.model_path=');
  });

  test('that was moved is the same policy', async () => {
    const { run } = copied();
    const moved = editedPolicy(() => {});
    const changes = [`actor.model.model_path=${moved}`, 'runner.max_steps=5'];
    const resumed = await training({ config: configured(...changes), resume: run });
    expect(resumed.globalSteps).toBe(5);
  });
});

describe('a checkpoint', () => {
  const goOn = (resume: string) =>
    failure(training({ config: configured('runner.max_steps=5'), resume }));

  const SEGMENT = 'replay/transitions_0_192.safetensors';
  test.each([
    'agent.safetensors',
    'optimizer.safetensors',
    'target.safetensors',
    'replay/index.safetensors',
    SEGMENT,
    'state.json',
  ])('whose %s is cut off', async (name) => {
    const { run, checkpoint } = copied();
    const file = join(checkpoint, name);
    truncateSync(file, Math.floor(readFileSync(file).length / 2));
    const before = snapshot(run);
    const error = await goOn(run);
    expect(error).toMatchObject({ code: 'ERR_DSRL_CHECKPOINT_DAMAGED', exitCode: 2 });
    expect(error.message).toContain(file);
    expect(snapshot(run)).toEqual(before);
  });

  test.each(['agent.safetensors', SEGMENT, 'replay', 'state.json'])(
    'without its %s',
    async (name) => {
      const { checkpoint } = copied();
      rmSync(join(checkpoint, name), { recursive: true });
      const error = await goOn(checkpoint);
      expect(error.code).toMatch(/^ERR_DSRL_CHECKPOINT_/);
      expect(error.exitCode).toBe(2);
      expect(error.message).toContain(name === 'state.json' ? checkpoint : name);
    },
  );

  test('whose replay has another byte', async () => {
    const { run, checkpoint } = copied();
    const bytes = readFileSync(join(checkpoint, SEGMENT));
    bytes[bytes.length - 5] = (bytes[bytes.length - 5] as number) ^ 1;
    writeFileSync(join(checkpoint, SEGMENT), bytes);
    const error = await goOn(run);
    expect(error).toMatchObject({ code: 'ERR_DSRL_CHECKPOINT_DAMAGED', exitCode: 2 });
    expect(error.message).toContain('CRC');
  });

  test('with a tensor of another shape', async () => {
    const { run, checkpoint } = copied();
    const file = join(checkpoint, 'agent.safetensors');
    const named = readSafetensors(file);
    const name = 'dsrl_action_noise_net.mean_layer.weight';
    const tensor = named.get(name);
    if (tensor === undefined) throw new Error(name);
    named.set(name, { ...tensor, shape: [...tensor.shape].reverse() });
    writeSafetensors(file, named);
    const error = await goOn(run);
    expect(error.code).toMatch(/^ERR_DSRL_CHECKPOINT_/);
    expect(error.exitCode).toBe(2);
    for (const part of [file, name, '[32, 16]']) expect(error.message).toContain(part);
  });

  test('with the files of a run of other sizes', async () => {
    const config = configured('actor.model.openpi.dsrl_hidden_dims=[8,8]', 'runner.max_steps=1');
    const other = await training({ config });
    const { run, checkpoint } = copied();
    for (const name of ['agent', 'target', 'optimizer']) {
      const file = `${name}.safetensors`;
      cpSync(join(other.checkpoint as string, file), join(checkpoint, file));
    }
    const error = await goOn(run);
    expect(error.code).toMatch(/^ERR_DSRL_CHECKPOINT_/);
    expect(error.message).toContain(join(checkpoint, 'agent.safetensors'));
  });

  test.each([
    ['counters', { globalSteps: -1 }, 'counters.globalSteps'],
    ['environments', { slots: [] }, 'environments'],
    ['step', {}, 'step.rollouts'],
  ])('with a strange state.json: %s', async (part, strange, names) => {
    const { run, checkpoint } = copied();
    const file = join(checkpoint, 'state.json');
    const state = JSON.parse(readFileSync(file, 'utf8'));
    state[part] = part === 'step' ? strange : { ...state[part], ...strange };
    writeFileSync(file, JSON.stringify(state));
    const error = await goOn(run);
    expect(error).toMatchObject({ code: 'ERR_DSRL_CHECKPOINT_DAMAGED', exitCode: 2 });
    expect(error.message).toContain(names);
  });

  test('of another format', async () => {
    const { run, checkpoint } = copied();
    const file = join(checkpoint, 'state.json');
    const state = JSON.parse(readFileSync(file, 'utf8'));
    writeFileSync(file, JSON.stringify({ ...state, format: 'dsrl-native-checkpoint/9' }));
    const error = await goOn(run);
    expect(error).toMatchObject({ code: 'ERR_DSRL_CHECKPOINT_FORMAT', exitCode: 2 });
    expect(error.message).toContain('dsrl-native-checkpoint/9');
  });
});

/** A tabletop whose `at`-th chunk returns what `spoil` makes of the result. */
class Broken extends Tabletop {
  constructor(
    readonly at: number,
    readonly spoil: (result: Awaited<ReturnType<Tabletop['stepChunk']>>) => void,
  ) {
    super();
  }

  override async stepChunk(actions: Tensor, limit: Int32Array) {
    const result = await super.stepChunk(actions, limit);
    if (++this.#done === this.at) this.spoil(result);
    return result;
  }
  #done = 0;
}

describe('an environment in JavaScript', () => {
  const lastChunk = 12;
  const config = () => configured('runner.save_interval=1');

  test.each([Number.NaN, Number.POSITIVE_INFINITY])('that shows %s', async (value) => {
    const runDir = newFolder();
    const backend = new Broken(2 * lastChunk + 5, ({ observation }) => {
      const values = observation.state.read();
      values[2 * 8 + 3] = value;
      observation.state = Tensor.from(runtime, values, [ENVS, 8], 'float32');
    });
    const error = await failure(training({ config: config(), runDir, backend }));
    expect(error).toMatchObject({ code: 'ERR_DSRL_DIVERGED', exitCode: 4 });
    expect(error.message).toContain(`environment 2 returned a state that is not finite`);
    expect(error.message).toContain(`number 3 is ${value}`);
    expect(error.hint).toContain(`dsrl-native train --resume ${runDir}`);
    expect(checkpoints(runDir)).toEqual(['last', 'step_1', 'step_2']);
    expect(metrics(runDir)).toHaveLength(2);

    const resumed = await training({ config: config(), resume: runDir, backend: new Tabletop() });
    expect(tensors(resumed.checkpoint)).toEqual(tensors(plain.checkpoint));
  });

  test('that shows it before there is a checkpoint', async () => {
    const backend = new Broken(1, ({ observation }) => {
      const values = observation.state.read();
      values[0] = Number.NaN;
      observation.state = Tensor.from(runtime, values, [ENVS, 8], 'float32');
    });
    const error = await failure(training({ config: config(), backend }));
    expect(error).toMatchObject({ code: 'ERR_DSRL_DIVERGED', exitCode: 4 });
    expect(error.hint).toContain('no checkpoint');
    expect(error.hint).not.toContain('--resume');
  });

  test.each([
    ['the environment says so', { failure: Int32Array.of(0, 7, 0, 0) }, 'environment 1', 'code 7'],
    ['too many steps', { executed: Int32Array.of(5, 5, 6, 5) }, 'environment 2', '6 of 5'],
    ['too few arrays', { executed: new Int32Array(0) }, 'environment 0', 'ran 0'],
  ])('that fails: %s', async (_, spoiled, ...names) => {
    const backend = new Broken(3, (result) => Object.assign(result, spoiled));
    const error = await failure(training({ config: config(), backend }));
    expect(error).toMatchObject({ code: 'ERR_DSRL_ENVIRONMENT', exitCode: 1 });
    for (const name of names) expect(error.message).toContain(name);
  });

  const shown = (shape: number[], images = ['main']): BackendObservation => {
    const [envs = 0, width = 0] = shape;
    const pixels = new Uint8Array(envs * 64 * 64 * 3);
    const picture = () => Tensor.from(runtime, pixels, [envs, 64, 64, 3], 'uint8');
    return {
      images: Object.fromEntries(images.map((name) => [name, picture()])),
      state: Tensor.from(runtime, new Float32Array(envs * width), [envs, width], 'float32'),
    };
  };
  test.each([
    ['another camera', shown([ENVS, 8], ['front']), '`main`'],
    ['too few rows', shown([3, 8]), '4'],
    ['a wider state', shown([ENVS, 9]), '8'],
  ])('that shows %s', async (_, observation, name) => {
    const backend = new Tabletop();
    backend.observe = () => observation;
    const error = await failure(training({ config: config(), backend }));
    expect(error.code).toMatch(/^ERR_DSRL_/);
    expect(error.message).toContain(name);
  });

  test('of another number of environments', async () => {
    const error = await failure(training({ config: config(), backend: new Tabletop(3) }));
    expect(error).toMatchObject({ code: 'ERR_DSRL_BACKEND', exitCode: 2 });
    for (const name of ['numEnvs is 3', 'env.train.total_num_envs is 4']) {
      expect(error.message).toContain(name);
    }
  });
});

describe('a loss that is not finite', () => {
  // A step of 1e38 takes the critic's weights to where their products overflow.
  const wild = 'actor.critic_optim.lr=1e38';

  test('stops the run and leaves the last good checkpoint, to be gone on from', async () => {
    const half = await training({ config: configured('runner.max_steps=2') });
    const before = checkpoints(half.run);
    const error = await failure(training({ config: configured(wild), resume: half.run }));
    expect(error).toMatchObject({ code: 'ERR_DSRL_DIVERGED', exitCode: 4 });
    expect(error.message).toMatch(/^update \d+: \w+ is (NaN|-?Infinity)|weights are no longer/);
    expect(error.hint).toContain('actor.critic_optim.lr');
    expect(error.hint).toContain(`--resume ${half.run}`);
    expect(checkpoints(half.run)).toEqual(before);
    expect(readlinkSync(join(half.run, 'checkpoints', 'last'))).toBe('step_2');
    expect(metrics(half.run)).toHaveLength(2);

    const resumed = await training({ config: configured(), resume: half.run });
    expect(tensors(resumed.checkpoint)).toEqual(tensors(plain.checkpoint));
    expect(metrics(resumed.run)).toEqual(metrics(plain.run));
  });

  test('in the first step leaves a run without a checkpoint', async () => {
    const runDir = newFolder();
    const error = await failure(training({ config: configured(wild), runDir }));
    expect(error.exitCode).toBe(4);
    expect(checkpoints(runDir)).toEqual([]);
    expect(dirname(runDir)).toContain(root);
  });
});
