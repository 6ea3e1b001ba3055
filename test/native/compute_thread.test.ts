import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { Learner, learnerSettings, networkSizes, Replay } from '../../lib/index.js';
import { output } from '../support/program.js';
import { emptyRows } from '../support/replay-rows.js';
import { configured, runtime, SMALL } from '../support/training.js';

const config = configured();
const sizes = networkSizes(config);
const ROWS = 4;

const folder = mkdtempSync(join(tmpdir(), 'dsrl-thread-'));
afterAll(() => rmSync(folder, { recursive: true }));

let learner: Learner;
let replay: Replay;
beforeEach(() => {
  learner = new Learner(runtime, learnerSettings(config), 1n);
  replay = new Replay(runtime, sizes, 16, ROWS);
  replay.append(emptyRows(sizes, ROWS));
});

test('an abort stops the updates it is for, also when others are asked for at once', async () => {
  const controller = new AbortController();
  const stopped = learner.update(200, replay, { signal: controller.signal });
  controller.abort();
  const later = learner.update(2, replay);
  expect((await stopped).length).toBeLessThan(200);
  expect(await later).toHaveLength(2);
});

test('an abort of updates that wait leaves those alone that run', async () => {
  const controller = new AbortController();
  const running = learner.update(50, replay);
  const waiting = learner.update(50, replay, { signal: controller.signal });
  controller.abort();
  expect(await running).toHaveLength(50);
  expect(await waiting).toEqual([]);
});

test('a replay is saved and learned from by whoever comes first: neither is refused', async () => {
  const calls: Promise<unknown>[] = [];
  for (let i = 0; i < 5; i++) {
    calls.push(learner.update(20, replay), replay.save(join(folder, `saved${i}`)));
  }
  await Promise.all(calls);
  const copy = new Replay(runtime, sizes, 16, ROWS);
  await copy.load(join(folder, 'saved4'));
  expect(copy.size).toBe(ROWS);
});

/** Runs a program with a learner's parts in reach; returns what it tells. */
function run(body: string, env: Record<string, string | undefined> = {}) {
  const program = `
    const { Agent, composeConfig, createRuntime, Learner, learnerSettings, networkSizes, Replay,
            Tensor } = dsrl;
    const overrides = ${JSON.stringify(SMALL)};
    const { config } = composeConfig({ recipe: 'tabletop', overrides });
    const settings = learnerSettings(config);
    const sizes = networkSizes(config);
    const zeros = (Type, ...shape) =>
      Tensor.from(runtime, new Type(shape.reduce((all, side) => all * side, 1)), shape);
    const side = sizes.image_size;
    const frames = (rows) => zeros(Uint8Array, rows, side, side, 3);
    const states = (rows) => zeros(Float32Array, rows, sizes.state_dim);
    const tell = (value) => console.log(JSON.stringify(value));
    ${body}`;
  return JSON.parse(output(program, { env }));
}

test('a learner that nobody holds makes its updates to the end', () => {
  const made = run(`
    const frame = frames(4);
    const state = states(4);
    const replay = new Replay(runtime, sizes, 16, 4);
    replay.append({
      frame, state, nextFrame: frame, nextState: state,
      noise: zeros(Float32Array, 4, sizes.noise_dim),
      rewards: new Float32Array(4), steps: new Int32Array(4).fill(1),
      terminated: new Uint8Array(4), active: new Uint8Array(4).fill(1), version: 0,
    });
    // The addon's own handle: that of the library is held by its call, whatever the addon does.
    const begin = (count) =>
      new runtime.binding.Learner(settings, 0n, 'cpu').update(count, replay.raw, null);
    const updates = begin(40);
    const collector = setInterval(gc, 1);
    tell((await updates).length);
    clearInterval(collector);`);
  expect(made).toBe(40);
});

test('a learner that is collected leaves nothing on the event loop', () => {
  const left = run(`
    const handles = () =>
      process.report.getReport().libuv.filter(({ type }) => type === 'async').length;
    const live = async () => await new Learner(runtime, settings, 0n).finite();
    await live();
    const before = handles();
    for (let i = 0; i < 20; i++) await live();
    for (let i = 0; i < 20; i++) { gc(); await turns(); }
    tell(handles() - before);`);
  expect(left).toBeLessThan(5);
});

test('threads are set for native threads that have computed before', () => {
  const teams = run(
    `
    const { readdirSync } = await import('node:fs');
    const agent = new Agent(runtime, sizes, 0n);
    const observation = { frame: frames(2048), state: states(2048) };
    const count = async (threads) => {
      runtime.setThreads(threads);
      await agent.act(observation, { step: 0 });
      return readdirSync('/proc/self/task').length;
    };
    const one = await count(1);
    tell([(await count(4)) - one, runtime.threads]);`,
  );
  expect(teams).toEqual([3, 4]);
});

test("threads that somebody has set are kept by the next runtime, a worker's too", () => {
  const threads = run(
    `
    const { isMainThread, Worker, parentPort } = await import('node:worker_threads');
    if (isMainThread) {
      runtime.setThreads(5);
      createRuntime({ device: 'cpu' });
      const worker = new Worker(new URL(import.meta.url));
      const seen = await new Promise((resolve) => worker.on('message', resolve));
      tell([runtime.threads, seen]);
    } else {
      parentPort.postMessage(runtime.threads);
    }`,
    { OMP_NUM_THREADS: undefined },
  );
  expect(threads).toEqual([5, 5]);
});

/** A system that has no thread left while NO_MORE_THREADS is set. */
const NO_THREADS = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
int pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*f)(void *), void *x) {
  if (getenv("NO_MORE_THREADS")) return EAGAIN;
  int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) =
      dlsym(RTLD_NEXT, "pthread_create");
  return real(t, a, f, x);
}`;

test.skipIf(process.env.DSRL_SANITIZED === '1')(
  'a native thread that cannot start is an error, and the program ends as any',
  () => {
    const source = join(folder, 'no_threads.c');
    const shim = join(folder, 'no_threads.so');
    writeFileSync(source, NO_THREADS);
    const compiled = spawnSync(process.env.CC ?? 'cc', [
      '-shared',
      '-fPIC',
      '-o',
      shim,
      source,
      '-ldl',
    ]);
    expect(compiled.status).toBe(0);
    // MALLOC_PERTURB_: what is read after it was freed is no valid address.
    const told = run(
      `
      const agent = new Agent(runtime, sizes, 0n);
      const observation = { frame: frames(1), state: states(1) };
      process.env.NO_MORE_THREADS = '1';
      const refused = agent.act(observation, { step: 0 });
      delete process.env.NO_MORE_THREADS;
      const { code } = await refused.catch((error) => error);
      tell([code, (await agent.act(observation, { step: 0 })).shape]);`,
      { LD_PRELOAD: shim, MALLOC_PERTURB_: '165' },
    );
    expect(told).toEqual(['ERR_DSRL_NATIVE', [1, 32]]);
  },
);
