// DSRL on all ten tasks of LIBERO-Spatial together, with the small policy that ships: its success
// before and after over the 500 (task, trial), and the curve between.
//
//   node bench/libero_ten.mjs [--steps 60] [--seed 0]
//
// Prints Markdown. The run is kept in logs/bench, and gone on with when the command is typed again,
// with more steps too. Needs a built checkout, and LIBERO's bundle with its reduced scene.

import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { wilson } from '../dist/train/index.js';
import { root } from '../scripts/setup/steps.mjs';
import { rowsOf, runTraining } from '../scripts/test-learning/run-training.mjs';
import { interval, training } from '../scripts/test-learning/training.mjs';
import { processors, table } from './report.mjs';

/** Rows of the curve. */
const PARTS = 6;
/** Each task has 50 initial states. */
const EPISODES = 500;

const { values } = parseArgs({
  options: {
    steps: { type: 'string', default: '60' },
    seed: { type: 'string', default: '0' },
  },
});
const keep = join('logs', 'bench', 'libero_ten', `seed ${values.seed}`);

const { results, envSteps, updates, trainSeconds } = await runTraining(
  training({
    recipe: 'libero_spatial_small',
    seed: Number(values.seed),
    keep,
    overrides: [
      'env.train.task_id_filter=null',
      'env.eval.task_id_filter=null',
      `env.eval.total_num_envs=${EPISODES}`,
      `runner.max_steps=${values.steps}`,
      'runner.val_check_interval=-1',
    ],
    evaluations: { frozen: { agent: null, noise: 'iid' }, after: { agent: 'trained' } },
  }),
);

const rows = rowsOf(join(root, keep, 'run'));

/** Of the episodes that ended in these global steps. */
function success(part) {
  const of = (row) => row['env/num_trajectories'];
  const episodes = part.reduce((sum, row) => sum + of(row), 0);
  if (episodes === 0) return '-';
  // A row in which none ended has no success.
  const solved = part.reduce((sum, row) => sum + of(row) * (row['env/success_once'] ?? 0), 0);
  return interval({ success: solved / episodes, ...wilson(solved, episodes), episodes });
}

const size = Math.ceil(rows.length / PARTS);
const curve = Array.from({ length: Math.ceil(rows.length / size) }, (_, i) => {
  const part = rows.slice(i * size, (i + 1) * size);
  const { env_steps: steps, seconds } = part.at(-1);
  return [`${(steps / 1000).toFixed(1)} k`, (seconds / 60).toFixed(1), success(part)];
});

const row = (name, result) => [
  name,
  ...result.tasks.map(({ successes }) => successes),
  interval(result),
];
const tasks = results.frozen.tasks.map(({ task }) => task);

console.log(`${table(
  ['successes of 50', ...tasks, 'all'],
  [row('frozen, N(0, I)', results.frozen), row(`seed ${values.seed}`, results.after)],
)}

${table(['environment steps', 'minutes', 'success while training'], curve)}

${envSteps} environment steps and ${updates} updates in ${(trainSeconds / 60).toFixed(1)} minutes of
training on ${processors()}, Node ${process.versions.node}.`);
