import { describe, expect, it } from 'vitest';
import { complaint, ofEdit, ofFile, ofOverride } from './complaint.js';

describe('keys', () => {
  it('that nobody knows', () => {
    expect(ofEdit('algorithm:\n  gama: 0.9\n')).toMatchInlineSnapshot(`
      "a.yaml:3:3: unknown key \`algorithm.gama\` (ERR_DSRL_CONFIG_UNKNOWN_KEY)
        did you mean \`algorithm.gamma\`?"
    `);
    expect(ofEdit('algoritm:\n  gamma: 0.9\n')).toMatchInlineSnapshot(`
      "a.yaml:2:1: unknown key \`algoritm\` (ERR_DSRL_CONFIG_UNKNOWN_KEY)
        did you mean \`algorithm\`?"
    `);
    expect(ofEdit('gamma: 0.9\n')).toMatchInlineSnapshot(`
      "a.yaml:2:1: unknown key \`gamma\` (ERR_DSRL_CONFIG_UNKNOWN_KEY)
        did you mean \`algorithm.gamma\`?"
    `);
    expect(ofEdit('checkpoint:\n  zebra: 0.9\n')).toMatchInlineSnapshot(`
      "a.yaml:3:3: unknown key \`checkpoint.zebra\` (ERR_DSRL_CONFIG_UNKNOWN_KEY)
        take it out (\`checkpoint\` has keep)"
    `);
    expect(ofEdit('__proto__: 1\nconstructor: 2\n')).toMatchInlineSnapshot(`
      "a.yaml: 2 problems
        a.yaml:2:1: unknown key \`__proto__\`
          take it out
        a.yaml:3:1: unknown key \`constructor\`
          take it out (ERR_DSRL_CONFIG_UNKNOWN_KEY)
        then check again with: dsrl-native config validate a.yaml"
    `);
    // What lies in a checkpoint is no file that `config validate` reads.
    const text = { name: 'run/state.json', yaml: 'defaults: [tabletop]\na: 1\nb: 2\n' };
    expect(complaint({ text })).toContain('change all of them, then type the same command again');
    expect(ofOverride('algorithm.gama=0.9')).toMatchInlineSnapshot(`
      "the override \`algorithm.gama=0.9\`: unknown key \`algorithm.gama\` (ERR_DSRL_CONFIG_UNKNOWN_KEY)
        did you mean \`algorithm.gamma\`?"
    `);
    expect(ofOverride('+algorithm.gama=0.9')).toMatchInlineSnapshot(`
      "the override \`+algorithm.gama=0.9\`: unknown key \`algorithm.gama\` (ERR_DSRL_CONFIG_UNKNOWN_KEY)
        did you mean \`algorithm.gamma\`?"
    `);
    expect(ofOverride('~algorithm.gama')).toMatchInlineSnapshot(`
      "the override \`~algorithm.gama\`: there is no key \`algorithm.gama\` to delete (ERR_DSRL_CONFIG_OVERRIDE)
        did you mean \`algorithm.gamma\`?"
    `);
  });

  it('that are missing', () => {
    expect(ofOverride('~algorithm.gamma')).toMatchInlineSnapshot(`
      "configs/tabletop.yaml:20:3: algorithm.gamma is missing: a number above 0 and at most 1 (ERR_DSRL_CONFIG_MISSING_KEY)
        add it to the file, or type \`algorithm.gamma=...\`"
    `);
    expect(ofFile('seed: 1\n')).toMatchInlineSnapshot(`
      "a.yaml: 10 problems
        a.yaml:1:1: algorithm.gamma is missing: a number above 0 and at most 1
          add it to the file, or type \`algorithm.gamma=...\`
        a.yaml:1:1: algorithm.tau is missing: a number above 0 and at most 1
          add it to the file, or type \`algorithm.tau=...\`
        a.yaml:1:1: algorithm.replay_buffer.min_buffer_size is missing: a whole number of at least 1
          add it to the file, or type \`algorithm.replay_buffer.min_buffer_size=...\`
        a.yaml:1:1: algorithm.replay_buffer.cache_size is missing: a whole number of at least 1
          add it to the file, or type \`algorithm.replay_buffer.cache_size=...\`
        a.yaml:1:1: algorithm.replay_buffer.sample_window_size is missing: a whole number of at least 1
          add it to the file, or type \`algorithm.replay_buffer.sample_window_size=...\`
        a.yaml:1:1: env.train.env_type is missing: one of tabletop, libero, libero-python
          add it to the file, or type \`env.train.env_type=...\`
        a.yaml:1:1: env.train.total_num_envs is missing: a whole number of at least 1
          add it to the file, or type \`env.train.total_num_envs=...\`
        a.yaml:1:7: actor.model.model_path is missing: a text
          add it to the file, or type \`actor.model.model_path=...\`
        a.yaml:1:7: actor.model.openpi.use_dsrl is missing: only True
          set it True; this package trains nothing but DSRL
        a.yaml:1:7: actor.global_batch_size is missing: a whole number of at least 1
          add it to the file, or type \`actor.global_batch_size=...\` (ERR_DSRL_CONFIG_MISSING_KEY)
        then check again with: dsrl-native config validate a.yaml"
    `);
  });
});

describe('values', () => {
  it('of the wrong type or range', () => {
    expect(ofEdit('algorithm:\n  gamma: 1.5\n')).toMatchInlineSnapshot(`
      "a.yaml:3:10: algorithm.gamma: expected a number above 0 and at most 1, found 1.5 (ERR_DSRL_CONFIG_INVALID_VALUE)
        type \`algorithm.gamma=...\` with a number above 0 and at most 1"
    `);
    expect(ofOverride('actor.global_batch_size=-1')).toMatchInlineSnapshot(`
      "the override \`actor.global_batch_size=-1\`: actor.global_batch_size: expected a whole number of at least 1, found -1 (ERR_DSRL_CONFIG_INVALID_VALUE)
        type \`actor.global_batch_size=...\` with a whole number of at least 1"
    `);
    expect(ofOverride('algorithm.update_epoch=2.5')).toMatchInlineSnapshot(`
      "the override \`algorithm.update_epoch=2.5\`: algorithm.update_epoch: expected a whole number of at least 0, found 2.5 (ERR_DSRL_CONFIG_INVALID_VALUE)
        the default is \`algorithm.update_epoch=1\`"
    `);
    expect(ofOverride("algorithm.tau='0.1'")).toMatchInlineSnapshot(`
      "the override \`algorithm.tau='0.1'\`: algorithm.tau: expected a number above 0 and at most 1, found the text "0.1" (ERR_DSRL_CONFIG_INVALID_VALUE)
        it is a text; write the number without quotes (or \${oc.decode:...} around it)"
    `);
    expect(ofOverride('algorithm.tau=nan')).toMatchInlineSnapshot(`
      "the override \`algorithm.tau=nan\`: algorithm.tau: expected a number above 0 and at most 1, found nan (ERR_DSRL_CONFIG_INVALID_VALUE)
        type \`algorithm.tau=...\` with a number above 0 and at most 1"
    `);
    expect(ofOverride('algorithm.gamma={a: 1}')).toMatchInlineSnapshot(`
      "the override \`algorithm.gamma={a: 1}\`: algorithm.gamma: expected a number above 0 and at most 1, found a block of keys (ERR_DSRL_CONFIG_INVALID_VALUE)
        type \`algorithm.gamma=...\` with a number above 0 and at most 1"
    `);
    expect(ofOverride('actor.optim=3')).toMatchInlineSnapshot(`
      "the override \`actor.optim=3\`: actor.optim: expected a block, found 3 (ERR_DSRL_CONFIG_INVALID_VALUE)
        give its keys one by one: \`actor.optim.<key>=...\`"
    `);
    expect(ofOverride('env.train.auto_reset=maybe')).toMatchInlineSnapshot(`
      "the override \`env.train.auto_reset=maybe\`: env.train.auto_reset: expected True or False, found the text "maybe" (ERR_DSRL_CONFIG_INVALID_VALUE)
        the default is \`env.train.auto_reset=False\`"
    `);
    expect(ofOverride('env.train.trials=[10,5]')).toMatchInlineSnapshot(`
      "the override \`env.train.trials=[10,5]\`: env.train.trials: expected a half-open range [first, end] with 0 <= first < end <= 50, found [10,5] (ERR_DSRL_CONFIG_INVALID_VALUE)
        type \`env.train.trials=...\` with a half-open range [first, end] with 0 <= first < end <= 50"
    `);
    expect(ofOverride('env.train.env_type=maniskill')).toMatchInlineSnapshot(`
      "the override \`env.train.env_type=maniskill\`: env.train.env_type: expected one of tabletop, libero, libero-python, found the text "maniskill" (ERR_DSRL_CONFIG_INVALID_VALUE)
        type \`env.train.env_type=...\` with one of tabletop, libero, libero-python"
    `);
    expect(ofOverride('actor.model.openpi.dsrl_image_kernels=[5,3,3,3]')).toMatchInlineSnapshot(`
      "the override \`actor.model.openpi.dsrl_image_kernels=[5,3,3,3]\`: actor.model.openpi.dsrl_image_kernels: expected a list of 3 or even numbers, found 5 in [5,3,3,3] (ERR_DSRL_CONFIG_INVALID_VALUE)
        the default is \`actor.model.openpi.dsrl_image_kernels=[3,3,3,3]\`"
    `);
    expect(ofOverride('device=gpu')).toMatchInlineSnapshot(`
      "the override \`device=gpu\`: device: expected one of auto, cpu, cuda, cuda:N, found the text "gpu" (ERR_DSRL_CONFIG_INVALID_VALUE)
        the default is \`device=auto\`"
    `);
    expect(ofOverride('seed=9007199254740993')).toMatchInlineSnapshot(`
      "the override \`seed=9007199254740993\`: seed: expected a whole number of at least 0, found 9007199254740993 (ERR_DSRL_CONFIG_INVALID_VALUE)
        the largest whole number is 9007199254740991"
    `);
    expect(ofOverride('runner.save_interval=0')).toMatchInlineSnapshot(`
      "the override \`runner.save_interval=0\`: runner.save_interval: expected -1 or a whole number of at least 1, found 0 (ERR_DSRL_CONFIG_INVALID_VALUE)
        the default is \`runner.save_interval=-1\`"
    `);
  });

  it('that cannot be honoured', () => {
    expect(ofOverride('actor.enable_drq=True')).toMatchInlineSnapshot(`
      "the override \`actor.enable_drq=True\`: actor.enable_drq: expected only False, found True (ERR_DSRL_CONFIG_REFUSED_VALUE)
        leave it False"
    `);
    expect(ofOverride('actor.optim.lr_scheduler=cosine')).toMatchInlineSnapshot(`
      "the override \`actor.optim.lr_scheduler=cosine\`: actor.optim.lr_scheduler: expected only torch_constant, found the text "cosine" (ERR_DSRL_CONFIG_REFUSED_VALUE)
        use \`torch_constant\`; rates stay what they are"
    `);
    expect(ofOverride('actor.model.openpi.use_dsrl=False')).toMatchInlineSnapshot(`
      "the override \`actor.model.openpi.use_dsrl=False\`: actor.model.openpi.use_dsrl: expected only True, found False (ERR_DSRL_CONFIG_REFUSED_VALUE)
        set it True; this package trains nothing but DSRL"
    `);
    expect(ofOverride('actor.model.precision=bf16')).toMatchInlineSnapshot(`
      "the override \`actor.model.precision=bf16\`: actor.model.precision: expected only null, found the text "bf16" (ERR_DSRL_CONFIG_REFUSED_VALUE)
        leave it null; \`actor.compute\` is the precision of the updates"
    `);
    expect(ofOverride('env.train.use_rel_reward=True')).toMatchInlineSnapshot(`
      "the override \`env.train.use_rel_reward=True\`: env.train.use_rel_reward: expected only False, found True (ERR_DSRL_CONFIG_REFUSED_VALUE)
        leave it False; \`algorithm.chunk_reward\` chooses how a chunk is rewarded"
    `);
    for (const override of [
      'actor.model.openpi.dsrl_action_noise_dim=16',
      'algorithm.adv_type=gae',
      'rollout.collect_transitions=False',
      'actor.critic_optim.weight_decay=0.01',
    ]) {
      expect(ofOverride(override)).toContain('ERR_DSRL_CONFIG_REFUSED_VALUE');
    }
  });

  it('that do not go together', () => {
    expect(ofOverride('algorithm.entropy_tuning.initial_alpha=0')).toMatchInlineSnapshot(`
      "the override \`algorithm.entropy_tuning.initial_alpha=0\`: algorithm.entropy_tuning.initial_alpha: a temperature of 0 cannot be learned by \`softplus\` (ERR_DSRL_CONFIG_CONFLICT)
        make it positive, or type \`algorithm.entropy_tuning.alpha_type=fixed_alpha\`"
    `);
    expect(ofOverride('actor.model.num_action_chunks=7')).toMatchInlineSnapshot(`
      "tabletop: 2 problems
        configs/env/tabletop.yaml:7:30: env.train.max_steps_per_rollout_epoch: 60 is not a multiple of actor.model.num_action_chunks, 7
          type \`env.train.max_steps_per_rollout_epoch=63\`
        configs/env/tabletop.yaml:7:30: env.eval.max_steps_per_rollout_epoch: 60 is not a multiple of actor.model.num_action_chunks, 7
          type \`env.eval.max_steps_per_rollout_epoch=63\` (ERR_DSRL_CONFIG_CONFLICT)
        then check again with: dsrl-native config validate tabletop"
    `);
    expect(ofOverride('actor.optim.adam_eps=1e-6')).toMatchInlineSnapshot(`
      "configs/tabletop.yaml:2:1: actor.critic_optim.adam_eps: 1e-8 is not actor.optim.adam_eps, 0.000001: the learner has one (ERR_DSRL_CONFIG_CONFLICT)
        type \`actor.critic_optim.adam_eps=0.000001\`"
    `);
    expect(ofOverride('actor.model.openpi.dsrl_image_channels=[32]')).toMatchInlineSnapshot(`
      "configs/tabletop.yaml:74:27: actor.model.openpi.dsrl_image_strides: has 4 layers, dsrl_image_kernels 4 and dsrl_image_channels 1 (ERR_DSRL_CONFIG_CONFLICT)
        give the three lists one number a layer"
    `);
    expect(ofOverride('actor.model.openpi.dsrl_image_size=2')).toMatchInlineSnapshot(`
      "configs/tabletop.yaml:73:27: actor.model.openpi.dsrl_image_kernels: layer 1 would put a kernel of 4 on a side of 2 (ERR_DSRL_CONFIG_CONFLICT)
        use a larger dsrl_image_size, smaller strides or fewer layers"
    `);
    expect(ofOverride('algorithm.critic_subsample_size=11')).toMatchInlineSnapshot(`
      "the override \`algorithm.critic_subsample_size=11\`: algorithm.critic_subsample_size: 11 heads cannot be drawn of 10 (ERR_DSRL_CONFIG_CONFLICT)
        type \`algorithm.critic_subsample_size=-1\` for all of them"
    `);
    expect(ofOverride('algorithm.replay_buffer.min_buffer_size=2000')).toMatchInlineSnapshot(`
      "the override \`algorithm.replay_buffer.min_buffer_size=2000\`: algorithm.replay_buffer.min_buffer_size: 2000 rollouts x 16 environments x 12 chunks = 384000 transitions, but the replay holds 192000 (ERR_DSRL_CONFIG_CONFLICT)
        lower it, or raise \`algorithm.replay_buffer.capacity\` and \`cache_size\`"
    `);
    expect(ofOverride('env.train.specific_reset_id=200')).toMatchInlineSnapshot(`
      "the override \`env.train.specific_reset_id=200\`: env.train.specific_reset_id: tabletop has the reset ids 0 to 199, found 200 (ERR_DSRL_CONFIG_CONFLICT)
        a reset id is 50 task + trial; null for all of them"
    `);
    expect(ofOverride('env.eval.task_id_filter=[0,4]')).toMatchInlineSnapshot(`
      "the override \`env.eval.task_id_filter=[0,4]\`: env.eval.task_id_filter: tabletop has the tasks 0 to 3, found 4 (ERR_DSRL_CONFIG_CONFLICT)
        null for all of them"
    `);
    expect(ofOverride('env.train.task_suite_name=libero_spatial')).toMatchInlineSnapshot(`
      "the override \`env.train.task_suite_name=libero_spatial\`: env.train.task_suite_name: tabletop has the tasks \`tabletop\`, found \`libero_spatial\` (ERR_DSRL_CONFIG_CONFLICT)
        choose both together: \`env@env.train=tabletop\`"
    `);
    expect(ofOverride('actor.model.openpi.num_steps=9')).toMatchInlineSnapshot(`
      "the override \`actor.model.openpi.num_steps=9\`: actor.model.openpi.num_steps: 9 is not actor.model.num_steps, 4 (ERR_DSRL_CONFIG_CONFLICT)
        set \`actor.model.num_steps\` alone and leave \`openpi.num_steps\` out"
    `);
    expect(ofOverride('actor.model.openpi.action_horizon=4')).toMatchInlineSnapshot(`
      "configs/tabletop.yaml:66:24: actor.model.num_action_chunks: 5 actions cannot be run of a sequence of 4 (ERR_DSRL_CONFIG_CONFLICT)
        type \`actor.model.num_action_chunks=4\` or less"
    `);
  });
});

it('names everything that is wrong at once', () => {
  const text = ofFile(
    `defaults: [tabletop]
algorithm:
  gama: 0.9
  tau: 2
actor:
  global_batch_size: -3
  enable_drq: True
runnr: {max_steps: 3}
rollout: {model: {model_path: '\${actor.model.path}'}}
`,
    'algorithm.foo=3',
    'seed=-1',
  );
  expect(text).toMatchInlineSnapshot(`
    "a.yaml: 8 problems
      the override \`algorithm.foo=3\`: unknown key \`algorithm.foo\`
        take it out (\`algorithm\` has adv_type, loss_type, gamma, tau, update_epoch, train_actor_steps, agg_q, actor_agg_q, backup_entropy, critic_subsample_size, critic_actor_ratio, bootstrap_type, chunk_reward, entropy_tuning, target_update_freq, target_update_type, replay_buffer, rollout_epoch)
      a.yaml:9:31: rollout.model.model_path: \${actor.model.path} names a key that is not there (actor.model.path)
        give \`actor.model.path\` a value
      the override \`seed=-1\`: seed: expected a whole number of at least 0, found -1
        type \`seed=...\` with a whole number of at least 0
      a.yaml:4:8: algorithm.tau: expected a number above 0 and at most 1, found 2
        type \`algorithm.tau=...\` with a number above 0 and at most 1
      a.yaml:3:3: unknown key \`algorithm.gama\`
        did you mean \`algorithm.gamma\`?
      a.yaml:6:22: actor.global_batch_size: expected a whole number of at least 1, found -3
        type \`actor.global_batch_size=...\` with a whole number of at least 1
      a.yaml:7:15: actor.enable_drq: expected only False, found True
        leave it False
      a.yaml:8:1: unknown key \`runnr\`
        did you mean \`runner\`? (ERR_DSRL_CONFIG_INVALID)
      then check again with: dsrl-native config validate a.yaml"
  `);
});
