// A control names the trainings that it needs (agent.mjs) and judges their answers. Each has a
// fault, which is the control with its one hold on the outcome removed: with it the control must
// fail, or it proves nothing (`--faults`).

/**
 * A training: `environment` is the recipe's `own`, `permuted` (what became of a chunk is told to
 * another environment) or `black` (the agent's frame is); `keep` names the folder of a run that is
 * gone on with when it is there. An evaluation: the `trained` agent, the `fresh` one, or the frozen
 * policy alone (null, under `noise`) over every (task, trial), `repeats` times; `overrides`
 * behind the training's; `wave`: as many environments at once; `stochastic`: it draws from its
 * distribution instead of taking the mean; `black`: it sees a black frame; `listed`: with each
 * episode by itself.
 */
export function training(it) {
  return { recipe: 'tabletop', seed: 0, environment: 'own', overrides: [], ...it };
}

export const percent = (value) => `${(100 * value).toFixed(1)} %`;
export const interval = ({ success, low, high, episodes }) =>
  `${percent(success)} [${percent(low)}, ${percent(high)}] of ${episodes}`;
export const perTask = ({ tasks }) =>
  tasks.map(({ successes, episodes }) => (successes / episodes).toFixed(2)).join(' ');
export const overlap = (a, b) => a.low <= b.high && b.low <= a.high;
