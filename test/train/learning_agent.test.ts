import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const program = 'scripts/test-learning/agent.mjs';

/** `npm run test:learning` takes too long for every day; that it still runs is seen here. */
test.each(['own', 'permuted', 'black'])('one step of a training for the controls: %s', (kind) => {
  const request = {
    recipe: 'tabletop',
    seed: 0,
    environment: kind,
    overrides: ['runner.max_steps=1', 'algorithm.update_epoch=2', 'env.eval.trials=[0,1]'],
    evaluations: {
      frozen: { agent: null, noise: 'iid', listed: true, overrides: ['env.eval.trials=[0,2]'] },
      fresh: { agent: 'fresh', stochastic: true },
      after: { agent: 'trained', black: kind === 'black' },
    },
  };
  const words = [program, JSON.stringify(request)];
  const options = { cwd: root, encoding: 'utf8' } as const;
  const { stdout, stderr, status } = spawnSync(process.execPath, words, options);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const answer = JSON.parse(stdout);
  const { listed } = answer.results.frozen;
  const scenes = [0, 1, 2, 3].flatMap((task) => [`${task}:0`, `${task}:1`]);
  expect(listed.map(({ scene }: { scene: string }) => scene).sort()).toEqual(scenes);
  expect(answer).toMatchObject({
    updates: 2,
    results: { frozen: { episodes: 8 }, fresh: { episodes: 4 }, after: { episodes: 4 } },
  });
});
