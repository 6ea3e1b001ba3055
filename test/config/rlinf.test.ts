import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Composed, composeConfig, refuseUntrainable } from '../../lib/config/index.js';
import { ConfigError } from '../../lib/errors.js';

const shipped = join(
  import.meta.dirname,
  '../fixtures/config/rlinf_libero_spatial_dsrl_openpi.yaml',
);
const text = readFileSync(shipped, 'utf8');

let folder: string;
const embodied = process.env.EMBODIED_PATH;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dsrl-config-'));
  delete process.env.EMBODIED_PATH;
});

afterEach(() => {
  rmSync(folder, { recursive: true });
  if (embodied === undefined) delete process.env.EMBODIED_PATH;
  else process.env.EMBODIED_PATH = embodied;
});

/** Writes a user's file and composes it. */
function compose(content: string, ...overrides: string[]): Composed {
  const file = join(folder, 'mine.yaml');
  writeFileSync(file, content);
  return composeConfig({ file, overrides });
}

/** The file with some of its text exchanged; each piece must be there. */
function edited(...edits: [string, string][]): string {
  return edits.reduce((content, [from, to]) => {
    if (!content.includes(from)) throw new Error(`the fixture has no ${from}`);
    return content.replaceAll(from, to);
  }, text);
}

describe("RLinf's file as it is shipped", () => {
  it('is read with its values, its groups and its interpolations', () => {
    const { config } = composeConfig({ file: shipped });
    expect(config.algorithm).toMatchObject({
      gamma: 0.999,
      tau: 0.005,
      update_epoch: 200,
      train_actor_steps: 10,
      agg_q: 'mean',
      actor_agg_q: 'mean',
      backup_entropy: false,
      critic_subsample_size: 0,
      chunk_reward: 'per_chunk',
      entropy_tuning: { alpha_type: 'softplus', initial_alpha: 1, target_entropy: -16 },
      replay_buffer: { min_buffer_size: 10, cache_size: 15000, capacity: 200_000 },
    });
    expect(config.actor).toMatchObject({
      global_batch_size: 512,
      micro_batch_size: 64,
      seed: 42,
      compute: 'fp32',
      optim: { lr: 1e-4, adam_beta1: 0.9, adam_beta2: 0.96, adam_eps: 1e-8, clip_grad: 3.5 },
      critic_optim: { lr: 3e-4, adam_beta1: 0.9, adam_beta2: 0.999, clip_grad: 10 },
    });
    expect(config.actor.model).toMatchObject({
      model_path: '/path/to/RLinf-Pi0-LIBERO-Spatial-Object-Goal-SFT',
      num_action_chunks: 5,
      num_steps: 4,
      precision: null,
      openpi: { action_chunk: 5, num_steps: 4, dsrl_num_q_heads: 10, dsrl_image_size: 64 },
    });
    expect(config.env.train).toMatchObject({
      env_type: 'libero',
      total_num_envs: 16,
      max_steps_per_rollout_epoch: 240,
      specific_reset_id: 0,
      trials: [0, 50],
      seed: 0,
    });
    expect(config.env.eval).toMatchObject({ total_num_envs: 500, specific_reset_id: 0 });
    expect(config.env.eval.video_cfg.video_base_dir).toBe('../results/video/eval');
    expect(config.runner).toMatchObject({ max_epochs: 20_000, max_steps: -1, save_interval: 40 });
    expect(config.seed).toBe(42);
    expect(config.rollout.model.precision).toBeNull();
  });

  it('says what a user should know, each once', () => {
    const { notices } = composeConfig({ file: shipped });
    expect(notices).toHaveLength(4);
    const [searchPath, inert, reset, replay] = notices;
    expect(searchPath).toContain('EMBODIED_PATH is not set; our own groups');
    expect(inert).toContain('algorithm.{group_size, normalize_advantages, kl_penalty');
    expect(inert).toContain('cluster.*');
    expect(inert).not.toContain('gamma');
    expect(reset).toContain('training runs reset id 0 alone (task 0, trial 0)');
    expect(reset).toContain('env.train.specific_reset_id=null env.eval.specific_reset_id=null');
    expect(replay).toContain('15000 rollouts x 16 environments x 48 chunks = 11,520,000');
    expect(replay).toContain('the replay holds 200,000');
  });

  it('has every inert key in one notice, those of our own groups in none', () => {
    const { notices } = composeConfig({ file: shipped });
    const inert = notices.filter((notice) => notice.includes('no effect'));
    expect(inert).toHaveLength(1);
    // Named by the file, through its defaults list only: it wrote no such key.
    expect(inert[0]).not.toContain('weight_syncer');
  });

  it('trains on all tasks when the keys that the notice names are null', () => {
    const overrides = ['env.train.specific_reset_id=null', 'env.eval.specific_reset_id=null'];
    const { config, notices } = composeConfig({ file: shipped, overrides });
    expect(config.env.train.specific_reset_id).toBeNull();
    expect(notices.join()).not.toContain('reset id');
  });

  it('takes groups from EMBODIED_PATH where that is set', () => {
    const groups = join(folder, 'rlinf/config');
    mkdirSync(join(groups, 'model'), { recursive: true });
    writeFileSync(join(groups, 'model/pi0.yaml'), 'num_steps: 9\nprecision: null\n');
    process.env.EMBODIED_PATH = join(folder, 'rlinf');
    const { config, notices } = composeConfig({ file: shipped });
    expect(config.actor.model.num_steps).toBe(9);
    // What RLinf's folder lacks is found among our own.
    expect(config.env.train.env_type).toBe('libero');
    expect(notices.join()).not.toContain('EMBODIED_PATH');
  });

  it('says so when EMBODIED_PATH names no folder', () => {
    process.env.EMBODIED_PATH = join(folder, 'nowhere');
    const { notices } = composeConfig({ file: shipped });
    expect(notices[0]).toContain(`there is no folder ${join(folder, 'nowhere')}/config/`);
  });

  it('prefers a group beside the file', () => {
    mkdirSync(join(folder, 'model'));
    writeFileSync(join(folder, 'model/pi0.yaml'), 'num_steps: 7\nprecision: null\n');
    expect(compose(text).config.actor.model.num_steps).toBe(7);
  });

  it('exchanges its groups as Hydra does those of a `group: name` entry', () => {
    const { config } = compose(text, 'model@actor.model=pi0_5', 'env@env.eval=libero_spatial');
    expect(config.actor.model.num_steps).toBe(5);
    expect(config.actor.model.openpi.config_name).toBe('pi05_libero');
  });
});

describe('older, newer and other files', () => {
  it('reads the form of February 2026', () => {
    const { config, notices } = compose(
      edited(
        ['hybrid_engines/fsdp@', 'training_backend/fsdp@'],
        ['  - weight_syncer/patch_syncer@weight_syncer\n', ''],
        ['    rollout_epoch: 1\n', ''],
        [
          '  reward_coef: 1.0\n',
          `  reward_coef: 1.0
  rollout_epoch: 3
  eval_rollout_epoch: 2
  sampling_params: {do_sample: True, temperature_train: 1.0, top_k: 50}
  length_params: {max_new_token: null, max_length: 1024, min_length: 1}
`,
        ],
      ),
    );
    expect(config.env.train.rollout_epoch).toBe(3);
    expect(config.algorithm.rollout_epoch).toBeUndefined();
    expect(notices.join()).toContain('sampling_params.*, length_params.*');
  });

  it('refuses two different places of rollout_epoch', () => {
    const both = edited(['  reward_coef: 1.0\n', '  reward_coef: 1.0\n  rollout_epoch: 3\n']);
    expect(() => compose(both)).toThrow(/mine\.yaml:\d+:18: algorithm.rollout_epoch and env/);
    expect(compose(both, '~algorithm.rollout_epoch').config.env.train.rollout_epoch).toBe(1);
  });

  const pi05: [string, string][] = [
    ['model/pi0@', 'model/pi0_5@'],
    ['    num_action_chunks: 5\n', '    num_action_chunks: 5\n    num_steps: 3\n'],
    ['  only_eval: False\n', '  only_eval: False\n  resume_dir: null\n  ckpt_path: null\n'],
  ];
  const async: [string, string][] = [
    ['total_num_envs: 16', 'total_num_envs: 8'],
    ['micro_batch_size: 64', 'micro_batch_size: 32'],
    ['  only_eval: False\n', '  only_eval: False\n  weight_sync_interval: 30\n'],
  ];

  it.each([
    ['pi0.5', pi05, { num_steps: 3, envs: 16 }],
    ['async', async, { num_steps: 4, envs: 8 }],
    ['async pi0.5', [...pi05.slice(0, 2), ...async], { num_steps: 3, envs: 8 }],
  ])('validates the variant %s', (_, edits, { num_steps, envs }) => {
    const { config } = compose(edited(...(edits as [string, string][])));
    expect(config.actor.model.num_steps).toBe(num_steps);
    expect(config.actor.model.openpi.num_steps).toBe(num_steps);
    expect(config.env.train.total_num_envs).toBe(envs);
  });

  it('refuses pi0.5 when it is to be trained, and not before', () => {
    const { config } = compose(edited(...pi05));
    expect(config.actor.model.openpi.action_horizon).toBe(10);
    expect(() => refuseUntrainable(config)).toThrow(ConfigError);
    expect(() => refuseUntrainable(config)).toThrow(/pi05_libero is a pi0.5 policy/);
    // `config validate` finds it valid, so it is not what to type.
    expect(() => refuseUntrainable(config)).toThrow(
      expect.objectContaining({
        message: expect.stringMatching(/^this configuration cannot be trained: 2 problems\n/),
        hint: 'change all of them, then type the same command again',
      }),
    );
  });

  it('reads `openpi.task` of newer files', () => {
    const newer = edited([
      '      use_dsrl: True\n',
      '      use_dsrl: True\n      task: rl\n      max_token_len: 200\n',
    ]);
    expect(compose(newer).config.actor.model.openpi.task).toBe('rl');
    const evaluation = compose(newer, 'actor.model.openpi.task=eval').config;
    expect(() => refuseUntrainable(evaluation)).toThrow(/openpi.task: `eval`/);
  });
});

describe('seeds', () => {
  it.each([
    [[], 42],
    [['seed=7'], 7],
    [['+seed=7'], 7],
    [['seed=7', 'actor.seed=9'], 7],
    [['actor.seed=9'], 9],
    [['seed=null'], 42],
    [['~actor.seed'], 1234],
  ])('%j gives %i', (overrides, seed) => {
    const { config } = composeConfig({ file: shipped, overrides });
    expect([config.seed, config.actor.seed]).toEqual([seed, seed]);
    // The benchmark does not move with the run.
    expect([config.env.train.seed, config.env.eval.seed]).toEqual([0, 0]);
  });

  it('leaves a seed of the environment alone', () => {
    const { config } = composeConfig({ file: shipped, overrides: ['seed=7', 'env.train.seed=3'] });
    expect(config.env.train.seed).toBe(3);
  });
});
