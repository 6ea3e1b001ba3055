// A policy whose policy.json says what its robot's clients call the parts of an observation.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { Policy, PolicyServer, policyService, RemotePolicy } from '../../lib/index.js';
import { NdArray, type Packable, WireClient } from '../../lib/serve/index.js';

const folder = mkdtempSync(join(tmpdir(), 'dsrl-keys-'));
const closing: (() => Promise<void> | void)[] = [];
afterAll(async () => {
  for (const close of closing) await close();
  rmSync(folder, { recursive: true });
});

const pixels = Uint8Array.from({ length: 64 * 64 * 3 }, (_, index) => (index * 5) & 255);
const state = [0.4, 0.5, 0.3, 3, 0, 0, 0.02, -0.02];

/** openpi's keys for DROID and for ALOHA; the small policy has one camera and 8 numbers. */
const DROID = {
  images: { main: 'observation/exterior_image_1_left' },
  state: { 'observation/joint_position': 7, 'observation/gripper_position': 1 },
  prompt: 'prompt',
};
const ALOHA = { images: { main: 'images/cam_high' }, state: 'state', prompt: 'prompt' };

function withKeys(name: string, keys: unknown): string {
  const place = join(folder, name);
  cpSync('policies/tabletop', place, { recursive: true });
  const file = join(place, 'policy.json');
  const contract = JSON.parse(readFileSync(file, 'utf8'));
  writeFileSync(file, JSON.stringify({ ...contract, observation_keys: keys }));
  return place;
}

async function serve(name: string, keys: unknown) {
  const policy = await Policy.load(withKeys(name, keys), { device: 'cpu', seed: 3 });
  const server = await PolicyServer.listen(policyService(policy), { port: 0 });
  closing.push(
    () => server.close(),
    () => policy.dispose(),
  );
  return server.url;
}

async function local() {
  using policy = await Policy.load('policies/tabletop', { device: 'cpu', seed: 3 });
  const images = { main: { data: pixels, height: 64, width: 64 } };
  return (await policy.infer({ images, state, prompt: 'tidy' })).actions;
}

async function ask(url: string, request: Record<string, Packable>): Promise<NdArray> {
  const client = new WireClient(url, {});
  try {
    return ((await client.request(request)) as { actions: NdArray }).actions;
  } finally {
    client.close();
  }
}

const floats = (values: number[]) => new NdArray(Float64Array.from(values), [values.length]);
const picture = new NdArray(pixels, [64, 64, 3]);

test("DROID's request: the state in two parts", async () => {
  const url = await serve('droid', DROID);
  const request = {
    'observation/exterior_image_1_left': picture,
    'observation/wrist_image_left': picture,
    'observation/joint_position': floats(state.slice(0, 7)),
    'observation/gripper_position': state[7] as number,
    prompt: 'tidy',
  };
  expect((await ask(url, request)).toFloat32()).toEqual(await local());
  const short = { ...request, 'observation/joint_position': floats(state.slice(0, 6)) };
  await expect(ask(url, short)).rejects.toThrow('`observation/joint_position` has 6 numbers');
  const { 'observation/gripper_position': _, ...rest } = request;
  await expect(ask(url, rest)).rejects.toThrow('no `observation/gripper_position`');
});

test("ALOHA's request: pictures in a map, channels first", async () => {
  const url = await serve('aloha', ALOHA);
  const turned = Uint8Array.from(pixels, (_, index) => {
    const [channel, pixel] = [Math.floor(index / 4096), index % 4096];
    return pixels[3 * pixel + channel] as number;
  });
  const cam_high = new NdArray(turned, [3, 64, 64]);
  const request = { images: { cam_high }, state: floats(state), prompt: 'tidy' };
  expect((await ask(url, request)).toFloat32()).toEqual(await local());
});

test('RemotePolicy asks with the keys that the server says', async () => {
  using policy = await RemotePolicy.connect(await serve('droid again', DROID));
  const images = { main: { data: pixels, height: 64, width: 64 } };
  expect((await policy.infer({ images, state, prompt: 'tidy' })).actions).toEqual(await local());
  expect(policy.metadata).toMatchObject({ keys: DROID });
});

test.each([
  [{ ...DROID, images: {} }, 'has no key for the camera `main`'],
  [{ ...DROID, images: { ...DROID.images, wrist: 'w' } }, 'no `wrist`'],
  [{ ...DROID, state: { a: 7, b: 2 } }, 'its parts have 9 numbers, and state_dim is 8'],
  [{ ...DROID, state: 7 }, 'observation_keys.state'],
])('a mapping that does not fit is refused: %j', async (keys, why) => {
  await expect(Policy.load(withKeys(`bad ${why}`, keys), { device: 'cpu' })).rejects.toThrow(why);
});
