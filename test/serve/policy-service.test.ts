import { afterAll, expect, test } from 'vitest';
import {
  type ActingPolicy,
  createRuntime,
  EnvironmentSetupError,
  Policy,
  PolicyError,
  policyService,
  RemotePolicy,
  RuntimeFailure,
  serve,
  Tensor,
  UsageError,
} from '../../lib/index.js';
import { decode, NdArray, type Packable, WireClient } from '../../lib/serve/index.js';
import { editedPolicy } from '../support/policy.js';

const policy = await Policy.load('policies/tabletop', { device: 'cpu', seed: 3 });
const server = await serve(policy, { port: 0 });
afterAll(async () => {
  await server.close();
  policy.dispose();
});

const pixels = Uint8Array.from({ length: 64 * 64 * 3 }, (_, index) => (index * 5) & 255);
const state = [0.4, 0.5, 0.3, Math.PI, 0, 0, 0.02, -0.02];

function request(changes: Record<string, Packable> = {}): Record<string, Packable> {
  return {
    'observation/image': new NdArray(pixels, [64, 64, 3]),
    'observation/wrist_image': new NdArray(pixels, [64, 64, 3]), // it has none: ignored
    'observation/state': new NdArray(Float64Array.from(state), [8]),
    prompt: 'tidy',
    ...changes,
  };
}

async function refusal(message: Packable, url = server.url): Promise<string> {
  const client = new WireClient(url, {});
  try {
    await client.request(message);
  } catch (error) {
    return (error as Error).message;
  } finally {
    client.close();
  }
  return 'no error';
}

test('a served policy gives the actions that a local one gives', async () => {
  using local = await Policy.load('policies/tabletop', { device: 'cpu', seed: 3 });
  using remote = await RemotePolicy.connect(server.url);
  const images = { main: { data: pixels, height: 64, width: 64 } };
  const observation = { images, state, prompt: 'tidy' };
  const act = async (policy: ActingPolicy) => {
    const first = await policy.infer(observation);
    const second = await policy.infer(observation, { deadlineMs: 60_000 });
    return second.timedOut ? [first] : [first, second];
  };
  const [served, second] = await act(remote);
  expect([served, second]).toEqual(await act(local));
  if (served === undefined || second === undefined) return expect.fail('there were two answers');
  expect(served.shape).toEqual([5, 7]);
  expect(remote.metadata).toMatchObject({ name: 'tabletop', action_horizon: 5, action_dim: 7 });
});

test('pictures are taken in every form that a local policy takes', async () => {
  using local = await Policy.load('policies/tabletop', { device: 'cpu', seed: 3 });
  const other = await serve(local, { port: 0 });
  try {
    using remote = await RemotePolicy.connect(other.url);
    using expected = await Policy.load('policies/tabletop', { device: 'cpu', seed: 3 });
    using tensor = Tensor.from(createRuntime({ device: 'cpu' }), pixels, [64, 64, 3], 'uint8');
    for (const main of [{ data: pixels, height: 64, width: 64 }, pixels, tensor]) {
      const observation = { images: { main }, state, prompt: 'tidy' };
      expect(await remote.infer(observation)).toEqual(await expected.infer(observation));
    }
    const short = remote.infer({ images: { main: pixels.subarray(3) }, state, prompt: 'tidy' });
    await expect(short).rejects.toThrow('is 12285 bytes without a size; it takes 64 x 64 x 3');
  } finally {
    await other.close();
  }
});

test('a batch is one chunk an observation, in order, near or far', async () => {
  using remote = await RemotePolicy.connect(server.url);
  const scene = (brightness: number) => {
    return { images: { main: pixels.map((value) => value * brightness) }, state, prompt: 'tidy' };
  };
  const scenes = [scene(1), scene(0), scene(1)];
  const act = async (policy: ActingPolicy) => policy.inferBatch(scenes);
  await remote.prepare('tidy');
  const chunks = await act(remote);
  expect(chunks.map(({ shape }) => shape)).toEqual([
    [5, 7],
    [5, 7],
    [5, 7],
  ]);
  expect(await remote.inferBatch([])).toEqual([]);
  const answered = server.clients;
  const wrong = { ...scene(1), prompt: 3 as never };
  const reason = { code: 'ERR_DSRL_POLICY_CONTRACT' };
  await expect(remote.inferBatch([scene(1), wrong])).rejects.toMatchObject(reason);
  expect(server.clients).toBe(answered);
  const signal = AbortSignal.abort(new Error('enough'));
  await expect(remote.inferBatch(scenes, { signal })).rejects.toThrow('enough');
});

test.each(['noise', 'numSteps', 'deterministic'])('%s is refused, not left out', async (name) => {
  using remote = await RemotePolicy.connect(server.url);
  const observation = { images: { main: pixels }, state, prompt: 'tidy' };
  const code = 'ERR_DSRL_REMOTE_OPTION';
  const options = { [name]: 1 } as object;
  await expect(remote.infer(observation, options)).rejects.toMatchObject({ code });
  await expect(remote.inferBatch([observation], options)).rejects.toMatchObject({ code });
});

test('a request cannot choose the steps of the flow', async () => {
  const service = policyService(policy);
  const read = service.read(request({ num_steps: 1e9, numSteps: 1e9 }));
  expect(Object.keys(read).sort()).toEqual(['images', 'prompt', 'state']);
});

test('pictures of any size are made fit as openpi makes them', async () => {
  const folder = editedPolicy((json) => Object.assign(json, { image_resize: 'openpi' }));
  using fitting = await Policy.load(folder, { device: 'cpu' });
  using declaring = await Policy.load('policies/tabletop', { device: 'cpu' });
  const data = Uint8Array.from({ length: 224 * 160 * 3 }, (_, index) => (index * 7) % 251);
  const images = { main: { data, height: 160, width: 224 } };
  const other = await serve(declaring, { port: 0 });
  try {
    using remote = await RemotePolicy.connect(other.url);
    const observation = { images, state, prompt: 'tidy' };
    expect(await remote.infer(observation)).toEqual(await fitting.infer(observation));
    await expect(declaring.infer(observation)).rejects.toThrow('takes pictures of uint8 [64, 64');
  } finally {
    await other.close();
  }
});

test('pictures with the channels first and floats are what openpi takes too', async () => {
  const client = new WireClient(server.url, {});
  using local = await Policy.load('policies/tabletop', { device: 'cpu' });
  const noiseless = async (image: NdArray) => {
    const service = policyService({
      metadata: local.metadata,
      inferBatch: async (rows) =>
        rows.map(({ images }) => {
          const { data, height, width } = images.main as {
            data: Uint8Array;
            height: number;
            width: number;
          };
          return { actions: Float32Array.from(data), shape: [height, width, 3] };
        }),
    });
    const [answer] = await service.infer([service.read(request({ 'observation/image': image }))]);
    return (answer as { actions: NdArray }).actions;
  };
  const rows = Uint8Array.from({ length: 2 * 4 * 3 }, (_, index) => index);
  const turned = Uint8Array.from(
    { length: rows.length },
    (_, i) => (i % 8) * 3 + Math.floor(i / 8),
  );
  const floats = Float32Array.from(rows, (value) => (value + 0.5) / 255);
  const expected = new NdArray(Float32Array.from(rows), [2, 4, 3]);
  expect(await noiseless(new NdArray(rows, [2, 4, 3]))).toEqual(expected);
  expect(await noiseless(new NdArray(turned, [3, 2, 4]))).toEqual(expected);
  expect(await noiseless(new NdArray(floats, [2, 4, 3]))).toEqual(expected);
  client.close();
});

/** An array of datetime64 as it is decoded. */
const times = { __ndarray__: true, data: new Uint8Array(8), dtype: '<M8[ms]', shape: [1] };

test.each([
  ['times', '<M8[ms]', 8],
  ['an interval', '<m8[us]', 8],
  ['several texts', '<U3', 24],
  ['byte strings', '|S4', 8],
  ['extended floats', '<f16', 32],
])('%s of numpy beside what the policy takes are ignored', (_, dtype, bytes) => {
  const key = (text: string) => [0xc4, text.length, ...Buffer.from(text)];
  const text = (value: string) => [0xa0 | value.length, ...Buffer.from(value)];
  const entries = [
    ...key('__ndarray__'),
    0xc3,
    ...key('data'),
    0xc4,
    bytes,
    ...Array(bytes).fill(0),
  ];
  const rest = [...key('dtype'), ...text(dtype), ...key('shape'), 0x91, 2];
  const message = Uint8Array.from([0x81, ...text('stamp'), 0x84, ...entries, ...rest]);
  const stamp = decode(message) as Record<string, Packable>;
  expect(policyService(policy).read({ ...request(), ...stamp }).prompt).toBe('tidy');
});

test.each([
  ['no picture', { 'observation/image': null }, /`observation\/image` is null/],
  [
    'a picture of floats beyond',
    { 'observation/image': new NdArray(new Int32Array(12), [2, 2, 3]) },
    /is <i4 \[2, 2, 3\]/,
  ],
  [
    'a picture that is a line',
    { 'observation/image': new NdArray(new Uint8Array(3_000), [1, 1_000, 3]) },
    /a picture of 1 x 1000 pixels vanishes/,
  ],
  [
    'a short state',
    { 'observation/state': new NdArray(new Float32Array(3), [3]) },
    /a state of 8 numbers/,
  ],
  [
    'a state that is not finite',
    { 'observation/state': new NdArray(new Float32Array(8).fill(NaN), [8]) },
    /state\[0\] is NaN/,
  ],
  ['a prompt that is a number', { prompt: 3 }, /`prompt` is a number/],
  ['a state of times', { 'observation/state': times }, /state` is a map, no array of numbers/],
  ['a prompt that is a book', { prompt: 'tidy '.repeat(5_000) }, /a text has 25000 characters/],
])('%s is an error that names it', async (_, changes, expected) => {
  expect(await refusal(request(changes as Record<string, Packable>))).toMatch(expected);
});

test('a missing key is an error that names the keys there are', async () => {
  const { 'observation/state': _, ...rest } = request();
  const message = await refusal(rest);
  expect(message).toContain('ERR_DSRL_WIRE_KEYS: the observation has no `observation/state`');
  expect(message).toContain('it has observation/image, observation/wrist_image, prompt');
});

test('what the client is told names no folder of the server', async () => {
  const tokenizer = { kind: 'sentencepiece', file: null, convention: 'openpi', sha256: null };
  const folder = editedPolicy((json) => Object.assign(json, { tokenizer }));
  using lacking = await Policy.load(folder, { device: 'cpu' });
  const other = await serve(lacking, { port: 0 });
  try {
    const message = await refusal(request({ prompt: 'a new one' }), other.url);
    expect(message).toContain('ERR_DSRL_POLICY_TOKENIZER: the policy tabletop has no tokenizer');
    expect(message).toContain('there is no paligemma_tokenizer.model');
    expect(message).not.toContain(folder);
  } finally {
    await other.close();
  }
});

/** What a client is told and what the server's log is, where the policy fails with `error`. */
async function failing(error: unknown): Promise<{ told: string; logged: unknown[] }> {
  const logged: unknown[] = [];
  const own = { metadata: policy.metadata, inferBatch: () => Promise.reject(error) };
  const other = await serve(own, { port: 0, onFailure: (failure) => logged.push(failure) });
  try {
    return { told: await refusal(request(), other.url), logged };
  } finally {
    await other.close();
  }
}

const detail = { hint: 'a hint of the secret' };

test.each([
  new RuntimeFailure('ERR_DSRL_OOM', 'secret: out of memory', detail),
  new RuntimeFailure('ERR_DSRL_NATIVE', 'secret: device-side assert', detail),
  new EnvironmentSetupError('ERR_DSRL_CUDA_KERNEL', 'secret: no kernel', detail),
  new PolicyError('ERR_DSRL_POLICY_NOT_FINITE', 'secret: actions are not finite', detail),
  new PolicyError('ERR_DSRL_POLICY_HASH', 'secret: another tokenizer', detail),
  new UsageError('ERR_DSRL_DISPOSED', 'secret: disposed of', detail),
  new TypeError('secret: no function'),
])("a failure of the policy is the log's, not the client's: %o", async (error) => {
  const { told, logged } = await failing(error);
  expect(logged).toEqual([error]);
  expect(told).toContain('ERR_DSRL_WIRE_INTERNAL');
  expect(told).not.toContain('secret');
});

test.each([
  new PolicyError('ERR_DSRL_POLICY_CONTRACT', 'two cameras', { hint: 'send both' }),
  new PolicyError('ERR_DSRL_POLICY_TOKENIZER', 'a new prompt', { hint: 'send both' }),
  new UsageError('ERR_DSRL_OBSERVATION', 'a picture that vanishes', { hint: 'send both' }),
])("what an observation does wrong is the client's, not the log's: %o", async (error) => {
  const { told, logged } = await failing(error);
  expect(logged).toEqual([]);
  expect(told).toContain(`${error.code}: ${error.message}`);
  expect(told).toContain('send both');
});

test('a policy that was disposed of under its server is told in the log', async () => {
  const logged: unknown[] = [];
  const gone = await Policy.load('policies/tabletop', { device: 'cpu' });
  const other = await serve(gone, { port: 0, onFailure: (failure) => logged.push(failure) });
  try {
    gone.dispose();
    expect(await refusal(request(), other.url)).toContain('ERR_DSRL_WIRE_INTERNAL');
    expect(logged).toMatchObject([{ code: 'ERR_DSRL_DISPOSED' }]);
  } finally {
    await other.close();
  }
});
