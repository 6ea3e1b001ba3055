/** Handles that are disposed of: what becomes of later calls, of calls under way, and of memory. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  Agent,
  type AgentObservation,
  Learner,
  learnerSettings,
  networkSizes,
  Replay,
  Tensor,
} from '../../lib/index.js';
import { openSession } from '../../lib/train/session.js';
import { isLinux, reserved, threads } from '../support/process-memory.js';
import { emptyRows, zeros } from '../support/replay-rows.js';
import {
  configured,
  ENVS,
  failure,
  root,
  runtime,
  Tabletop,
  training,
} from '../support/training.js';

const config = configured();
const sizes = networkSizes(config);
const rows = emptyRows(sizes, ENVS);
const seen: AgentObservation = rows;
const actions = zeros(ENVS, 2, 7);
const limit = new Int32Array(ENVS).fill(2);
const folder = () => mkdtempSync(join(root, 'dispose-'));

function filled(): Replay {
  const replay = new Replay(runtime, sizes, 64, ENVS);
  for (let step = 0; step < 4; step++) replay.append(rows);
  return replay;
}
function restored(): Tabletop {
  const backend = new Tabletop();
  for (let env = 0; env < ENVS; env++) backend.restore(env, 0, env);
  return backend;
}
const newAgent = () => new Agent(runtime, sizes, 1n);
const newLearner = () => new Learner(runtime, learnerSettings(config), 1n);

/** What may be asked of a handle, and its answer when it was disposed of meanwhile. */
const KINDS: [string, () => Disposable, ((handle: never) => unknown)[]][] = [
  [
    'Agent',
    newAgent,
    [
      (it: Agent) => it.act(seen, { step: 0 }),
      (it: Agent) => it.load('nowhere', 1),
      (it: Agent) => it.version,
      (it: Agent) => newLearner().publish(it),
    ],
  ],
  [
    'Replay',
    filled,
    [
      (it: Replay) => it.append(rows),
      (it: Replay) => it.size,
      (it: Replay) => it.total,
      (it: Replay) => it.capacity,
      (it: Replay) => it.save(folder()),
      (it: Replay) => it.load('nowhere'),
      (it: Replay) => newLearner().update(1, it),
    ],
  ],
  [
    'Learner',
    newLearner,
    [
      (it: Learner) => it.update(1, filled()),
      (it: Learner) => it.publish(newAgent()),
      (it: Learner) => it.finite(),
      (it: Learner) => it.updates,
      (it: Learner) => Object.assign(it, { updates: 3 }),
      (it: Learner) => it.parameterCounts,
      (it: Learner) => it.updateFromFile('nowhere'),
      (it: Learner) => it.saveAgent(join(folder(), 'agent')),
      (it: Learner) => it.loadAgent('nowhere'),
      (it: Learner) => it.resetTarget(),
    ],
  ],
  [
    'TabletopBackend',
    restored,
    [
      (it: Tabletop) => it.numEnvs,
      (it: Tabletop) => it.numTasks,
      (it: Tabletop) => it.numTrials,
      (it: Tabletop) => it.actionDim,
      (it: Tabletop) => it.restore(0, 0, 0),
      (it: Tabletop) => it.observe(),
      (it: Tabletop) => it.stepChunk(actions, limit),
      (it: Tabletop) => it.interior(0),
      (it: Tabletop) => it.saveState(),
      (it: Tabletop) => it.loadState(new Float64Array(1)),
    ],
  ],
];

test.each(KINDS)(
  '%s: dispose may be called again, and every later call says so',
  async (_, make, calls) => {
    const handle = make();
    handle[Symbol.dispose]();
    handle[Symbol.dispose]();
    for (const call of calls) {
      const error = await failure((async () => call(handle as never))());
      expect([call.toString(), error.code]).toEqual([call.toString(), 'ERR_DSRL_DISPOSED']);
      expect(error.hint).toContain('dispose of it behind the last call');
    }
  },
);

describe('a call that is under way ends as if nothing had happened', () => {
  const calls: [string, () => Promise<unknown>][] = [
    ['Agent.act', () => disposedWhile(newAgent(), (it) => it.act(seen, { step: 3 }))],
    ['Learner.update', () => disposedWhile(newLearner(), (it) => it.update(2, filled()))],
    ['of a replay, too', () => disposedWhile(filled(), (it) => newLearner().update(2, it))],
    [
      'stepChunk',
      () => disposedWhile(restored(), async (it) => (await it.stepChunk(actions, limit)).executed),
    ],
    [
      'Replay.save',
      () =>
        disposedWhile(filled(), async (it) => {
          const place = folder();
          await it.save(place);
          const copy = new Replay(runtime, sizes, 64, ENVS);
          await copy.load(place);
          return copy.total;
        }),
    ],
  ];

  test.each(calls)('%s', async (_, call) => {
    dispose = true;
    const answer = await call();
    dispose = false;
    expect(shown(answer)).toEqual(shown(await call()));
  });
});

let dispose = false;

async function disposedWhile<Handle extends { dispose(): void }, Answer>(
  handle: Handle,
  call: (handle: Handle) => Promise<Answer>,
): Promise<Answer> {
  const answer = call(handle);
  if (dispose) handle.dispose();
  return answer;
}

const shown = (answer: unknown) => (answer instanceof Tensor ? [...answer.read()] : answer);

describe('a session', () => {
  test('disposes of what it made', async () => {
    const session = await openSession(config, runtime, {});
    session.close();
    session.close();
    const { policy, agent, learner, replay, envs } = session;
    const uses = [
      () => policy.parameterCount,
      () => agent.version,
      () => learner.updates,
      () => replay.size,
      () => envs.numEnvs,
    ];
    for (const use of uses) {
      expect(use).toThrow(expect.objectContaining({ code: 'ERR_DSRL_DISPOSED' }));
    }
  });

  test('leaves a backend of the caller alone', async () => {
    const backend = new Tabletop();
    const short = configured('runner.max_steps=1');
    await training({ config: short, backend });
    await training({ config: short, backend });
    const other = configured('env.train.total_num_envs=8');
    expect((await failure(training({ config: other, backend }))).code).toBe('ERR_DSRL_BACKEND');
    expect(backend.numEnvs).toBe(ENVS);
  });
});

test.runIf(isLinux)('a training, a failed one too, leaves neither replay nor threads', async () => {
  await training({ config: configured('runner.max_steps=1') });
  // A replay of 1.8 GB, which costs nothing before it is written to; the allocator keeps less.
  const large = ['algorithm.replay_buffer.capacity=1_000_000', 'runner.max_steps=1'];
  const wide = configured(...large, 'algorithm.replay_buffer.cache_size=100_000');
  const before = { bytes: reserved(), threads: threads() };
  const { run } = await training({ config: wide });
  expect(reserved() - before.bytes).toBeLessThan(1e9);
  await expect.poll(threads, { timeout: 10_000 }).toBeLessThanOrEqual(before.threads);

  writeFileSync(join(run, 'checkpoints', 'last', 'optimizer.safetensors'), 'torn');
  const resumed = training({ config: wide, resume: run });
  expect((await failure(resumed)).code).toMatch(/CHECKPOINT/);
  expect(reserved() - before.bytes).toBeLessThan(1e9);
});
