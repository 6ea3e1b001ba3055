import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const program = fileURLToPath(new URL('../../bin/dsrl-native.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'dsrl-cli-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** The built command line, in a folder of its own. */
function run(...argv: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...argv], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, DSRL_TORCH_HOME: join(folder, 'no-torch') },
  });
  return { status, stdout, stderr };
}

describe('help and version need no torch', () => {
  const commands = [
    [],
    ['train'],
    ['eval'],
    ['export'],
    ['config'],
    ['libero'],
    ['doctor'],
    ['setup'],
    ['build'],
    ['quickstart'],
    ['debug'],
    ['debug', 'replay-updates'],
    ['debug', 'random'],
    ['debug', 'sample'],
    ['debug', 'expert'],
    ['debug', 'demonstrations'],
  ];
  it.each(commands.map((command) => [command.join(' '), command] as const))(
    '`%s --help` shows two examples',
    (_, command) => {
      const { status, stdout, stderr } = run(...command, '--help');
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      const examples = stdout.split(/^examples:?$/im)[1] ?? '';
      expect(examples.match(/^ {2}dsrl-native /gm)?.length).toBeGreaterThanOrEqual(2);
    },
  );

  it('--version', () => {
    expect(run('--version')).toEqual({ status: 0, stdout: 'dsrl-native 0.1.0\n', stderr: '' });
  });
});

describe('a wrong command line ends in exit code 2 and says what to type', () => {
  it.each([
    { argv: ['trian'], names: ['trian', 'did you mean `train`?'] },
    { argv: ['--hlep'], names: ['--hlep', '`--help`'] },
    { argv: ['train', 'tabletop', '--dry-rum'], names: ['--dry-rum', '`--dry-run`'] },
    { argv: ['train'], names: ['no recipe', 'tabletop'] },
    { argv: ['train', 'tabletopp'], names: ['tabletopp', 'tabletop'] },
    { argv: ['train', 'tabletop', 'algorithm.gamma=2'], names: ['algorithm.gamma'] },
    { argv: ['train', 'tabletop', 'algorithm.gama=1'], names: ['gama', 'algorithm.gamma'] },
    { argv: ['train', 'tabletop', 'actor.compute=bf16'], names: ['bf16', 'fp32'] },
    { argv: ['train', 'tabletop', '--log-format', 'xml'], names: ['xml', 'json'] },
    { argv: ['train', 'tabletop', 'surplus'], names: ['surplus'] },
    { argv: ['train', '--resume'], names: ['./logs', '--resume'] },
    { argv: ['train', '--resume', './nowhere'], names: ['nowhere'] },
    { argv: ['train', 'tabletop', 'runner.only_eval=True'], names: ['runner.ckpt_path'] },
    { argv: ['config', '--hepl'], names: ['config: there is no option', '--hepl', '`--help`'] },
    { argv: ['config', 'validte', 'x'], names: ['validte', 'did you mean `validate`?'] },
    { argv: ['doctor', '--jsno'], names: ['doctor: there is no option', '--jsno', '`--json`'] },
    { argv: ['doctor', 'torch'], names: ['doctor: `torch` is too much'] },
    { argv: ['eval'], names: ['no run'] },
    { argv: ['eval', './nowhere.yaml'], names: ['./nowhere.yaml: there is no such file'] },
    { argv: ['eval', 'tabletopp'], names: ['tabletopp', 'tabletop'] },
    { argv: ['eval', 'tabletop'], names: ['--policy-only'] },
    { argv: ['eval', './nowhere'], names: ['nowhere'] },
    { argv: ['eval', 'tabletop', '--noise', 'iid'], names: ['--noise', '--policy-only'] },
    { argv: ['eval', 'tabletop', '--policy-only', '--repeats', '0'], names: ['--repeats'] },
    { argv: ['eval', 'tabletop', '--best-of', '4'], names: ['--best-of', '--policy-only'] },
    {
      argv: ['eval', 'tabletop', '--policy-only', '--best-of', '4', '--noise', 'iid'],
      names: ['--noise', '--best-of'],
    },
    { argv: ['debug', 'replay'], names: ['replay'] },
    { argv: ['debug', 'random', '--seed', 'x', '--stream', 's'], names: ['--seed'] },
    { argv: ['debug', 'replay-updates', '--compute', 'bf16'], names: ['bf16'] },
    { argv: ['debug', 'expert'], names: ['--env'] },
    { argv: ['debug', 'expert', '--env', 'libero_spatial', '--bowl', 'both'], names: ['both'] },
    { argv: ['debug', 'demonstrations', '--out', 'd', '--target', '2'], names: ['--target 2'] },
  ])('$argv', ({ argv, names }) => {
    const { status, stdout, stderr } = run(...argv);
    expect({ status, stdout }, stderr).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(/^error: .* \(ERR_DSRL_[A-Z_]+\)$/m);
    for (const name of names) expect(stderr).toContain(name);
  });

  it('a broken YAML', () => {
    const file = join(folder, 'broken.yaml');
    writeFileSync(file, 'runner: [1,\n');
    const { status, stderr } = run('train', '-c', file);
    expect(status).toBe(2);
    expect(stderr).toContain('broken.yaml');
  });
});

it('no torch ends in exit code 3', () => {
  mkdirSync(join(folder, 'no-torch'), { recursive: true });
  const { status, stderr } = run('train', 'tabletop', '--dry-run');
  expect(status).toBe(3);
  expect(stderr).toMatch(/ERR_DSRL_/);
});
