import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readContract } from '../../lib/policy/artefact.js';
import { findPython } from '../support/python.js';

const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const program = path('bin/dsrl-native.js');
const fixtures = path('test/fixtures/pi0');
const tokenizers = path('test/fixtures/tokenizer');
const folder = mkdtempSync(join(tmpdir(), 'dsrl-export-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** `dsrl-native export pi0`, in a folder of its own. */
function run(...argv: string[]) {
  const words = [program, 'export', 'pi0', '--python', findPython(), ...argv];
  const { status, stdout, stderr } = spawnSync(process.execPath, words, {
    cwd: folder,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

describe('an exported checkpoint', () => {
  const lerobot = join(folder, 'lerobot');
  const openpi = join(folder, 'openpi');

  beforeAll(() => {
    for (const [checkpoint, out, tokenizer] of [
      ['lerobot', lerobot, 'small.json'],
      ['openpi', openpi, 'small.model'],
    ] as const) {
      const options = ['--out', out, '--tokenizer', join(tokenizers, tokenizer)];
      const { status, stdout, stderr } = run(
        '--checkpoint',
        join(fixtures, checkpoint),
        ...options,
      );
      expect({ status, stdout }, stderr).toEqual({ status: 0, stdout: `${out}\n` });
    }
  });

  test('has a policy.json that the package reads', () => {
    const { provenance, sha256, prompts, ...contract } = readContract(lerobot);
    expect(contract).toMatchObject({
      name: 'lerobot',
      horizon: 6,
      state_dim: 8,
      action_dim: 7,
      precision: 'float32',
      rope: 'f32',
      attention: 'sdpa',
      cameras: ['main', 'wrist'],
      image_resize: 'lerobot',
      time_convention: 'double',
      delta_action_mask: null,
      tokenizer: { kind: 'tokenizers', file: 'tokenizer.json', convention: 'lerobot' },
    });
    expect(provenance).toMatchObject({ layout: 'lerobot', sizes: { language_width: 48 } });
    expect(sha256).toHaveProperty('source');
    expect(Object.keys(prompts)).toHaveLength(10);
    const other = readContract(openpi);
    expect(other).toMatchObject({
      image_resize: 'openpi',
      time_convention: 'float32',
      masked_cameras: ['right_wrist_0_rgb'],
      delta_action_mask: [true, true, true, true, true, true, false],
      tokenizer: { kind: 'sentencepiece', convention: 'openpi' },
    });
    const prompt = 'pick up the black bowl on the stove and place it on the plate';
    expect(other.prompt_lengths[prompt]).toBeGreaterThan(3);
    expect(other.prompts[prompt]?.[0]).toBe(2); // begin of sentence
  });
});

describe('the command', () => {
  test('records the prompts of a file', () => {
    writeFileSync(join(folder, 'prompts.txt'), 'open the drawer\n\nclose it\r\n');
    const checkpoint = join(folder, 'with-tokenizer');
    cpSync(join(fixtures, 'openpi'), checkpoint, { recursive: true });
    cpSync(join(tokenizers, 'small.model'), join(checkpoint, 'paligemma_tokenizer.model'));
    const out = join(folder, 'own-prompts');
    const { status, stderr } = run(
      '--checkpoint',
      checkpoint,
      '--out',
      out,
      '--prompts',
      'prompts.txt',
    );
    expect({ status }, stderr).toEqual({ status: 0 });
    expect(Object.keys(readContract(out).prompts)).toEqual(['open the drawer', 'close it']);
  });

  test('passes its options on, and without a tokenizer says where one is to be put', () => {
    const words = ['--dtype', 'bf16', '--rope', 'bf16', '--attn', 'eager', '--horizon', '9'];
    const robot = ['--robot', 'droid', '--num-steps', '4', '--cameras', 'a=base_0_rgb'];
    const out = join(folder, 'options');
    const { status, stderr } = run(
      ...['--checkpoint', join(fixtures, 'openpi'), '--out', out, ...words, ...robot],
    );
    expect({ status }, stderr).toEqual({ status: 0 });
    expect(readContract(out)).toMatchObject({
      precision: 'bfloat16',
      rope: 'bf16',
      attention: 'eager',
      horizon: 9,
      num_steps: 4,
      action_dim: 8,
      cameras: ['a'],
      delta_action_mask: null,
      prompts: {},
    });
    expect(stderr).toContain(join(out, 'paligemma_tokenizer.model'));
  });

  writeFileSync(join(folder, 'bad.model'), 'pieces');
  writeFileSync(join(folder, 'three.txt'), 'one\ntwo\nthree\n');
  const openpi = ['--checkpoint', join(fixtures, 'openpi')];

  test.each([
    { argv: ['--checkpoint', 'none', '--out', 'o'], status: 2, words: ['none', '_POLICY_MISSING'] },
    {
      argv: [...openpi, '--out', 'o', '--delta-actions', '9'],
      status: 2,
      words: ['--delta-actions 9', '_CONFIG_EXPORT'],
    },
    { argv: ['--out', 'o'], status: 2, words: ['--checkpoint is missing', 'USAGE'] },
    { argv: ['--checkpoint', '.'], status: 2, words: ['--out is missing'] },
    {
      argv: ['--checkpoint', '.', '--out', 'o', '--dtype', 'f16'],
      status: 2,
      words: ['bf16, f32'],
    },
    {
      argv: ['--checkpoint', '.', '--out', 'o', '--horizon', '0'],
      status: 2,
      words: ['at least 1'],
    },
    { argv: ['--checkpoint', '.', '--out', 'o', '--cameras', 'a'], status: 2, words: ['a: obs'] },
    { argv: ['--checkpoint', '.', '--out', 'o', '--prompts', 'no'], status: 2, words: ['no such'] },
    { argv: ['--checkpoint', '.', '--out', 'o', '--prompts', '.'], status: 2, words: ['no such'] },
    {
      argv: [...openpi, '--out', 'o', '--prompts', 'three.txt'],
      status: 2,
      words: ['three.txt', 'paligemma_tokenizer.model', '--tokenizer FILE'],
    },
    {
      argv: [...openpi, '--out', 'o', '--tokenizer', 'bad.model'],
      status: 2,
      words: ['bad.model', '_POLICY_TOKENIZER', 'gs://big_vision'],
    },
    {
      argv: [...openpi, '--out', 'bad.model/o'],
      status: 3,
      words: ['bad.model', '_EXPORT_FILES', '--out'],
    },
    { argv: [...openpi, '--out', '.'], status: 2, words: [folder, '_POLICY_EXISTS'] },
    { argv: ['pi05', '--checkpoint', '.', '--out', 'o'], status: 2, words: ['pi05'] },
    { argv: ['--checkpoint', '.', '--out', 'o', '--robots', 'x'], status: 2, words: ['--robot'] },
    {
      argv: ['--checkpoint', '.', '--out', 'o', '--python', 'nowhere'],
      status: 3,
      words: ['no nowhere', '--python', 'torch==', 'ERR_DSRL_EXPORT_PYTHON'],
    },
  ])('refuses $argv', ({ argv, status, words }) => {
    const result = run(...argv);
    expect({ status: result.status, stdout: result.stdout }, result.stderr).toEqual({
      status,
      stdout: '',
    });
    for (const word of words) expect(result.stderr).toContain(word);
    expect(existsSync(join(folder, 'o'))).toBe(false);
  });

  test('stopped by a signal it leaves nothing behind', async () => {
    const place = mkdtempSync(join(folder, 'stopped-'));
    const words = ['--checkpoint', join(fixtures, 'openpi'), '--out', join(place, 'policy')];
    const child = spawn(
      process.execPath,
      [program, 'export', 'pi0', '--python', findPython(), ...words],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let said = '';
    child.stderr.on('data', (data) => {
      // The folder is being written from here on.
      if (!said.includes('parameters') && `${said}${data}`.includes('parameters')) child.kill();
      said += data;
    });
    const [status] = await once(child, 'close');
    expect({ status }, said).toEqual({ status: 143 });
    expect(readdirSync(place)).toEqual([]);
  });
});
