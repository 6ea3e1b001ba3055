import { mkdtempSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  Agent,
  type BackendObservation,
  FrozenPolicy,
  Learner,
  learnerSettings,
  networkSizes,
  Replay,
  Tensor,
} from '../../lib/index.js';
import { SHIPPED } from '../support/policy.js';
import { emptyRows } from '../support/replay-rows.js';
import { configured, root, runtime, Tabletop } from '../support/training.js';

const config = configured();
const sizes = networkSizes(config);
const ROWS = 4;

/** Disposed of after each test: what the collector takes would disturb the counts of the next. */
const made: Tensor[] = [];
afterEach(() => {
  for (const tensor of made.splice(0)) tensor.dispose();
});

function kept<Handle extends Tensor>(tensor: Handle): Handle {
  made.push(tensor);
  return tensor;
}

function parts() {
  const rows = emptyRows(sizes, ROWS, 7);
  const { frame, state } = rows;
  for (const tensor of [frame, state, rows.noise]) kept(tensor);
  const replay = emptyReplay();
  replay.append(rows);
  const backend = new Tabletop(ROWS);
  for (let env = 0; env < ROWS; env++) backend.restore(env, 0, env);
  const moves = new Float32Array(ROWS * 2 * 7).fill(0.5);
  const actions = kept(Tensor.from(runtime, moves, [ROWS, 2, 7]));
  return {
    frame,
    state,
    replay,
    backend,
    actions,
    agent: new Agent(runtime, sizes, 1n),
    learner: new Learner(runtime, learnerSettings(config), 1n),
    policy: FrozenPolicy.load(runtime, SHIPPED),
  };
}

const emptyReplay = () => new Replay(runtime, sizes, 16, ROWS);

let have: ReturnType<typeof parts>;
let folder: string;
beforeEach(() => {
  have = parts();
  folder = mkdtempSync(join(root, 'signal-'));
});

type Call = (options: { signal?: AbortSignal }) => Promise<unknown>;

/** A call that writes nothing, and one that brings a file or a folder. */
const CALLS: [string, Call][] = [
  ['Agent.act', (o) => have.agent.act(have, { step: 3, deterministic: true, ...o })],
  ['Learner.finite', (o) => have.learner.finite(o)],
  ['Learner.saveAgent', (o) => have.learner.saveAgent(join(folder, 'agent'), o)],
  ['Learner.saveTarget', (o) => have.learner.saveTarget(join(folder, 'target'), o)],
  ['Learner.saveOptimizer', (o) => have.learner.saveOptimizer(join(folder, 'moments'), o)],
  ['Replay.save', (o) => have.replay.save(folder, '', o)],
  ['FrozenPolicy.parameterChecksums', (o) => have.policy.parameterChecksums(o)],
  ['FrozenPolicy.open', (o) => FrozenPolicy.open(runtime, SHIPPED, o)],
];

/** A tensor's values; what else there is as it is. */
const shown = (result: unknown) => (result instanceof Tensor ? [...kept(result).read()] : result);

describe.each(CALLS)('%s', (_, call) => {
  test('starts nothing where the signal is aborted already', async () => {
    const { tensors } = runtime.memory();
    const signal = AbortSignal.abort(); // with the platform's own reason
    await expect(call({ signal })).rejects.toBe(signal.reason);
    await have.learner.finite(); // whatever stood in a queue is done
    await have.agent.act(have, { step: 0 }).then((noise) => noise.dispose());
    expect(readdirSync(folder)).toEqual([]);
    expect(runtime.memory().tensors).toBe(tensors);
  });

  test('rejects with the reason, keeps nothing, and works as before the next time', async () => {
    const expected = shown(await call({}));
    const { tensors } = runtime.memory();
    const { signal, abort } = control();
    const rejected = expect(call({ signal })).rejects.toBe('reason');
    abort('reason');
    await rejected;
    expect(runtime.memory().tensors).toBe(tensors);
    const again = shown(await call({}));
    if (!(again instanceof FrozenPolicy)) expect(again).toEqual(expected);
  });

  test('takes no notice of an abort that comes after it', async () => {
    const { signal, abort } = control();
    const result = shown(await call({ signal }));
    abort('late');
    const again = shown(await call({}));
    if (!(again instanceof FrozenPolicy)) expect(again).toEqual(result);
  });
});

function control() {
  const controller = new AbortController();
  return { signal: controller.signal, abort: (reason: string) => controller.abort(reason) };
}

/** Aborts as soon as the call has begun; what it rejects with. */
async function interrupted(call: Call): Promise<unknown> {
  const { signal, abort } = control();
  const called = call({ signal }).then(
    () => 'it was not',
    (reason: unknown) => reason,
  );
  abort('stop');
  return called;
}

test('a file whose writing was aborted is whole', async () => {
  const file = join(folder, 'agent');
  expect(await interrupted((o) => have.learner.saveAgent(file, o))).toBe('stop');
  expect(readdirSync(folder)).toEqual(['agent']);
  have.learner.loadAgent(file); // which checks every size in it
});

test('a replay that was aborted while it was saved, or restored, is whole', async () => {
  expect(await interrupted((o) => have.replay.save(folder, '', o))).toBe('stop');
  const copy = emptyReplay();
  expect(await interrupted((o) => copy.load(folder, o))).toBe('stop');
  expect([copy.size, copy.total]).toEqual([ROWS, ROWS]);

  const other = emptyReplay();
  const aborted = other.load(folder, { signal: AbortSignal.abort('before') });
  await expect(aborted).rejects.toBe('before');
  expect(other.size).toBe(0);
  await other.load(folder);
  expect(other.size).toBe(ROWS);
});

test('of a chunk nothing moves, or all of it is answered', async () => {
  const { backend, actions } = have;
  const limit = new Int32Array(ROWS).fill(2);
  const states = ({ images, state }: BackendObservation) => {
    for (const tensor of [state, ...Object.values(images)]) kept<Tensor>(tensor);
    return [...state.read()];
  };
  const where = () => states(backend.observe());
  const before = where();
  const never = backend.stepChunk(actions, limit, { signal: AbortSignal.abort('before') });
  await expect(never).rejects.toBe('before');
  expect(where()).toEqual(before);

  const { signal, abort } = control();
  const stepping = backend.stepChunk(actions, limit, { signal });
  abort('meanwhile');
  const { executed, observation } = await stepping;
  expect([...executed]).toEqual([2, 2, 2, 2]);
  expect(where()).toEqual(states(observation));
  expect(where()).not.toEqual(before);
});

test('updates stop between two of them, and what was done is told', async () => {
  const signal = AbortSignal.abort('before');
  expect(await have.learner.update(2, have.replay, { signal })).toEqual([]);
  expect(have.learner.updates).toBe(0);
});
