import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';

const program = fileURLToPath(new URL('../../bin/dsrl-native.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'dsrl-quickstart-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Its one line, and what it said. */
function quickstart(...words: string[]) {
  const short = ['algorithm.update_epoch=2', 'env.train.total_num_envs=2'];
  const command = [program, 'quickstart', '--run-dir', 'run', ...short, ...words];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, {
    cwd: folder,
    encoding: 'utf8',
  });
  expect(status, stderr).toBe(0);
  return { line: JSON.parse(stdout), stderr };
}

it('goes on with the run when it is typed again, and remembers the base', () => {
  const { line, stderr } = quickstart('runner.max_steps=1', '--video', '2:0');
  expect(line).toMatchObject({ episodes: 100, updates: 2, run: join(folder, 'run') });
  expect(stderr).toContain('evaluating 1000 episodes');
  // Before, each of 10 times, and after; each in a folder that is this run's own.
  const own = [join('run-base', 'videos', 'iid'), join('run', 'videos', 'step_1')];
  expect(line.videos).toEqual(own.map((name) => join(folder, name)));
  const films = line.videos.map((videos: string) => readdirSync(videos));
  expect(films.map(({ length }: string[]) => length)).toEqual([10, 1]);
  expect(films[1][0]).toMatch(/^task2_trial00_/);

  const again = quickstart('runner.max_steps=2');
  expect(again.line).toMatchObject({ base_success: line.base_success, updates: 4 });
  expect(again.line.train_seconds).toBeGreaterThan(line.train_seconds);
  expect(again.stderr).not.toContain('evaluating 1000 episodes');

  // Another question than the one that is remembered.
  const other = quickstart('runner.max_steps=2', 'env.eval.trials=[25,50]');
  expect(other.stderr).toContain('evaluating 1000 episodes');
});

it('refuses another run before the base is evaluated for it, and says where to begin one', () => {
  for (const check of [[], ['--check']]) {
    const words = [program, 'quickstart', '--run-dir', 'run', 'algorithm.gamma=0.5', ...check];
    const { status, stdout, stderr } = spawnSync(process.execPath, words, {
      cwd: folder,
      encoding: 'utf8',
    });
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain('algorithm.gamma is 0.5');
    expect(stderr).toContain('--run-dir DIR');
    expect(stderr).not.toContain('frozen policy');
  }
});

it('looks at the words alone where it is asked to', () => {
  const check = (...words: string[]) => {
    const command = [program, 'quickstart', '--check', ...words];
    const { status, stdout } = spawnSync(process.execPath, command, {
      cwd: folder,
      encoding: 'utf8',
    });
    expect(stdout).toBe('');
    return status;
  };
  const before = readdirSync(folder);
  expect(check('--run-dir', 'new', '--video', 'first')).toBe(0);
  expect(check('libero_spatial_small', '--video', 'first')).toBe(0);
  expect(check('sed=3')).toBe(2);
  expect(check('--video', 'some')).toBe(2);
  expect(readdirSync(folder)).toEqual(before);
});

it('stopped, it says to type the same command again', async () => {
  const words = ['quickstart', '--run-dir', 'stopped', 'env.eval.trials=[0,1]'];
  const child = spawn(process.execPath, [program, ...words, 'env.train.total_num_envs=2'], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (bytes) => {
    said += bytes;
  });
  const log = join(folder, 'stopped', 'metrics.jsonl');
  while (!existsSync(log)) {
    expect(child.exitCode).toBeNull();
    await setTimeout(20);
  }
  child.kill('SIGINT');
  const [code] = await once(child, 'close');
  expect(code, said).toBe(130);
  expect(said).toContain('to go on: type the same command again');
});

it('begins anew where the first try was killed before its first checkpoint', async () => {
  const words = ['quickstart', '--run-dir', 'killed', 'env.eval.trials=[0,1]'];
  const few = ['algorithm.update_epoch=2', 'env.train.total_num_envs=2'];
  const killed = spawn(process.execPath, [program, ...words, ...few, 'runner.save_interval=-1'], {
    cwd: folder,
    stdio: 'ignore',
  });
  const run = join(folder, 'killed');
  while (!existsSync(join(run, 'metrics.jsonl'))) {
    expect(killed.exitCode).toBeNull();
    await setTimeout(20);
  }
  killed.kill('SIGKILL');
  await once(killed, 'close');
  expect(readdirSync(join(run, 'checkpoints'))).toEqual([]);

  const { line, stderr } = quickstart(
    'env.eval.trials=[0,1]',
    'runner.max_steps=1',
    '--run-dir',
    run,
  );
  expect(stderr).toContain('ended before its first checkpoint');
  expect(line).toMatchObject({ run, updates: 2 });
});

it('removes no folder that a run did not write', () => {
  const mine = join(folder, 'mine');
  mkdirSync(join(mine, 'checkpoints'), { recursive: true });
  writeFileSync(join(mine, 'notes.txt'), 'mine');
  const command = [program, 'quickstart', '--run-dir', mine, 'env.eval.trials=[0,1]'];
  const { status, stderr } = spawnSync(process.execPath, command, { encoding: 'utf8' });
  expect({ status, stderr }).toMatchObject({ status: 2 });
  expect(stderr).toContain('exists already');
  expect(existsSync(join(mine, 'notes.txt'))).toBe(true);
});

it('takes no second recipe', () => {
  const command = [program, 'quickstart', 'tabletop', 'tabletop_rlinf'];
  const { status, stderr } = spawnSync(process.execPath, command, { encoding: 'utf8' });
  expect({ status, stderr }).toMatchObject({ status: 2 });
  expect(stderr).toContain('tabletop_rlinf');
});
