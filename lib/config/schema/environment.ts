import * as z from 'zod';
// By its own file: a configuration is read without the native side.
import { LIBERO_SUITES } from '../../native/libero-suites.js';
import {
  block,
  choice,
  described,
  fixed,
  flag,
  honoured,
  inert,
  inertTyped,
  whole,
  wholes,
} from './fields.js';
import { videos } from './videos.js';

/**
 * The environments that a configuration may name, and how many tasks each has; null: its suite
 * says so when it is opened.
 */
export const TASKS = { tabletop: 4, libero: 10, 'libero-python': null } as const;
export type EnvironmentType = keyof typeof TASKS;
const TYPES = ['tabletop', 'libero', 'libero-python'] as const satisfies EnvironmentType[];
/** The sets of tasks of each; the first is meant where none is named. */
export const SUITES = {
  tabletop: ['tabletop'],
  libero: ['libero_spatial'],
  'libero-python': LIBERO_SUITES,
} as const;
/** Tasks of the largest suite. */
export const MOST_TASKS = 90;
export const TRIALS_PER_TASK = 50;
/** Steps of a tabletop episode; LIBERO's are 240. */
export const TABLETOP_HORIZON = 60;

const trials = described(
  z.tuple([z.int().min(0), z.int().max(TRIALS_PER_TASK)]).refine(([first, end]) => first < end),
  `a half-open range [first, end] with 0 <= first < end <= ${TRIALS_PER_TASK}`,
);

/** YAML 1.1 reads unquoted `on` and `off` as True and False. */
const lod = described(
  z.preprocess(
    (value) => (typeof value === 'boolean' ? (value ? 'on' : 'off') : value),
    z.enum(['off', 'on']),
  ),
  'off or on',
);

/** `env.train` or `env.eval`. */
export function environment(role: 'train' | 'eval') {
  const inTraining = <T extends z.ZodType>(type: T, doc: string) => {
    if (role === 'train') return honoured(type, doc);
    return inertTyped(type, 'an evaluation runs every (task, trial) once, in waves');
  };
  return block({
    env_type: honoured(
      choice(...TYPES),
      'the environment; libero-python: the original LIBERO in worker processes',
      role === 'eval' ? 'that of `env.train`' : undefined,
    ),
    task_suite_name: honoured(
      choice(...LIBERO_SUITES, 'tabletop').optional(),
      "the environment's set of tasks",
      'the one that `env_type` has',
    ),
    total_num_envs:
      role === 'train'
        ? honoured(whole(1), 'environments that run at once')
        : honoured(
            whole(1),
            'episodes of an evaluation, run in waves; every (task, trial) comes once',
            'every (task, trial)',
          ),
    rollout_epoch: inTraining(whole(1).default(1), 'rollouts in a global step'),
    auto_reset: inTraining(
      flag().default(false),
      'True: a finished environment resets at the next chunk border; False: it waits',
    ),
    max_episode_steps: honoured(
      whole(1).default(240),
      'steps after which an episode is truncated',
      '240; tabletop 60',
    ),
    max_steps_per_rollout_epoch: honoured(
      whole(1).default(240),
      'steps of an environment in a rollout; a multiple of `actor.model.num_action_chunks`',
      '240; tabletop 60',
    ),
    specific_reset_id: honoured(
      whole(0).nullable().default(null),
      `the one reset id (${TRIALS_PER_TASK} task + trial) that is used; null: all of them`,
    ),
    task_id_filter: honoured(
      wholes(0).nullable().default(null),
      'the tasks that are used; null: all of them',
    ),
    trials: honoured(
      trials,
      'half-open range of the trials that are used',
      'all 50; tabletop [0, 25]',
    ),
    seed: honoured(
      whole(0).default(0),
      'layouts and fixture poses, the benchmark itself; apart from `seed`',
    ),
    use_rel_reward: fixed(
      false,
      'the reward of a step is -1 until success and 0 there',
      'leave it False; `algorithm.chunk_reward` chooses how a chunk is rewarded',
    ),
    use_step_penalty: fixed(
      true,
      'the reward of a step is -1 until success and 0 there',
      'leave it True; `algorithm.chunk_reward` chooses how a chunk is rewarded',
    ),
    reward_coef: fixed(1, 'factor of the success reward', 'leave it 1.0'),
    group_size: inTraining(whole(1).default(1), 'environments in a row that share a reset id'),
    use_ordered_reset_state_ids: inert('the order of reset ids follows from the seed'),
    use_fixed_reset_state_ids: inert('the order of reset ids follows from the seed'),
    ignore_terminations: inert('an episode ends at success'),
    is_eval: inert('`env.train` trains, `env.eval` evaluates'),
    reset_gripper_open: fixed(
      true,
      'the warm-up steps hold the gripper open',
      'leave it True; `warmup_steps` says how many there are',
    ),
    init_params: block({
      camera_heights: honoured(whole(1).default(256), 'rows of a LIBERO picture'),
      camera_widths: honoured(whole(1).default(256), 'columns of a LIBERO picture'),
    }),
    video_cfg: videos(role),
    gl: honoured(choice('auto', 'egl', 'osmesa').default('auto'), "renderer of LIBERO's pictures"),
    msaa: honoured(whole(0, 16).default(4), "samples a pixel of LIBERO's pictures"),
    lod: honoured(lod.default('off'), 'reduced LIBERO meshes; off: the true ones'),
    warmup_steps: honoured(whole(0).default(15), 'no-op steps of LIBERO after a reset'),
    allow_mujoco_drift: honoured(
      flag().default(false),
      'True: LIBERO runs on a MuJoCo whose physics differ from the reference',
    ),
  });
}

export const environments = block({
  train: environment('train'),
  eval: environment('eval'),
  group_name: inert('for Ray'),
  enable_offload: inert('for offloading'),
});
