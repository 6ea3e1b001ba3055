import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inputsOf, reference, replayUpdates } from './support/replay_updates.js';
import { type RawTensor, readSafetensors, writeSafetensors } from './support/safetensors.js';

const work = mkdtempSync(join(tmpdir(), 'replay-updates-command-'));
const base = join(work, 'base');
const weightFiles = ['agent_after', 'target_after', 'optimizer_after'].map(
  (name) => `${name}.safetensors`,
);

beforeAll(async () => {
  await reference('make_case', '--out', work, '--only', 'base', 'no_images');
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

let copies = 0;
/** A copy of a case whose config is extended. */
function copyOf(folder: string, config: Record<string, unknown> = {}): string {
  copies += 1;
  const copy = join(work, `copy-${copies}`);
  cpSync(folder, copy, { recursive: true });
  const file = join(copy, 'config.json');
  const known = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  writeFileSync(file, JSON.stringify({ ...known, ...config }));
  return copy;
}

/** Runs the command, which has to succeed, and returns the folder of its outputs. */
async function outputOf(inputs: string[], ...options: string[]): Promise<string> {
  copies += 1;
  const out = join(work, `out-${copies}`);
  const { status, stderr } = await replayUpdates(...inputs, '--out', out, ...options);
  expect(status, stderr).toBe(0);
  return out;
}

function metricsOf(out: string): Record<string, number>[] {
  const lines = readFileSync(join(out, 'metrics.jsonl'), 'utf8').trimEnd().split('\n');
  return lines.filter(Boolean).map((line) => JSON.parse(line) as Record<string, number>);
}

function expectSameBytes(found: string, expected: string, files: string[]): void {
  for (const file of files) {
    const same = readFileSync(join(found, file)).equals(readFileSync(join(expected, file)));
    expect(same, `${file} has the same bytes`).toBe(true);
  }
}

describe('what it writes', () => {
  it('is the same, byte for byte, in two runs', async () => {
    const first = await outputOf(inputsOf(base), '--limit', '4');
    const second = await outputOf(inputsOf(base), '--limit', '4');
    expectSameBytes(second, first, [...weightFiles, 'metrics.jsonl']);
  });

  const counted = { train_actor_steps: 7, target_update_freq: 3 };
  it.each([
    { about: 'counters', folder: 'base', config: counted, first: 5 },
    { about: 'fixed_alpha', folder: 'no_images', config: { alpha_type: 'fixed_alpha' }, first: 4 },
  ])('is the same when K updates are followed by the rest: $about', async (given) => {
    const folder = copyOf(join(work, given.folder), given.config);
    const k = String(given.first);
    const inputs = inputsOf(folder);
    const whole = await outputOf(inputs);
    const head = await outputOf(inputs, '--limit', k);
    const [agent, target, optimizer] = weightFiles.map((file) => join(head, file)) as [
      string,
      string,
      string,
    ];
    const rest = await outputOf([
      ...['--agent', agent, '--target', target, '--optimizer', optimizer, '--first', k],
      ...['--batches', join(folder, 'batches'), '--config', join(folder, 'config.json')],
    ]);
    expectSameBytes(rest, whole, weightFiles);
    expect(metricsOf(whole)).toHaveLength(20);
    expect([...metricsOf(head), ...metricsOf(rest)]).toEqual(metricsOf(whole));
  });

  it('has only the keys of the steps that were done', async () => {
    const folder = copyOf(base, { train_actor_steps: 1, alpha_type: 'fixed_alpha' });
    const [critic, both] = metricsOf(await outputOf(inputsOf(folder), '--limit', '2'));
    const always = ['update', 'critic_loss', 'target_q', 'q_data', 'critic_grad_norm', 'alpha'];
    expect(Object.keys(critic ?? {}).sort()).toEqual([...always].sort());
    const heads = Array.from({ length: 10 }, (_, head) => `q_value_${head}`);
    const actor = ['actor_grad_norm', 'actor_loss', 'entropy', 'q_pi', ...heads];
    expect(Object.keys(both ?? {}).sort()).toEqual([...always, ...actor].sort());
  });

  it('leaves base_alpha alone under fixed_alpha', async () => {
    const folder = copyOf(base, { alpha_type: 'fixed_alpha', initial_alpha: 0.25 });
    const out = await outputOf(inputsOf(folder), '--limit', '2');
    const name = 'entropy_temp.base_alpha';
    const before = readSafetensors(join(folder, 'agent.safetensors')).get(name);
    expect(readSafetensors(join(out, 'agent_after.safetensors')).get(name)).toEqual(before);
    expect(metricsOf(out).map(({ alpha }) => alpha)).toEqual([0.25, 0.25]);
  });

  it('has no entropy in the loss where alpha is fixed at 0', async () => {
    const folder = copyOf(base, { alpha_type: 'fixed_alpha', initial_alpha: 0 });
    const rows = metricsOf(await outputOf(inputsOf(folder), '--limit', '2'));
    expect(rows.map(({ alpha }) => alpha)).toEqual([0, 0]);
    for (const { actor_loss, q_pi } of rows) expect(actor_loss).toBeCloseTo(-(q_pi as number), 5);
  });

  it('asks for no layers where there are no images', async () => {
    const inputs = inputsOf(join(work, 'no_images'));
    const none = { image_channels: [], image_kernels: [], image_strides: [] };
    const bare = inputsOf(copyOf(join(work, 'no_images'), none));
    const [given, empty] = [await outputOf(inputs), await outputOf(bare)];
    expectSameBytes(empty, given, [...weightFiles, 'metrics.jsonl']);
  });

  it('writes numbers in no more digits than reading them back needs', async () => {
    const out = await outputOf(inputsOf(base), '--limit', '3');
    const digits = (literal: string) =>
      literal
        .replace(/e.*$/i, '')
        .replace(/\D/g, '')
        .replace(/^0+|0+$/g, '').length;
    const text = readFileSync(join(out, 'metrics.jsonl'), 'utf8');
    const literals = [...text.matchAll(/:\s*(-?[\d.]+(?:e[-+]?\d+)?)/gi)].map((match) => match[1]);
    expect(literals.length).toBeGreaterThan(50);
    for (const literal of literals as string[]) {
      expect(digits(literal), literal).toBeLessThanOrEqual(digits(String(Number(literal))));
    }
  });
});

type Tensors = Map<string, RawTensor>;

/** Rewrites one tensor file of a case. */
function edit(folder: string, file: string, change: (tensors: Tensors) => void): void {
  const path = join(folder, file);
  const tensors = readSafetensors(path);
  change(tensors);
  writeSafetensors(path, tensors);
}

function get(tensors: Tensors, name: string): RawTensor {
  const tensor = tensors.get(name);
  if (!tensor) throw new Error(`the case has no ${name}`);
  return tensor;
}

const shape = (...sizes: number[]) => new RegExp(sizes.join('\\s*[,x×]\\s*'));

describe('bad input ends in exit code 2 and a message that names the thing', () => {
  interface Spoiled {
    about: string;
    spoil(folder: string): void;
    names: (string | RegExp)[];
  }
  const inAgent = (change: (tensors: Tensors) => void) => (folder: string) =>
    edit(folder, 'agent.safetensors', change);
  const inBatch = (change: (tensors: Tensors) => void) => (folder: string) =>
    edit(folder, 'batches/batch_02.safetensors', change);
  const inConfig = (changes: Record<string, unknown>) => (folder: string) => {
    const file = join(folder, 'config.json');
    const known = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
    writeFileSync(file, JSON.stringify({ ...known, ...changes }));
  };
  const bias = 'q_head.q_heads.3.net.6.bias';
  const stateWeight = 'actor_state_encoder.encoder.0.weight';

  it.each<Spoiled>([
    {
      about: 'a missing tensor of the agent',
      spoil: inAgent((tensors) => tensors.delete(bias)),
      names: ['agent.safetensors', bias],
    },
    {
      about: 'an unknown tensor of the agent',
      spoil: inAgent((tensors) => tensors.set('q_head.q_heads.10.bias', get(tensors, bias))),
      names: ['agent.safetensors', 'q_head.q_heads.10.bias'],
    },
    {
      about: 'a misshapen tensor of the agent',
      spoil: inAgent((tensors) => {
        get(tensors, stateWeight).shape.reverse();
      }),
      names: ['agent.safetensors', stateWeight, shape(12, 8), shape(8, 12)],
    },
    {
      about: 'a wrong dtype in the agent',
      spoil: inAgent((tensors) => {
        const { shape, data } = get(tensors, bias);
        tensors.set(bias, { dtype: 'I64', shape, data: Buffer.concat([data, data]) });
      }),
      names: ['agent.safetensors', bias, 'F32', 'I64'],
    },
    {
      about: 'a misshapen tensor of the target',
      spoil: (folder) =>
        edit(folder, 'target.safetensors', (tensors) => {
          get(tensors, bias).shape = [1, 16];
        }),
      names: ['target.safetensors', bias, shape(1, 16)],
    },
    {
      about: 'a tensor of the actor in the target',
      spoil: (folder) =>
        edit(folder, 'target.safetensors', (tensors) => {
          tensors.set('actor_state_encoder.encoder.0.bias', get(tensors, bias));
        }),
      names: ['target.safetensors', 'actor_state_encoder.encoder.0.bias'],
    },
    {
      about: 'a missing tensor of a batch',
      spoil: inBatch((tensors) => tensors.delete('eps_pi')),
      names: ['batch_02.safetensors', 'eps_pi'],
    },
    {
      about: 'an unknown tensor in a batch',
      spoil: inBatch((tensors) => tensors.set('reward', get(tensors, 'rewards'))),
      names: ['batch_02.safetensors', /\breward\b/],
    },
    {
      about: 'a wrong dtype in a batch',
      spoil: inBatch((tensors) => {
        tensors.set('steps', { ...get(tensors, 'rewards') });
      }),
      names: ['batch_02.safetensors', 'steps', 'I64', 'F32'],
    },
    {
      about: 'an end that is neither told nor denied',
      spoil: inBatch((tensors) => {
        const { dtype, shape, data } = get(tensors, 'terminated');
        tensors.set('terminated', { dtype, shape, data: Buffer.from(data).fill(2, 3, 4) });
      }),
      names: ['batch_02.safetensors', 'terminated', 'neither 0 nor 1'],
    },
    {
      about: 'a chunk of less than no steps',
      spoil: inBatch((tensors) => {
        const { dtype, shape, data } = get(tensors, 'steps');
        const changed = Buffer.from(data);
        changed.writeBigInt64LE(-1n, 0);
        tensors.set('steps', { dtype, shape, data: changed });
      }),
      names: ['batch_02.safetensors', 'steps', 'below 0'],
    },
    {
      about: 'a temperature of 0 that is to be learned',
      spoil: inConfig({ initial_alpha: 0 }),
      names: ['initial_alpha', 'fixed_alpha'],
    },
    {
      about: 'rows of unequal number',
      spoil: inBatch((tensors) => {
        const { dtype, data } = get(tensors, 'rewards');
        tensors.set('rewards', { dtype, shape: [11], data: data.subarray(0, 44) });
      }),
      names: ['batch_02.safetensors', '11', '12'],
    },
    {
      about: 'a truncated file',
      spoil: (folder) => truncateSync(join(folder, 'agent.safetensors'), 1000),
      names: ['agent.safetensors'],
    },
    { about: 'an unknown config key', spoil: inConfig({ gama: 0.9 }), names: ['gama'] },
    { about: 'a config value of the wrong type', spoil: inConfig({ tau: 'x' }), names: ['tau'] },
    { about: 'an unknown aggregation', spoil: inConfig({ agg_q: 'max' }), names: ['agg_q', 'max'] },
    {
      about: 'lists of unequal length',
      spoil: inConfig({ image_strides: [2, 1, 1] }),
      names: ['image_strides'],
    },
    {
      about: 'a kernel of five',
      spoil: inConfig({ image_kernels: [5, 3, 3, 3] }),
      names: ['image_kernels', '5'],
    },
    {
      about: 'a config that is not JSON',
      spoil: (folder) => writeFileSync(join(folder, 'config.json'), '{"tau": '),
      names: ['config.json'],
    },
    {
      about: 'an agent that is not there',
      spoil: (folder) => rmSync(join(folder, 'agent.safetensors')),
      names: ['agent.safetensors'],
    },
    {
      about: 'a folder without batches',
      spoil: (folder) => {
        rmSync(join(folder, 'batches'), { recursive: true });
        mkdirSync(join(folder, 'batches'));
      },
      names: ['batches'],
    },
  ])('$about', async ({ spoil, names }) => {
    const folder = copyOf(base);
    const inputs = inputsOf(folder);
    spoil(folder);
    const out = join(folder, 'out');
    const { status, stdout, stderr } = await replayUpdates(...inputs, '--out', out);
    expect({ status, stdout }, stderr).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(/ERR_DSRL_[A-Z_]+/);
    for (const name of names) expect(stderr).toMatch(name);
    const written = existsSync(out) ? readdirSync(out) : [];
    expect(written.filter((file) => file.endsWith('.safetensors'))).toEqual([]);
  });

  it.each([
    ['a missing option', ['--batches', 'b', '--config', 'c', '--out', 'o'], '--agent'],
    ['an unknown option', ['--learning-rate', '1'], '--learning-rate'],
    ['a limit below zero', ['--limit', '-1'], '--limit'],
    ['a first that is not a number', ['--first', 'two'], '--first'],
    ['more threads than there can be', ['--threads', '100000'], '1024'],
  ])('%s', async (_, options, name) => {
    const inputs = options.includes('--batches')
      ? []
      : [...inputsOf(base), '--out', join(work, 'o')];
    const { status, stderr } = await replayUpdates(...inputs, ...options);
    expect(status, stderr).toBe(2);
    expect(stderr).toContain(name);
  });
});

describe('a loss that is not finite ends in exit code 4', () => {
  function put(tensor: RawTensor, value: number): void {
    // The reader's buffers are views of the file's bytes: change a copy.
    tensor.data = Buffer.from(tensor.data);
    tensor.data.writeFloatLE(value, 8);
  }

  it.each([
    ['an infinite reward', 'rewards', Number.POSITIVE_INFINITY],
    ['a state that is not a number', 'states', Number.NaN],
  ])('after %s, with all files as before that update', async (_, name, value) => {
    const folder = copyOf(base);
    const sound = await outputOf(inputsOf(folder), '--limit', '3');
    edit(folder, 'batches/batch_03.safetensors', (tensors) => put(get(tensors, name), value));
    const out = join(folder, 'out');
    const { status, stderr } = await replayUpdates(...inputsOf(folder), '--out', out);
    expect(status, stderr).toBe(4);
    expect(stderr).toMatch(/ERR_DSRL_[A-Z_]+/);
    expect(stderr).toMatch(/\b3\b/);
    expectSameBytes(out, sound, [...weightFiles, 'metrics.jsonl']);
  });

  it('after a step into the void, with the weights that were given', async () => {
    const folder = copyOf(base, { critic_lr: 1e30 });
    const out = join(folder, 'out');
    const { status, stderr } = await replayUpdates(...inputsOf(folder), '--out', out);
    expect(status, stderr).toBe(4);
    expect(metricsOf(out)).toEqual([]);
    for (const kind of ['agent', 'target']) {
      const given = readSafetensors(join(folder, `${kind}.safetensors`));
      const after = readSafetensors(join(out, `${kind}_after.safetensors`));
      expect([...after.keys()].sort()).toEqual([...given.keys()].sort());
      for (const [name, tensor] of given) {
        expect(after.get(name)?.data.equals(tensor.data), name).toBe(true);
      }
    }
  });
});
