// What must come out of a training on the embedded tabletop, and of one that was robbed of
// something. A control and its fault: training.mjs.

import { interval, overlap, percent, perTask, training } from './training.mjs';

const SEEDS = [0, 1, 2, 3, 4];
const GIB = 2 ** 30;

/** Enough that the 95 % interval is 3 points to either side. */
const REPEATS = 10;

/**
 * What an agent that has learned nothing plays is the noise of a fresh one, tiled tanh(N(0, I))
 * nearly, so the base is the fresh agent, drawing. Its mean is no base: one noise decides a scene
 * whole, so deterministic success jumps between 0 and .5 with any weights that differ.
 */
const drawing = {
  base: { agent: 'fresh', stochastic: true, repeats: REPEATS },
  after: { agent: 'trained', stochastic: true, repeats: REPEATS },
};

const permuted = {
  name: 'permuted rewards teach nothing',
  trainings: [training({ environment: 'permuted', evaluations: drawing })],
  fault: ([robbed]) => [{ ...robbed, environment: 'own' }],
  judge([{ results, updates }]) {
    const { base, after } = results;
    return {
      passed: overlap(base, after),
      text: `${interval(after)} after ${updates} updates, the base ${interval(base)}`,
    };
  },
};

const zeroRate = {
  name: 'a zero learning rate teaches nothing',
  trainings: [
    training({
      overrides: [
        'runner.max_steps=4',
        'actor.optim.lr=0',
        'actor.critic_optim.lr=0',
        'algorithm.entropy_tuning.optim.lr=0',
      ],
      evaluations: { ...drawing, freshMean: { agent: 'fresh' }, mean: { agent: 'trained' } },
    }),
  ],
  fault: ([robbed]) => [{ ...robbed, overrides: ['runner.max_steps=4'] }],
  judge([{ results, updates }]) {
    const { base, after, freshMean, mean } = results;
    // The weights are the fresh agent's, so its mean acts are too, episode by episode.
    const same = perTask(mean) === perTask(freshMean) && mean.return === freshMean.return;
    return {
      passed: overlap(base, after) && same,
      text:
        `${interval(after)} after ${updates} updates, the base ${interval(base)}; ` +
        `deterministic episodes ${same ? 'are' : 'are not'} the fresh agent's`,
    };
  },
};

/**
 * Without the picture all tasks look the same at the start, where the noise decides, and tasks 0
 * and 1, 2 and 3 need opposite noise: whatever the agent plays, it loses one of each pair.
 */
const black = {
  name: 'without its picture the agent loses half the tasks',
  trainings: [
    training({
      environment: 'black',
      evaluations: { after: { agent: 'trained', black: true } },
    }),
  ],
  fault: ([robbed]) => [
    { ...robbed, environment: 'own', evaluations: { after: { agent: 'trained' } } },
  ],
  judge([{ results, updates }]) {
    const { after } = results;
    const [a, b, c, d] = after.tasks.map(({ successes, episodes }) => successes / episodes);
    const lost = Math.max(Math.min(a, b), Math.min(c, d));
    return {
      // Half is all that can be had without seeing; next to nothing would be another fault.
      passed: after.success >= 0.25 && after.success <= 0.55 && lost <= 0.1,
      text: `${percent(after.success)} after ${updates} updates, by task ${perTask(after)}`,
    };
  },
};

const learning = (seed) =>
  training({
    seed,
    overrides: ['runner.val_check_interval=2'],
    evaluations: {
      benchmark: { agent: 'trained' },
      heldOut: { agent: 'trained', overrides: ['env.eval.trials=[25,50]'] },
    },
  });

const reaches = (seed) => ({
  name: `seed ${seed} learns`,
  trainings: [learning(seed)],
  fault: ([own]) => [{ ...own, overrides: [...own.overrides, 'runner.max_steps=2'] }],
  judge([{ results, updates, trainSeconds, secondsTo90, updatesTo90, rss }]) {
    const { benchmark } = results;
    const when =
      secondsTo90 === null
        ? '90 % not reached'
        : `90 % after ${secondsTo90.toFixed(1)} s and ${updatesTo90} updates`;
    return {
      passed: benchmark.success >= 0.95 && secondsTo90 !== null && rss <= 1.5 * GIB,
      text:
        `${percent(benchmark.success)} of ${benchmark.episodes}, ${when}; ` +
        `${updates} updates in ${trainSeconds.toFixed(1)} s, ` +
        `${(rss / 2 ** 20).toFixed(0)} MiB at most`,
    };
  },
});

const heldOut = {
  name: 'held-out trials are as good',
  trainings: SEEDS.map(learning),
  fault: ([own]) => [
    {
      ...own,
      evaluations: { ...own.evaluations, heldOut: { ...own.evaluations.heldOut, black: true } },
    },
  ],
  judge(answers) {
    const pairs = answers.map(({ results }) => [
      results.heldOut.success,
      results.benchmark.success,
    ]);
    return {
      passed: pairs.every(([held, own]) => held >= own - 0.05),
      text: pairs.map(([held, own]) => `${percent(held)} against ${percent(own)}`).join(', '),
    };
  },
};

export const CONTROLS = [permuted, zeroRate, black, ...SEEDS.map(reaches), heldOut];
