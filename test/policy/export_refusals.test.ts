import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { main } from '../../lib/cli/main.js';
import { findPython } from '../support/python.js';
import { type RawTensor, readSafetensors, writeSafetensors } from '../support/safetensors.js';

// Checkpoints that `export pi0` must not take, through the command: what each reader says in detail
// is python/pi0/test_*.py's.

const fixtures = fileURLToPath(new URL('../fixtures/pi0', import.meta.url));
const root = mkdtempSync(join(tmpdir(), 'dsrl-refusals-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const WEIGHTS = 'model.safetensors';
const EXPERT = 'paligemma_with_expert.gemma_expert.model.layers.0';

/** A copy of openpi's fixture. */
function copied(): string {
  const folder = mkdtempSync(join(root, 'openpi-'));
  cpSync(join(fixtures, 'openpi'), folder, { recursive: true });
  return folder;
}

/** The same with other tensors. */
function rewritten(change: (tensors: Map<string, RawTensor>) => void): string {
  const folder = copied();
  const tensors = readSafetensors(join(folder, WEIGHTS));
  change(tensors);
  writeSafetensors(join(folder, WEIGHTS), tensors);
  return folder;
}

/** A folder whose weights have these names alone. */
function named(...names: string[]): string {
  const folder = mkdtempSync(join(root, 'named-'));
  const one = { dtype: 'F32', shape: [1], data: Buffer.alloc(4) };
  writeSafetensors(join(folder, WEIGHTS), new Map(names.map((name) => [name, one])));
  return folder;
}

/** A copy whose file of weights was spoilt. */
function spoilt(spoil: (file: string, bytes: Buffer) => void): string {
  const folder = copied();
  const file = join(folder, WEIGHTS);
  spoil(file, readFileSync(file));
  return folder;
}

/** A copy with another config.json. */
function edited(changes: object): string {
  const folder = copied();
  const file = join(folder, 'config.json');
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), ...changes }));
  return folder;
}

const two = (): RawTensor => ({ dtype: 'F32', shape: [2], data: Buffer.alloc(8) });

/** The command on a checkpoint; what it printed to stderr. */
async function refusal(checkpoint: string): Promise<string> {
  const place = mkdtempSync(join(root, 'out-'));
  const printed = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  try {
    const words = ['--python', findPython(), '--checkpoint', checkpoint];
    const code = await main(['export', 'pi0', ...words, '--out', join(place, 'policy')]);
    const stderr = printed.mock.calls.map(([text]) => String(text)).join('');
    expect(code, stderr).toBe(2);
    expect(readdirSync(place)).toEqual([]);
    return stderr;
  } finally {
    printed.mockRestore();
  }
}

describe('what is damaged is refused, and named', () => {
  test.each<[string, () => string, string[]]>([
    [
      'missing and extra tensors, and one of another shape: all of them',
      () =>
        rewritten((tensors) => {
          tensors.delete(`${EXPERT}.mlp.up_proj.weight`);
          tensors.delete('action_out_proj.bias');
          tensors.set('state_proj.lora_A', two());
          tensors.set('mystery', two());
          tensors.set('state_proj.bias', two());
        }),
      [
        'missing: gemma_expert.layers.0.mlp.up_proj.weight',
        'missing: action_out_proj.bias',
        'extra: state_proj.lora_A',
        'extra: mystery',
        'wrong shape: state_proj.bias [2], [32]',
        'ERR_DSRL_POLICY_TENSORS',
      ],
    ],
    [
      'one tensor under two spellings',
      () => rewritten((tensors) => tensors.set('model.state_proj.bias', two())),
      ['two spellings', 'state_proj.bias and model.state_proj.bias', 'ERR_DSRL_POLICY_TENSORS'],
    ],
    [
      'weights that are no numbers',
      () =>
        rewritten((tensors) => {
          const weight = tensors.get('state_proj.weight') as RawTensor;
          const data = Buffer.from(weight.data);
          data.writeFloatLE(Number.NaN, 40);
          tensors.set('state_proj.weight', { ...weight, data });
        }),
      ['not finite: state_proj.weight', 'ERR_DSRL_POLICY_TENSORS'],
    ],
    [
      'a file that is cut off',
      () => spoilt((file, bytes) => truncateSync(file, bytes.length - 7)),
      [WEIGHTS, 'download it again', 'ERR_DSRL_POLICY_DAMAGED'],
    ],
    [
      'a header that would be longer than the file',
      () =>
        spoilt((file, bytes) => {
          bytes.writeBigUInt64LE(2n ** 62n, 0);
          writeFileSync(file, bytes);
        }),
      [WEIGHTS, '4611686018427387904 bytes', 'ERR_DSRL_POLICY_DAMAGED'],
    ],
    [
      'a header whose shape is not that of its bytes',
      () =>
        spoilt((file, bytes) => {
          const at = bytes.indexOf('"shape":[32]');
          bytes.write('"shape":[64]', at);
          writeFileSync(file, bytes);
        }),
      [WEIGHTS, 'F32 [64] takes 256 bytes', 'ERR_DSRL_POLICY_DAMAGED'],
    ],
    [
      'a horizon of 0',
      () => edited({ action_horizon: 0 }),
      ['action_horizon is 0', '--horizon', 'ERR_DSRL_CONFIG_EXPORT'],
    ],
    [
      'no statistics: the paths that were searched',
      () => {
        const folder = copied();
        rmSync(join(folder, 'assets'), { recursive: true });
        return folder;
      },
      [
        ...['assets/', ''].flatMap((place) =>
          ['', '*/', '*/*/'].map((depth) => `/${place}${depth}norm_stats.json\n`),
        ),
        '--norm-stats',
        'ERR_DSRL_POLICY_STATISTICS',
      ],
    ],
  ])('%s', async (_, make, words) => {
    const stderr = await refusal(make());
    for (const word of words) expect(stderr).toContain(word);
  });
});

test('what is known and not converted is refused by name, with what to type', async () => {
  const names = ['model.state_proj.weight', 'normalize_inputs.buffer_observation_state.mean'];
  const stderr = await refusal(named(...names));
  expect(stderr).toContain('a LeRobot folder from before the processor files');
  expect(stderr).toContain('ERR_DSRL_POLICY_LAYOUT');
  expect(stderr).toContain('\n    python -m lerobot.processor.migrate_policy_normalization ');
});
