// What `Policy.infer` adds to the native call: microseconds a call, beyond the time inside it.
//
//   node bench/infer.mjs [--calls 500]
//
// Every call is timed from outside and at the boundary of the addon, and the difference of the two
// is taken call by call, so that what else the machine does cancels out. The first row of a picture
// is the native call alone, on handles of native memory that are there already: what any caller
// pays, and whether something was moved behind the boundary. Rounds of all calls take turns, and
// the best round of each counts.
//
// The policy that ships takes pictures of 64 x 64; a copy of it that resizes gets one of 224 x 224,
// whose bytes are copied too. Prints a table of Markdown with the load.

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createRuntime, Policy } from '../dist/index.js';
import { processors } from './report.mjs';

const SHIPPED = fileURLToPath(new URL('../policies/tabletop', import.meta.url));
const NOISE = new Float32Array(32).fill(0.5);
const SETTLED = 50; // calls until the code is compiled

const ROUNDS = 3;

let inside = 0; // milliseconds in the addon, of the call under way

/** A native policy whose calls add their time to `inside`. */
function watched(raw) {
  const timed =
    (name) =>
    (...given) => {
      const began = performance.now();
      const done = (value) => {
        inside = performance.now() - began;
        return value;
      };
      const answer = raw[name](...given);
      return answer instanceof Promise ? answer.then(done) : done(answer);
    };
  const names = ['sample', 'infer', 'inferSync'];
  const calls = names.map((name) => [name, timed(name)]);
  return { ...Object.fromEntries(calls), dispose: () => raw.dispose() };
}

const { binding } = createRuntime({ device: 'cpu' });
const native = binding.FrozenPolicy;
let loaded; // the policy that was opened last
binding.FrozenPolicy = {
  load: async (...given) => {
    loaded = watched(await native.load(...given));
    return loaded;
  },
};

/** The native call on what the policy takes, as handles. */
function onHandles(policy, { images, state }) {
  const { horizon, width } = { horizon: policy.metadata.noise.shape[0], width: NOISE.length };
  const tensor = (values, shape, dtype) => binding.Tensor.from(values, shape, dtype);
  const { data, height } = images.main;
  const length = policy.metadata.observation.prompt.maxTokens;
  const inputs = {
    images: [tensor(data, [1, height, height, 3], 'uint8')],
    states: tensor(Float32Array.from(state), [1, state.length], 'float32'),
    tokens: tensor(new BigInt64Array(length).fill(9n), [1, length], 'int64'),
    tokenMask: tensor(new Uint8Array(length).fill(1), [1, length], 'bool'),
    imageMasks: null,
  };
  const tiled = new Float32Array(horizon * width).fill(NOISE[0]);
  const noise = tensor(tiled, [1, horizon, width], 'float32');
  return async () => (await loaded.sample(inputs, noise, 1, null)).dispose();
}

/** The policy that ships, with pictures of any size. */
function resizing(folder) {
  cpSync(SHIPPED, folder, { recursive: true });
  const file = join(folder, 'policy.json');
  const contract = { ...JSON.parse(readFileSync(file, 'utf8')), image_resize: 'openpi' };
  writeFileSync(file, JSON.stringify(contract));
  return folder;
}

function observation(side) {
  const data = Uint8Array.from({ length: side * side * 3 }, (_, index) => (index * 7) & 255);
  const state = [0.5, 0.1, 0.2, Math.PI, 0, 0, 0.02, -0.02];
  return { images: { main: { data, height: side, width: side } }, state, prompt: 'tidy' };
}

/** One round: microseconds beyond the native call, and its milliseconds. */
async function round(count, call) {
  const [beyond, within] = [[], []];
  for (let index = 0; index < SETTLED; index++) await call();
  for (let index = 0; index < count; index++) {
    const began = performance.now();
    await call();
    const took = performance.now() - began;
    beyond.push((took - inside) * 1e3);
    within.push(inside);
  }
  const at = (list, share) => list.sort((a, b) => a - b)[Math.floor(share * (count - 1))];
  return {
    p50: at(beyond, 0.5),
    p90: at(beyond, 0.9),
    native: at(within, 0.5),
  };
}

const { values } = parseArgs({ options: { calls: { type: 'string', default: '500' } } });
const count = Number(values.calls);
if (!Number.isSafeInteger(count) || count < 1) throw new Error('--calls: 1 or more');
const load = loadavg()
  .map((value) => value.toFixed(1))
  .join(' ');
const root = mkdtempSync(join(tmpdir(), 'dsrl-bench-infer-'));
const rows = [];
try {
  for (const [side, folder] of [
    [64, SHIPPED],
    [224, resizing(join(root, 'policy'))],
  ]) {
    const policy = await Policy.load(folder, { device: 'cpu' });
    const seen = observation(side);
    const options = { noise: NOISE, numSteps: 1 };
    const out = new Float32Array(policy.metadata.actions.shape.reduce((a, b) => a * b));
    const { signal } = new AbortController();
    const calls = [
      ['the native call on handles', onHandles(policy, seen)],
      ['`infer`', () => policy.infer(seen, options)],
      ['`infer`, with a signal', () => policy.infer(seen, { ...options, signal })],
      ['`infer`, with `deadlineMs`', () => policy.infer(seen, { ...options, deadlineMs: 60_000 })],
      ['`inferSync`', () => policy.inferSync(seen, out, options)],
    ];
    const rounds = calls.map(() => []);
    for (let turn = 0; turn < ROUNDS; turn++) {
      for (const [index, [, call]] of calls.entries()) rounds[index].push(await round(count, call));
    }
    const best = (index, key) => Math.min(...rounds[index].map((result) => result[key]));
    for (const [index, [name]] of calls.entries()) {
      const cells = ['p50', 'p90'].map((key) => best(index, key).toFixed(0));
      const native = best(index, 'native').toFixed(2);
      rows.push([name, `${side} x ${side}`, ...cells, native]);
      process.stderr.write(`${rows.at(-1).join('  ')}\n`);
    }
    policy.dispose();
  }
} finally {
  rmSync(root, { recursive: true, force: true });
}
const head = ['call', 'picture', 'p50, us', 'p90, us', 'native call, p50, ms'];
const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
process.stdout.write(
  `${count} calls a round, ${ROUNDS} rounds, ${processors()}, ` +
    `load averages ${load} as it began.\n\n${lines.join('\n')}\n`,
);
