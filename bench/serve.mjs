// What the wire costs: decoding an observation of two cameras, a request through `serve` on
// loopback beside the same call without it, and sixteen clients beside one.
//
//   node bench/serve.mjs [--requests 200]
//
// What `serve` adds is taken request by request: a client's wait less the time in `inferBatch` for
// that very request, so that what else the machine does to the policy cancels out. The clients are
// a process of their own, as robots are. Prints a table of Markdown with the load before and after,
// and what both ends take of the processor for a request, which the machine's other work changes
// little.

import { spawn } from 'node:child_process';
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { NdArray, Policy, PolicyServer, policyService, RemotePolicy } from '../dist/index.js';
import { decode } from '../dist/serve/decode.js';
import { encode } from '../dist/serve/encode.js';

const POLICY = fileURLToPath(new URL('../policies/tabletop', import.meta.url));
const STATE = [0.5, 0.5, 0.3, Math.PI, 0, 0, 0.02, -0.02];
const CLIENTS = 16;
const ROUNDS = 5;
const SETTLED = 300; // requests until the code of both ends is compiled

const picture = (side) => Uint8Array.from({ length: side * side * 3 }, (_, i) => (i * 7) & 255);
const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

/** Milliseconds of the processor in this process. */
function processorSince(before) {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

async function times(count, body) {
  const spent = [];
  for (let index = 0; index < count; index++) {
    const began = performance.now();
    await body();
    spent.push(performance.now() - began);
  }
  return spent;
}

async function decodeTime() {
  const message = encode({
    'observation/image': new NdArray(picture(224), [224, 224, 3]),
    'observation/wrist_image': new NdArray(picture(224), [224, 224, 3]),
    'observation/state': new NdArray(Float32Array.from(STATE), [8]),
    prompt: 'pick up the black bowl',
  });
  await times(200, () => decode(message)); // compiled by then
  return median(await times(1000, () => decode(message)));
}

const observation = {
  images: { main: { data: picture(64), height: 64, width: 64 } },
  state: STATE,
  prompt: 'tidy',
};

/** `clients` connections that ask one request after another: milliseconds of each, and the rate. */
async function ask(url, clients, requests) {
  const policies = await Promise.all(
    Array.from({ length: clients }, () => RemotePolicy.connect(url)),
  );
  const round = (count) =>
    Promise.all(policies.map((policy) => times(count, () => policy.infer(observation))));
  await round(Math.ceil(SETTLED / clients));
  const began = performance.now();
  const before = process.cpuUsage();
  const spent = (await round(requests)).flat();
  const seconds = (performance.now() - began) / 1000;
  const processor = processorSince(before) / spent.length;
  for (const policy of policies) policy.dispose();
  return { spent, rate: spent.length / seconds, processor };
}

/** The same in a process of its own. */
async function askFromOutside(url, clients, requests) {
  const words = [fileURLToPath(import.meta.url), '--ask', url, '--clients', `${clients}`];
  const child = spawn(process.execPath, [...words, '--requests', `${requests}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let printed = '';
  for await (const text of child.stdout) printed += text;
  return JSON.parse(printed);
}

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '200' },
    ask: { type: 'string' },
    clients: { type: 'string', default: '1' },
  },
});
const requests = Number(values.requests);
if (!Number.isSafeInteger(requests) || requests < 1) throw new Error('--requests: 1 or more');

if (values.ask !== undefined) {
  const result = await ask(values.ask, Number(values.clients), requests);
  process.stdout.write(JSON.stringify(result));
} else {
  const load = loadavg()[0].toFixed(1);
  const decoded = await decodeTime();
  const policy = await Policy.load(POLICY, { device: 'cpu' });
  const inside = []; // milliseconds in the policy, a request of a single client
  const watched = {
    metadata: policy.metadata,
    async inferBatch(observations) {
      const began = performance.now();
      const answers = await policy.inferBatch(observations);
      inside.push(performance.now() - began);
      return answers;
    },
  };
  const server = await PolicyServer.listen(policyService(watched), { port: 0 });
  const infer = () => policy.inferBatch([observation]);
  await times(SETTLED, infer);
  // All take turns, so that they meet the same machine, and the best round of each counts: a median
  // of one round is that of whatever else ran meanwhile.
  const [local, one, added, many] = [[], [], [], []];
  for (let round = 0; round < ROUNDS; round++) {
    local.push(median(await times(requests, infer)));
    const before = process.cpuUsage();
    const { spent, rate, processor } = await askFromOutside(server.url, 1, requests);
    const served = processorSince(before) / (SETTLED + requests);
    const own = inside.slice(-requests);
    added.push(median(spent.map((took, index) => took - own[index])));
    one.push({ rate, median: median(spent), processor, served });
    many.push(await askFromOutside(server.url, CLIENTS, Math.ceil(requests / 4)));
  }
  const alone = Math.min(...local);
  const least = (key) => Math.min(...one.map((result) => result[key]));
  const rate = (results) => Math.max(...results.map((result) => result.rate));
  await server.close();
  policy.dispose();
  const rows = [
    ['decode of two cameras of 224 x 224', `${decoded.toFixed(3)} ms`, '< 0.3 ms'],
    ['`inferBatch` without `serve`, median', `${alone.toFixed(2)} ms`, ''],
    ['a request to `serve` on loopback, median', `${least('median').toFixed(2)} ms`, ''],
    ['`serve` adds to a request, median', `${Math.min(...added).toFixed(2)} ms`, '< 1 ms'],
    ['of the processor at the server, the policy included', `${least('served').toFixed(2)} ms`, ''],
    ['of the processor at the client', `${least('processor').toFixed(2)} ms`, ''],
    ['requests/s of one client', rate(one).toFixed(0), ''],
    [`requests/s of ${CLIENTS} clients`, rate(many).toFixed(0), ''],
    [`${CLIENTS} clients against one`, `${(rate(many) / rate(one)).toFixed(1)} x`, '>= 3 x'],
  ];
  process.stdout.write('| what | measured | wanted |\n|---|---|---|\n');
  for (const row of rows) process.stdout.write(`| ${row.join(' | ')} |\n`);
  process.stdout.write(`\nload ${load} as it began, ${loadavg()[0].toFixed(1)} at its end\n`);
}
