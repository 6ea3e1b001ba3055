import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';

const script = new URL('../../scripts/setup/words.mjs', import.meta.url).href;

/** What is typed behind `npm run quickstart --`: would a build begin for it, and what is said. */
function look(...words: string[]) {
  const program = `
    const { wordsAreGood } = await import(${JSON.stringify(script)});
    process.stdout.write(String(wordsAreGood(${JSON.stringify(words)})));`;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', program],
    { encoding: 'utf8' },
  );
  return { status, stdout, stderr };
}

it('a build begins for good words, and the run itself tells the notes', () => {
  const good = { status: 0, stdout: 'true', stderr: '' };
  expect(look()).toEqual(good);
  expect(look('libero_spatial_small', 'env.eval.task_id_filter=null')).toEqual(good);
  expect(look('--', 'seed=3')).toEqual(good); // as some package managers pass them on
});

it('none begins for a key that there is not, or a policy', () => {
  const wrong = look('sed=3');
  expect(wrong).toMatchObject({ status: 2, stdout: 'false' });
  expect(wrong.stderr).toContain('did you mean `seed`?');
  const missing = look('actor.model.model_path=nowhere');
  expect(missing).toMatchObject({ status: 2, stdout: 'false' });
  expect(missing.stderr).toContain('nowhere');
  expect(look('--video', 'frist').stderr).toContain(
    'quickstart: --video frist: first, all, failed',
  );
});

it('none begins for the help, or where only a look was asked for', () => {
  expect(look('--help').stdout).toMatch(/^Usage: dsrl-native quickstart[\s\S]*false$/);
  const { stdout, stderr } = look(
    '--check',
    'libero_spatial_small',
    'env.eval.task_id_filter=null',
  );
  expect(stdout).toBe('false');
  expect(stderr).toContain('of 500 different (task, trial) an evaluation runs 150');
});
