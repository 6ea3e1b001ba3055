import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { runConfig } from '../../lib/cli/config.js';
import { composeConfig, listRecipes } from '../../lib/config/index.js';
import { DsrlError } from '../../lib/errors.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'dsrl-config-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => vi.restoreAllMocks());

/** Runs the command; what went to the two streams, and the exit code. */
async function run(...argv: string[]) {
  const written = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    vi.spyOn(process[stream], 'write').mockImplementation((chunk) => {
      written[stream] += chunk;
      return true;
    });
  }
  const code = await runConfig(argv);
  vi.restoreAllMocks();
  return { code, ...written };
}

async function failure(...argv: string[]): Promise<DsrlError> {
  const error = await run(...argv).catch((reason) => reason);
  expect(error).toBeInstanceOf(DsrlError);
  return error;
}

it('ls lists every recipe with its description', async () => {
  const { code, stdout, stderr } = await run('ls');
  expect(code).toBe(0);
  expect(stderr).toBe('');
  expect(stdout.trimEnd().split('\n')).toHaveLength(listRecipes().length);
  expect(stdout).toMatch(/^tabletop +The quickstart/m);
});

it('cat prints a configuration that composes to itself', async () => {
  const { code, stdout } = await run('cat', 'tabletop', 'seed=5');
  expect(code).toBe(0);
  const file = join(folder, 'mine.yaml');
  writeFileSync(file, stdout);
  const expected = composeConfig({ recipe: 'tabletop', overrides: ['seed=5'] }).config;
  expect(composeConfig({ file }).config).toEqual(expected);
  expect((await run('cat', file)).stdout).toBe(stdout);
});

it('cat --source prints a recipe as it is written', async () => {
  const { stdout } = await run('cat', '--source', 'tabletop');
  expect(stdout).toBe(
    readFileSync(join(import.meta.dirname, '../../configs/tabletop.yaml'), 'utf8'),
  );
});

it('validate prints one line, and the notices apart', async () => {
  expect(await run('validate', 'tabletop')).toEqual({
    code: 0,
    stdout: 'tabletop: valid\n',
    stderr: '',
  });
  const { stdout, stderr } = await run('validate', 'tabletop', '+cluster.num_nodes=2');
  expect(stdout).toBe('tabletop: valid\n');
  expect(stderr).toBe('note: these keys have no effect here: cluster.*\n');
});

it('tells files from recipes', async () => {
  const file = join(folder, 'no_ending');
  writeFileSync(file, 'defaults: [tabletop]\n');
  expect((await run('validate', file)).stdout).toBe(`${file}: valid\n`);
  expect((await failure('validate', 'no_such')).code).toBe('ERR_DSRL_CONFIG_UNKNOWN_RECIPE');
  expect((await failure('validate', './no_such')).code).toBe('ERR_DSRL_CONFIG_FILE');
  expect((await failure('validate', 'no_such.yaml')).code).toBe('ERR_DSRL_CONFIG_FILE');
});

it('fails with exit code 2 and prints no result', async () => {
  const error = await failure('validate', 'tabletop', 'algorithm.gamma=2');
  expect([error.code, error.exitCode]).toEqual(['ERR_DSRL_CONFIG_INVALID_VALUE', 2]);
});

it.each([
  [[], 'no command'],
  [['cta'], 'there is no command `cta`'],
  [['ls', 'x'], '`ls` takes no arguments'],
  [['cat'], '`cat` needs a recipe or a file'],
  [['cat', '--source'], '`cat --source` takes one recipe'],
  [['cat', '--wrong'], 'config: there is no option `--wrong`'],
])('usage: %j', async (argv, message) => {
  const error = await failure(...argv);
  expect(error.message).toContain(message);
  expect([error.code, error.exitCode]).toEqual(['ERR_DSRL_USAGE', 2]);
});

it('--help shows examples', async () => {
  const { code, stdout } = await run('--help');
  expect(code).toBe(0);
  expect(stdout).toContain('dsrl-native config validate my.yaml');
});

it('cp writes a recipe that composes to itself, and over no file', async () => {
  const file = join(folder, 'copied.yaml');
  expect((await run('cp', 'tabletop', file)).stdout).toBe(`${file}\n`);
  expect(composeConfig({ file }).config).toEqual(composeConfig({ recipe: 'tabletop' }).config);
  const error = await failure('cp', 'tabletop', file);
  expect(error).toMatchObject({ code: 'ERR_DSRL_CONFIG_COPY', exitCode: 2 });
  expect(error.message).toContain('is there already');
  expect((await failure('cp', 'tabletopp', file)).message).toContain('tabletopp');
});

it('schema prints JSON Schema', async () => {
  const { stdout } = await run('schema');
  expect(JSON.parse(stdout)).toMatchObject({ type: 'object', additionalProperties: false });
});
