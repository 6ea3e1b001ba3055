import { cpSync, lstatSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import {
  composeConfig,
  createProgress,
  createRuntime,
  FrozenPolicy,
  loadAgent,
  Policy,
  RemotePolicy,
  resizeFrames,
  resolveModelPath,
  serve,
  Tensor,
  train,
} from '../../lib/index.js';

const runtime = createRuntime({ device: 'cpu' });
const root = mkdtempSync(join(tmpdir(), 'dsrl-steered-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const { config } = composeConfig({
  recipe: 'tabletop',
  overrides: [
    'device=cpu',
    'runner.max_steps=1',
    'runner.val_check_interval=-1',
    'algorithm.update_epoch=3',
    'env.train.total_num_envs=4',
    'actor.model.num_action_chunks=3', // of a horizon of 5
    'actor.model.num_steps=2', // policy.json says 4
  ],
});
const progress = createProgress({ format: 'quiet', totalSteps: 1 });
const { run } = await train({ config, runtime, runDir: join(root, 'run'), progress });

const pixels = Uint8Array.from({ length: 64 * 64 * 3 }, (_, index) => (index * 7) & 255);
const state = [0.4, 0.5, 0.3, Math.PI, 0, 0, 0.02, -0.02];
const observation = { images: { main: pixels }, state, prompt: 'tidy' };

/** The same by hand: the agent's mean, tiled, through the frozen policy. */
async function byHand(deterministic: boolean): Promise<Float32Array> {
  const frozen = FrozenPolicy.load(runtime, resolveModelPath(config));
  const agent = loadAgent(config, runtime, run, frozen);
  const picture = Tensor.from(runtime, pixels, [1, 64, 64, 3], 'uint8');
  const states = Tensor.from(runtime, Float32Array.from(state), [1, 8], 'float32');
  const frame = resizeFrames(runtime, picture, config.actor.model.openpi.dsrl_image_size);
  const noise = await agent.act({ frame, state: states }, { step: 0, deterministic });
  const inputs = { images: { main: picture }, state: states, prompts: ['tidy'] };
  return (await frozen.sample(inputs, noise, config.actor.model.num_steps)).read();
}

test.each(['', 'checkpoints', 'checkpoints/last'])(
  'a run is a policy whose agent chooses the noise (%s)',
  async (place) => {
    using policy = await Policy.load(join(run, place), { device: 'cpu' });
    const { actions, shape } = await policy.infer(observation);
    expect(shape).toEqual([5, 7]);
    expect(actions).toEqual(await byHand(true));
    expect((await policy.infer(observation)).actions).toEqual(actions);
  },
);

test('it can draw from the agent, and takes other noise', async () => {
  using policy = await Policy.load(run, { device: 'cpu' });
  const drawn = await policy.infer(observation, { deterministic: false });
  expect(drawn.actions).toEqual(await byHand(false));
  const again = await policy.infer(observation, { deterministic: false });
  expect(again.actions).not.toEqual(drawn.actions);
  const noise = new Float32Array(32).fill(0.5);
  using frozen = await Policy.load(resolveModelPath(config), { device: 'cpu' });
  const given = await policy.infer(observation, { noise });
  const expected = await frozen.infer(observation, { noise, numSteps: 2 });
  expect(given.actions).toEqual(expected.actions);
});

test('it tells what its agent was trained on, to clients too', async () => {
  using policy = await Policy.load(run, { device: 'cpu' });
  using frozen = await Policy.load(resolveModelPath(config), { device: 'cpu' });
  const steering = { chunk: 3, numSteps: 2, version: 3 };
  expect(policy.metadata).toMatchObject({ steering, numSteps: 2 });
  expect(frozen.metadata).toMatchObject({ steering: null, numSteps: 4 });

  const told = async (served: Policy) => {
    const server = await serve(served, { port: 0 });
    const remote = await RemotePolicy.connect(server.url);
    const { metadata } = remote;
    remote.dispose();
    await server.close();
    return metadata;
  };
  expect(await told(policy)).toMatchObject({ action_horizon: 5, action_chunk: 3 });
  expect(await told(frozen)).not.toHaveProperty('action_chunk');
});

/** As many tools copy a run: without its links, so that there is no `last`. */
function copiedRun(name: string, edit: (steering: { policy: { folder: string } }) => void): string {
  const copy = join(root, name);
  cpSync(run, copy, { recursive: true, filter: (path) => !lstatSync(path).isSymbolicLink() });
  const file = join(copy, 'checkpoints', 'step_1', 'steering.json');
  const steering = JSON.parse(readFileSync(file, 'utf8'));
  edit(steering);
  writeFileSync(file, JSON.stringify(steering));
  return copy;
}

test.each(['', 'checkpoints'])(
  'a run that was copied without its links too (%s)',
  async (place) => {
    const copy = copiedRun(`copy-${place}`, () => {});
    using policy = await Policy.load(join(copy, place), { device: 'cpu' });
    expect((await policy.infer(observation)).actions).toEqual(await byHand(true));
  },
);

test('a frozen policy that lay elsewhere in training is named anew', async () => {
  const gone = join(root, 'trainer', 'pi0');
  const copy = copiedRun('robot', ({ policy }) => {
    policy.folder = gone;
  });
  await expect(Policy.load(copy, { device: 'cpu' })).rejects.toMatchObject({
    code: 'ERR_DSRL_POLICY_MISSING',
    message: expect.stringContaining(join(gone, 'policy.json')),
    hint: expect.stringMatching(/`--policy DIR`.*`policy`/),
  });
  using policy = await Policy.load(copy, { device: 'cpu', policy: resolveModelPath(config) });
  expect((await policy.infer(observation)).actions).toEqual(await byHand(true));
  // What was typed is the caller's own, and gets the hint for it.
  await expect(Policy.load(copy, { policy: gone })).rejects.toMatchObject({
    code: 'ERR_DSRL_POLICY_MISSING',
    hint: expect.stringContaining('name the folder of an exported policy'),
  });
});

test('another frozen policy than that of the training is refused', async () => {
  const other = join(root, 'other');
  cpSync(resolveModelPath(config), other, { recursive: true });
  const checkpoint = join(root, 'checkpoint');
  cpSync(join(run, 'checkpoints', 'last'), checkpoint, { recursive: true, dereference: true });
  const file = join(checkpoint, 'steering.json');
  const steering = JSON.parse(readFileSync(file, 'utf8'));
  steering.policy.sha256 = '0'.repeat(64);
  writeFileSync(file, JSON.stringify(steering));
  await expect(Policy.load(checkpoint, { policy: other })).rejects.toMatchObject({
    code: 'ERR_DSRL_POLICY_HASH',
  });
  writeFileSync(file, '{"format": "something else"}');
  await expect(Policy.load(checkpoint)).rejects.toMatchObject({
    code: 'ERR_DSRL_POLICY_DAMAGED',
    message: expect.stringContaining('steering.json'),
  });
});

test('agent and policy see one picture, whatever happens to its array meanwhile', async () => {
  using policy = await Policy.load(run, { device: 'cpu' });
  const main = Uint8Array.from(pixels);
  const call = policy.infer({ ...observation, images: { main } });
  main.fill(0);
  expect((await call).actions).toEqual(await byHand(true));
});

test('inferSync steers as infer does, with the mean and with draws', async () => {
  using waiting = await Policy.load(run, { device: 'cpu' });
  using blocking = await Policy.load(run, { device: 'cpu' });
  const out = new Float32Array(35);
  for (const deterministic of [true, false, false]) {
    const { actions } = await waiting.infer(observation, { deterministic });
    expect(blocking.inferSync(observation, out, { deterministic })).toEqual(actions);
  }
});
