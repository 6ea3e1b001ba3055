// What `Policy.infer` adds to the native call: microseconds a call, beyond the time inside it.
//
//   node bench/infer.mjs [--calls 500]
//
// Every call is timed from outside and at the boundary of the addon, and the difference of the two
// is taken call by call, so that what else the machine does cancels out. The policy that ships takes
// pictures of 64 x 64; a copy of it that resizes gets one of 224 x 224, whose bytes are copied too.
// Prints a table of Markdown with the load.

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createRuntime, Policy } from '../dist/index.js';

const SHIPPED = fileURLToPath(new URL('../policies/tabletop', import.meta.url));
const NOISE = new Float32Array(32).fill(0.5);
const SETTLED = 50; // calls until the code is compiled

let inside = 0; // milliseconds in the addon, of the call under way

/** A native policy whose `sample` adds its time to `inside`. */
function watched(raw) {
  const sample = (...given) => {
    const began = performance.now();
    const done = (value) => {
      inside = performance.now() - began;
      return value;
    };
    const waits = given.at(-1) === true;
    const answer = raw.sample(...given);
    return waits ? done(answer) : answer.then(done);
  };
  return { sample, dispose: () => raw.dispose() };
}

const { binding } = createRuntime({ device: 'cpu' });
const native = binding.FrozenPolicy;
binding.FrozenPolicy = { load: async (...given) => watched(await native.load(...given)) };

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

/** Microseconds beyond the native call, sorted, and its milliseconds. */
async function overhead(count, call) {
  const [beyond, within] = [[], []];
  for (let index = -SETTLED; index < count; index++) {
    const began = performance.now();
    await call();
    const took = performance.now() - began;
    if (index < 0) continue;
    beyond.push((took - inside) * 1e3);
    within.push(inside);
  }
  return { beyond: beyond.sort((a, b) => a - b), within: within.sort((a, b) => a - b) };
}

const { values } = parseArgs({ options: { calls: { type: 'string', default: '500' } } });
const calls = Number(values.calls);
if (!Number.isSafeInteger(calls) || calls < 1) throw new Error('--calls: 1 or more');
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
    for (const [name, call] of [
      ['infer', () => policy.infer(seen, options)],
      ['infer, with a signal', () => policy.infer(seen, { ...options, signal })],
      ['infer, with deadlineMs', () => policy.infer(seen, { ...options, deadlineMs: 60_000 })],
      ['inferSync', () => policy.inferSync(seen, out, options)],
    ]) {
      const { beyond, within } = await overhead(calls, call);
      const at = (share) => beyond[Math.floor(share * (calls - 1))].toFixed(0);
      const middle = within[calls >> 1].toFixed(2);
      rows.push([`\`${name}\``, `${side} x ${side}`, at(0.5), at(0.9), middle]);
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
  `${calls} calls each, ${cpus().length} x ${cpus()[0]?.model.trim() ?? 'unknown processor'}, ` +
    `load averages ${load} as it began.\n\n${lines.join('\n')}\n`,
);
