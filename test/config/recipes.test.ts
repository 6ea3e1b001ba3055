import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  chunksPerRollout,
  composeConfig,
  configToYaml,
  listRecipes,
  refuseUntrainable,
  replayBytes,
  replayCapacity,
  resetCount,
  resolveModelPath,
  sampleWindow,
  totalSteps,
  transitionsPerRollout,
} from '../../lib/config/index.js';
import { ConfigError } from '../../lib/errors.js';
import { Random } from './random.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'dsrl-recipes-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const recipe = (name: string, ...overrides: string[]) =>
  composeConfig({ recipe: name, overrides }).config;

describe('the recipes of this package', () => {
  it('are listed with a description', () => {
    const recipes = listRecipes();
    expect(recipes.map(({ name }) => name)).toEqual([
      'libero_spatial_dsrl_openpi',
      'libero_spatial_small',
      'tabletop',
      'tabletop_rlinf',
    ]);
    for (const { description } of recipes) expect(description).toMatch(/^[A-Z].*\.$/);
  });

  it('compose without inert keys', () => {
    for (const { name } of listRecipes()) {
      const { notices, source } = composeConfig({ recipe: name });
      expect(source).toBe(name);
      expect(notices.join()).not.toContain('no effect');
    }
    expect(composeConfig({ recipe: 'tabletop' }).notices).toEqual([]);
    expect(composeConfig({ recipe: 'tabletop_rlinf' }).notices).toEqual([]);
    expect(composeConfig({ recipe: 'libero_spatial_small' }).notices).toEqual([]);
  });

  it('say that an evaluation is cut short where other tasks are asked of one', () => {
    const all = 'env.eval.task_id_filter=null';
    const notices = (...overrides: string[]) =>
      composeConfig({ recipe: 'libero_spatial_small', overrides }).notices;
    const [cut, ...others] = notices(all);
    expect(cut).toContain('of 500 different (task, trial) an evaluation runs 150');
    expect(cut).toContain('env.eval.total_num_envs=500');
    expect(others).toEqual([]);
    expect(notices(all, 'env.eval.total_num_envs=500')).toEqual([]);
    expect(notices(all, 'env.eval.total_num_envs=20')).toEqual([]);
  });

  it('tabletop is the setting that learns', () => {
    const config = recipe('tabletop');
    expect(config.env.train).toMatchObject({
      env_type: 'tabletop',
      total_num_envs: 16,
      auto_reset: true,
      max_episode_steps: 60,
      trials: [0, 25],
    });
    expect(config.env.eval.total_num_envs).toBe(100);
    expect(config.actor.model.openpi).toMatchObject({
      dsrl_image_size: 64,
      dsrl_image_kernels: [4, 3, 3, 3],
      dsrl_image_strides: [4, 2, 2, 2],
      dsrl_image_channels: [32, 32, 32, 32],
    });
    expect(config.actor).toMatchObject({
      global_batch_size: 64,
      optim: { lr: 1e-3, adam_beta1: 0.9, adam_beta2: 0.96, clip_grad: 3.5 },
      critic_optim: { lr: 1e-3, adam_beta2: 0.999, clip_grad: 10 },
    });
    expect(config.algorithm).toMatchObject({
      update_epoch: 50,
      gamma: 0.998,
      tau: 0.05,
      agg_q: 'mean',
      train_actor_steps: 0,
      entropy_tuning: { initial_alpha: 0.1, target_entropy: -16, optim: { lr: 3e-4 } },
      replay_buffer: { min_buffer_size: 1 },
    });
    expect(config.seed).toBe(0);
    expect(() => refuseUntrainable(config)).not.toThrow();
  });

  it("tabletop_rlinf has RLinf's sizes and rates on the tabletop", () => {
    const config = recipe('tabletop_rlinf');
    const rlinf = recipe('libero_spatial_dsrl_openpi');
    expect(config.env.train.env_type).toBe('tabletop');
    expect(config.actor.optim).toEqual(rlinf.actor.optim);
    expect(config.actor.critic_optim).toEqual(rlinf.actor.critic_optim);
    expect(config.actor.global_batch_size).toBe(512);
    expect(config.actor.model.openpi.dsrl_image_strides).toEqual([2, 1, 1, 1]);
    const { replay_buffer: ours, ...algorithm } = config.algorithm;
    const { replay_buffer: theirs, ...published } = rlinf.algorithm;
    expect(algorithm).toEqual(published);
    expect(ours.min_buffer_size).toBe(theirs.min_buffer_size);
  });

  it('libero_spatial_dsrl_openpi differs from the published file in what it is about', () => {
    const file = join(
      import.meta.dirname,
      '../fixtures/config/rlinf_libero_spatial_dsrl_openpi.yaml',
    );
    const published = composeConfig({ file }).config;
    const ours = recipe('libero_spatial_dsrl_openpi');
    expect(ours.env.train.specific_reset_id).toBeNull();
    expect(ours.env.eval.specific_reset_id).toBeNull();
    expect(ours.env.eval.total_num_envs).toBe(500);
    expect(ours.seed).toBe(published.seed);
    expect(ours.algorithm).toMatchObject(honoured(published.algorithm, ours.algorithm));
    expect(ours.actor).toMatchObject(honoured(published.actor, ours.actor));
    expect(ours.rollout.model.model_path).toBe(published.rollout.model.model_path);
    expect(() => refuseUntrainable(ours)).toThrow(/\/path\/to.*placeholder/);
  });
});

/** The part of `from` that `like` has too: our recipe leaves inert keys out. */
function honoured(from: object, like: object): Record<string, unknown> {
  const shared = Object.entries(from).filter(([key]) => key in like);
  return Object.fromEntries(
    shared.map(([key, value]) => {
      const other = (like as Record<string, unknown>)[key];
      const isBlock = typeof value === 'object' && value !== null && !Array.isArray(value);
      return [key, isBlock ? honoured(value, other as object) : value];
    }),
  );
}

describe('a user can start from a recipe', () => {
  it('of the same name as his file', () => {
    const file = join(folder, 'tabletop.yaml');
    writeFileSync(file, 'defaults: [tabletop, _self_]\nalgorithm: {gamma: 0.9}\n');
    const { config } = composeConfig({ file });
    expect(config.algorithm).toMatchObject({ gamma: 0.9, tau: 0.05 });
  });

  it('and is told when his file leads back to itself', () => {
    const file = join(folder, 'circle.yaml');
    writeFileSync(file, 'defaults: [circle]\n');
    expect(() => composeConfig({ file })).toThrow(/lead back to itself/);
  });

  it('and names his run after the file, unless he names it himself', () => {
    const file = join(folder, 'mine.yaml');
    writeFileSync(file, 'defaults: [tabletop]\n');
    const named = composeConfig({ file }).config.runner.logger;
    expect(named.experiment_name).toBe('tabletop');
    const unnamed = composeConfig({ file, overrides: ['~runner.logger.experiment_name'] });
    expect(unnamed.config.runner.logger.experiment_name).toBe('mine');
  });

  it('with a handful of keys', () => {
    const file = join(folder, 'least.yaml');
    writeFileSync(
      file,
      `env: {train: {env_type: tabletop, total_num_envs: 2}}
algorithm:
  gamma: 0.99
  tau: 0.01
  replay_buffer: {min_buffer_size: 1, cache_size: 10, sample_window_size: 10}
actor: {global_batch_size: 8, model: {openpi: {use_dsrl: True}}}
runner:
  logger:
`,
    );
    const { config } = composeConfig({ file });
    expect(config.env.eval).toMatchObject({
      env_type: 'tabletop',
      total_num_envs: 100,
      max_episode_steps: 60,
      trials: [0, 25],
    });
    expect(config.algorithm).toMatchObject({ agg_q: 'min', actor_agg_q: 'min' });
    expect(config.algorithm.entropy_tuning.target_entropy).toBe(-7);
    expect(config.actor.model.model_path).toBe('tabletop');
    expect(config.rollout.model.model_path).toBe('tabletop');
    expect(config.runner.logger.log_path).toBe('./logs');
    expect(config.seed).toBe(1234);
  });
});

describe('what follows from the keys', () => {
  it('counts chunks, transitions and episodes', () => {
    const config = recipe('tabletop');
    expect(chunksPerRollout(config)).toBe(12);
    expect(transitionsPerRollout(config)).toBe(192);
    expect(replayCapacity(config)).toBe(192_000);
    expect(resetCount(config.env.eval)).toBe(100);
    const libero = recipe('libero_spatial_dsrl_openpi');
    expect(transitionsPerRollout(libero)).toBe(768);
    expect(replayCapacity(libero)).toBe(200_000);
    expect(resetCount(libero.env.eval)).toBe(500);
    expect(replayBytes(libero) / 1e9).toBeCloseTo(5.0, 1); // 200,000 pairs of 64 x 64 x 3
  });

  it('caps the sample window by what is held', () => {
    const window = (rollouts: number) =>
      sampleWindow(recipe('tabletop', `algorithm.replay_buffer.sample_window_size=${rollouts}`));
    expect([window(2), window(1000), window(5000)]).toEqual([384, 192_000, 192_000]);
  });

  it.each([
    ['runner.max_steps=3', 3],
    ['runner.max_steps=-1', 20_000],
    ['runner.max_epochs=5', 5],
  ])('%s makes %i global steps', (override, steps) => {
    expect(totalSteps(recipe('tabletop', override))).toBe(steps);
  });

  it.each([
    [['env.eval.specific_reset_id=51'], 1],
    [['env.eval.task_id_filter=[0,3]'], 50],
    [['env.eval.trials=[25,50]'], 100],
    [['env.eval.trials=[3,5]', 'env.eval.task_id_filter=[1,1]'], 2],
  ])('%j selects %i episodes', (overrides, count) => {
    expect(resetCount(recipe('tabletop', ...overrides).env.eval)).toBe(count);
  });

  it('finds the frozen policy', () => {
    const path = (value: string) =>
      resolveModelPath(recipe('tabletop', `actor.model.model_path=${value}`), '/base');
    expect(path('./mine')).toBe('/base/mine');
    expect(path('a/b')).toBe('/base/a/b');
    expect(path('/absolute')).toBe('/absolute');
    expect(path("'~/policy'")).toMatch(/^\/.*\/policy$/);
    expect(() => path('unheard_of')).toThrow(ConfigError);
    expect(() => path('unheard_of')).toThrow(/no policy `unheard_of` ships/);
  });
});

describe('training refuses what it cannot do', () => {
  it.each([
    ['actor.compute=bf16', /actor.compute: bf16 does not exist/],
    [
      'env@env.eval=libero_spatial env.eval.init_params.camera_widths=128',
      /256 x 128 are not square/,
    ],
    ['actor.model.openpi.config_name=pi0_droid', /no policy configuration `pi0_droid`/],
    ['actor.model.openpi.config_name=pi05_libero', /pi0.5 policy/],
    ['actor.model.model_type=openpi_rlinf', /openpi_rlinf without/],
    ['actor.model.model_path=/path/to/model', /is the placeholder/],
  ])('%s', (override, message) => {
    expect(() => refuseUntrainable(recipe('tabletop', ...override.split(' ')))).toThrow(message);
  });

  it('a replay of more than the memory, with the arithmetic', () => {
    const config = recipe('libero_spatial_dsrl_openpi');
    const arithmetic = 'at most 200000 transitions x 24823 bytes = 5.0 GB, more than this machine';
    expect(() => refuseUntrainable(config, 4e9)).toThrow(`${arithmetic}'s 4.0 GB`);
    const onDevice = recipe('tabletop', 'algorithm.replay_buffer.device=cuda');
    expect(() => refuseUntrainable(onDevice, 1e6)).not.toThrow();
  });

  it('names everything in the way', () => {
    const config = recipe('libero_spatial_dsrl_openpi', 'actor.compute=bf16');
    expect(() => refuseUntrainable(config)).toThrow(/2 problems[\s\S]*placeholder[\s\S]*bf16/);
  });
});

describe('the resolved YAML', () => {
  const again = (yaml: string) => {
    const file = join(folder, 'resolved.yaml');
    writeFileSync(file, yaml);
    return composeConfig({ file }).config;
  };

  it('composes to the same configuration, for every recipe and for a user file', () => {
    const file = join(
      import.meta.dirname,
      '../fixtures/config/rlinf_libero_spatial_dsrl_openpi.yaml',
    );
    const sources = [...listRecipes().map(({ name }) => ({ recipe: name })), { file }];
    for (const source of sources) {
      const { config } = composeConfig(source);
      expect(again(configToYaml(config))).toEqual(config);
    }
  });

  it('keeps texts that look like something else', () => {
    const random = new Random(7);
    const pieces = [
      'off',
      'yes',
      '1e-4',
      '010',
      'null',
      '~',
      '${',
      '}',
      '\\',
      '$',
      ': ',
      ' #',
      "'",
    ];
    const alphabet = [...pieces, '"', '\n', '\t', ' ', 'é', 'a', '-', '1', '_', '{', '[', '&', '*'];
    const { config } = composeConfig({ recipe: 'tabletop' });
    for (let round = 0; round < 150; round++) {
      const name = `${random.text(alphabet, 6)}x${random.text(alphabet, 3)}`.replace(/^\?+$/, 'x');
      config.runner.logger.experiment_name = name;
      config.cluster = { [name]: random.pick([name, 1.5, null, true, [name]]) };
      expect(again(configToYaml(config))).toEqual(config);
    }
  });

  it('keeps numbers exactly', () => {
    const random = new Random(8);
    const { config } = composeConfig({ recipe: 'tabletop' });
    for (let round = 0; round < 150; round++) {
      config.algorithm.gamma = Math.max(Number.MIN_VALUE, random.uniform());
      config.actor.optim.lr = random.uniform() * 10 ** (random.below(300) - 290);
      config.algorithm.entropy_tuning.target_entropy = (random.uniform() - 0.5) * 1e6;
      config.seed = random.below(2 ** 53);
      config.actor.seed = config.seed;
      expect(again(configToYaml(config))).toEqual(config);
    }
  });
});
