import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const program = 'scripts/test-learning/agent.mjs';
const folder = mkdtempSync(join(tmpdir(), 'dsrl-agent-'));
afterAll(() => rmSync(folder, { recursive: true }));

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

/** A training that is kept, as `npm run test:learning` starts it. */
function kept(...overrides: string[]) {
  const request = {
    recipe: 'tabletop',
    seed: 0,
    environment: 'own',
    keep: folder,
    overrides: ['algorithm.update_epoch=2', ...overrides],
    evaluations: { after: { agent: 'trained', overrides: ['env.eval.trials=[0,1]'] } },
  };
  const source = `import { runTraining } from './scripts/test-learning/run-training.mjs';
    console.log(JSON.stringify(await runTraining(${JSON.stringify(request)})));`;
  return ['--input-type=module', '-e', source];
}

/** Begins one that would take long, and ends it, with what it started, in its first steps. */
async function interrupted(signal: 'SIGINT' | 'SIGKILL') {
  const words = kept('runner.max_steps=2000', 'runner.save_interval=-1');
  const child = spawn(process.execPath, words, { cwd: root, stdio: 'ignore', detached: true });
  const closed = once(child, 'close');
  while (!existsSync(join(folder, 'run', 'metrics.jsonl'))) {
    expect(child.exitCode).toBeNull();
    await setTimeout(20);
  }
  process.kill(-(child.pid ?? 0), signal); // its group, as a terminal does
  const [code] = await closed;
  const checkpoints = readdirSync(join(folder, 'run', 'checkpoints'));
  return { code, checkpoints: checkpoints.filter((name) => name.startsWith('step_')).length };
}

test('a kept training goes on after Ctrl-C, and begins anew where it was killed', async () => {
  expect(await interrupted('SIGKILL')).toEqual({ code: null, checkpoints: 0 });
  rmSync(join(folder, 'run', 'metrics.jsonl')); // what the next one waits for
  expect(await interrupted('SIGINT')).toEqual({ code: 130, checkpoints: 1 });
  const done = kept('runner.max_steps=1');
  const { status, stdout } = spawnSync(process.execPath, done, { cwd: root, encoding: 'utf8' });
  expect(status).toBe(0);
  expect(JSON.parse(stdout).updates).toBeGreaterThan(1);
});
