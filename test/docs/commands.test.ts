// What the documents tell a reader to type works. The commands are taken from the Markdown files;
// each is run here, or the table says what runs it. A command that a document gains and that the
// table lacks fails: run it here with overrides that make it short, or name what covers it.

import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSafetensors } from '../support/safetensors.js';
import { placeCheckpoints } from './checkpoints.js';
import { commandsOf, fencedBlocks, pages, ROOT, readPage, shapeOf } from './markdown.js';

/** Makes a training last about a second; every path through the program stays. */
const SHORT = [
  'env.train.total_num_envs=2',
  'algorithm.update_epoch=2',
  'runner.max_steps=2',
  'runner.save_interval=1',
];
const FEW_EPISODES = 'env.eval.trials=[0,2]';

/** Run here, in this order and in one folder: what is typed, with these words behind it. */
const RUN_HERE: Record<string, string[]> = {
  'dsrl-native train tabletop seed=1 --run-dir runs/one': SHORT,
  'dsrl-native train --resume runs/one': ['runner.max_steps=3'],
  'dsrl-native eval runs/one --json': [FEW_EPISODES],
  'dsrl-native eval runs/one --video failed': [FEW_EPISODES],
  'dsrl-native eval tabletop --policy-only --noise iid --repeats 10': [FEW_EPISODES],
  'dsrl-native eval tabletop --policy-only --best-of 32': [FEW_EPISODES],
  'dsrl-native config ls': [],
  'dsrl-native config cat tabletop': [],
  'dsrl-native config validate my_rlinf_file.yaml': [],
  'dsrl-native config cp tabletop my.yaml': [],
  'dsrl-native config validate my.yaml': [],
  'dsrl-native train -c my.yaml algorithm.gamma=0.99 env@env.eval=tabletop': SHORT,
  'dsrl-native doctor': [],
  'dsrl-native debug replay-updates --help': [],
  'dsrl-native export pi0 --checkpoint test/fixtures/pi0/openpi --robot libero --tokenizer test/fixtures/tokenizer/tiny.model --out tiny_openpi':
    [],
  'dsrl-native export pi0 --checkpoint test/fixtures/pi0/lerobot --tokenizer test/fixtures/tokenizer/tiny.json --out tiny_lerobot':
    [],
  'dsrl-native debug sample --policy tiny_openpi --inputs test/fixtures/pi0/cases/0.inputs.safetensors --num-steps 4 --out actions.safetensors':
    [],
  'dsrl-native export pi0 --checkpoint test/fixtures/pi0/openpi --cameras main=base_0_rgb --state-dim 8 --action-dim 7 --delta-actions 0 --tokenizer test/fixtures/tokenizer/tiny.model --out tiny_one_camera':
    [],
  'dsrl-native eval tabletop --policy-only actor.model.model_path=./tiny_one_camera': [
    FEW_EPISODES,
  ],
  'dsrl-native train tabletop actor.model.model_path=./tiny_one_camera --run-dir runs/tiny': SHORT,
  'dsrl-native export pi0 --checkpoint pi0_libero_pytorch --robot libero --dtype bf16 --tokenizer paligemma_tokenizer.model --out pi0_libero':
    [],
  'dsrl-native export pi0 --checkpoint pi0_libero_finetuned --tokenizer tokenizer.json --out pi0_lerobot':
    [],
  'dsrl-native export pi0 --checkpoint RLinf-Pi0-LIBERO-Spatial-Object-Goal-SFT --robot libero --horizon 50 --tokenizer paligemma_tokenizer.model --out pi0_spatial':
    [],
};

/** Run by something else, whose file is named: too long, or done by every run of the tests. */
const RUN_ELSEWHERE: Record<string, string> = {
  'dsrl-native setup': 'test/cli/setup.test.ts',
  'dsrl-native build': 'test/cli/build.test.ts',
  'dsrl-native setup --cpu': 'test/cli/setup.test.ts',
  'dsrl-native build --torch-home DIR': 'test/cli/build.test.ts',
  'dsrl-native train -c mine.mjs': 'test/config/define.test.ts',
  'npm run docs:api': 'test/docs/api.test.ts',
  'node bench/serve.mjs': 'bench/serve.mjs',
  'node bench/event_loop.mjs': 'bench/event_loop.mjs',
  'dsrl-native config schema > dsrl.schema.json': 'test/config/json-schema.test.ts',
  'dsrl-native serve policies/tabletop': 'test/serve/policy-service.test.ts',
  'node examples/js-env/main.ts runner.max_steps=40': 'test/examples/examples.test.ts',
  'node examples/serve-client/main.ts ws://127.0.0.1:8000': 'test/examples/examples.test.ts',
  'node examples/rclnodejs/main.ts policies/tabletop': 'test/examples/examples.test.ts',
  'node examples/worker-threads/main.ts policies/tabletop': 'test/examples/examples.test.ts',
  'dsrl-native serve runs/one': 'test/serve/command.test.ts',
  'dsrl-native serve': 'test/serve/command.test.ts',
  'node bench/export_full_size.mjs': 'bench/export_full_size.mjs',
  'node bench/infer.mjs': 'bench/infer.mjs',
  'node bench/install.mjs': 'bench/install.mjs',
  'node bench/policy.mjs': 'bench/policy.mjs',
  'node bench/policy.mjs --python FILE': 'bench/policy.mjs',
  'npm run prebuild': 'test/pack/tarball.test.ts',
  'npm run prebuild -- --torch-home DIR --torch-home OTHER': 'test/pack/cuda.slow.ts',
  'npm run test:pack': '.ci/full',
  'OMP_NUM_THREADS=1 node bench/tabletop.mjs --seeds 0,1,2 --write': 'bench/tabletop.mjs',
  'bash .ci/full': '.ci/full',
  'npm run check:cuda': '.ci/full',
  'npm run check:cuda -- --torch 2.11.0': 'scripts/check-cuda.mjs',
  'npm run test:asan': '.ci/full',
  'npm run test:learning': '.ci/full',
  'npm run test:learning -- --libero': '.ci/full',
  'npm run test:sanitizers': '.ci/full',
  'npm run test:threads': '.ci/full',
  'npm test': '.ci/run',
  'npm run setup': 'scripts/test.mjs',
  'npm run build:native': 'scripts/setup.mjs',
  'npm run build:ts': 'scripts/setup.mjs',
  'npm run format': 'scripts/test.mjs',
  'npm run check:libero': '.ci/full',
  'dsrl-native libero': 'test/libero/commands.test.ts',
  'dsrl-native libero setup': 'test/libero/commands.test.ts',
  'dsrl-native libero export --python VENV --out DIR': 'test/libero/commands.test.ts',
  'dsrl-native libero check': 'test/libero/commands.test.ts',
  'dsrl-native debug replay-env': 'test/libero/original.test.ts',
  'dsrl-native debug expert --env libero_spatial': 'test/libero/expert.test.ts',
  'dsrl-native debug demonstrations --out DIR': 'test/libero/demonstrations.test.ts',
  'dsrl-native debug demonstrations --out demonstrations --tasks 0,1,2,3,4,5,6,7,8,9 --episodes 200':
    'test/libero/demonstrations.test.ts',
  'OMP_NUM_THREADS=1 python -m libero_small.train_policy --demonstrations DIR --out ../policies/libero_spatial_small':
    'python/libero_small/test_train_policy.py',
  'node bench/libero_small.mjs --policy DIR --execute 4': 'bench/libero_small.mjs',
  'node bench/libero_ten.mjs': 'bench/libero_ten.mjs',
  'dsrl-native eval libero_spatial_small --policy-only --best-of 32': 'test/train/best_of.test.ts',
  'python libero/compare_replay.py TRACE REPLAY': 'test/libero/original.test.ts',
  'npm run quickstart': '.ci/full',
  'npm run quickstart -- seed=3': '.ci/full',
  'npm run quickstart:libero': '.ci/full',
  'tensorboard --logdir ./logs': 'test/log/tfevents.test.ts',
  'node bench/libero.mjs --write': 'bench/libero.mjs',
  'node bench/tabletop_env.mjs': 'bench/tabletop_env.mjs',
  'node bench/updates.mjs': 'bench/updates.mjs',
  'dsrl-native train libero_spatial_dsrl_openpi env.train.env_type=libero-python env.train.task_suite_name=libero_goal env.eval.env_type=libero-python env.eval.task_suite_name=libero_goal':
    'test/libero/env_type.test.ts',
  'node bench/tokenizers.mjs': 'bench/tokenizers.mjs',
  'python -m unittest discover -s pi0 -t .': 'scripts/test/unittests.py',
  'python -m unittest tabletop.test_tabletop': 'scripts/test/unittests.py',
  'python -m pi0.compare_lerobot': 'python/pi0/compare_lerobot.json',
  'python -m pi0.export --checkpoint DIR --out DIR': 'test/policy/export.test.ts',
  'dsrl-native export pi0': 'test/policy/export.test.ts',
  'python -m pi0.record_lerobot ../test/fixtures/pi0': 'test/fixtures/pi0/recorded.json',
  'python -m pi0.record_pictures ../test/fixtures/pi0/pictures.json':
    'test/fixtures/pi0/pictures.json',
  'python -m tokenizer.record_fixtures --out ../test/fixtures/tokenizer':
    'test/policy/tokenizer.test.ts',
  'python -m tabletop.record_fixtures ../test/fixtures/tabletop':
    'test/envs/tabletop_fixtures.test.ts',
  'OMP_NUM_THREADS=1 python -m tabletop.train_policy --out ../policies/tabletop':
    'policies/tabletop/policy.json',
  'OMP_NUM_THREADS=1 python -m tabletop.preflight --policy ../policies/tabletop':
    'policies/tabletop/preflight.json',
};

const program = join(ROOT, 'bin', 'dsrl-native.js');
const folder = mkdtempSync(join(tmpdir(), 'dsrl-docs-'));
afterAll(() => rmSync(folder, { recursive: true }));

function run(argv: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...argv], {
    cwd: folder,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

beforeAll(() => {
  mkdirSync(join(folder, 'runs'));
  const theirs = readFileSync(join(ROOT, 'configs', 'libero_spatial_dsrl_openpi.yaml'));
  writeFileSync(join(folder, 'my_rlinf_file.yaml'), theirs);
  placeCheckpoints(folder);
});

const documented = new Set(pages().flatMap((page) => commandsOf(readPage(page))));

it('every command of the documents is in the table, and every one of the table in a document', () => {
  const known = [...Object.keys(RUN_HERE), ...Object.keys(RUN_ELSEWHERE)];
  expect([...documented].sort()).toEqual(known.sort());
});

describe('what is run elsewhere is there', () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  it.each(Object.entries(RUN_ELSEWHERE))('`%s` by %s', (command, file) => {
    expect(existsSync(join(ROOT, file))).toBe(true);
    const script = /^npm (?:run )?(\S+)/.exec(command)?.[1];
    if (script !== undefined) expect(scripts).toHaveProperty([script]);
    const started = /^node (\S+)/.exec(command)?.[1];
    if (started !== undefined) expect(existsSync(join(ROOT, started))).toBe(true);
  });
});

describe('what a document shows runs', () => {
  it.each(Object.entries(RUN_HERE))('`%s`', (command, more) => {
    const [, ...argv] = command.split(' ');
    const { status, stdout, stderr } = run([...argv, ...more]);
    expect(status, stderr).toBe(0);
    const out = / --out (\S+)$/.exec(command)?.[1];
    if (out === undefined) expect(stdout).not.toBe('');
    else expect(existsSync(join(folder, out))).toBe(true);
  });
});

it('debug sample gives what LeRobot gave, as docs/pi0.md says', () => {
  const floats = (file: string, name: string) => {
    const data = readSafetensors(join(folder, file)).get(name)?.data as Buffer;
    return Array.from({ length: data.length / 4 }, (_, index) => data.readFloatLE(4 * index));
  };
  const found = floats('actions.safetensors', 'actions');
  const expected = floats('test/fixtures/pi0/cases/0.actions.safetensors', 'openpi.4');
  expect(found).toHaveLength(expected.length);
  const largest = Math.max(...expected.map(Math.abs));
  for (const [index, value] of found.entries()) {
    expect(Math.abs(value - (expected[index] as number))).toBeLessThan(5e-6 * largest);
  }
});

it("docs/pi0.md's program runs on the policy that its commands exported", () => {
  const program = fencedBlocks(readPage('docs/pi0.md')).find((text) => text.includes('import'));
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(ROOT, join(folder, 'node_modules', 'dsrl-native'));
  writeFileSync(join(folder, 'robot.mjs'), program ?? '');
  const ran = spawnSync(process.execPath, ['robot.mjs'], { cwd: folder, encoding: 'utf8' });
  expect(ran.status, ran.stderr).toBe(0);
  expect(ran.stdout).toMatch(/first action \[(?:\s*-?[\d.e-]+,?){7}\s*\]/);
  expect(ran.stdout).toContain('[ 2, 6, 7 ]');
});

it("the quickstart's output is what README shows", () => {
  const shown = fencedBlocks(readPage('README.md')).find((text) => text.includes('base_success'));
  const lines = shown?.trimEnd().split('\n') ?? [];
  const json = lines.pop() ?? '';
  const { status, stdout, stderr } = run(['quickstart', ...SHORT, FEW_EPISODES]);
  expect(status, stderr).toBe(0);

  const result: Record<string, unknown> = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '');
  const keys = [...json.matchAll(/"(\w+)":/g)].map((match) => match[1]);
  expect(keys.length).toBeGreaterThan(3);
  expect(Object.keys(result).slice(0, keys.length)).toEqual(keys);

  const printed = stderr.split('\n').map(shapeOf);
  for (const line of lines) {
    const shape = shapeOf(line.replace(/\s*\.\.\.$/, ''));
    expect(
      printed.some((other) => other.startsWith(shape)),
      `README's line: ${line}`,
    ).toBe(true);
  }
});
