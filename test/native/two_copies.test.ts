import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { findCores } from '../../lib/torch/cores.js';
import { currentSurroundings } from '../../lib/torch/surroundings.js';

const folder = mkdtempSync(join(tmpdir(), 'dsrl-copies-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** The package as installed: two of a user's dependencies may each bring their own. */
function installCopy(name: string): string {
  const { packageRoot, env } = currentSurroundings();
  const cores = findCores(currentSurroundings()).map(({ minor, file }) => ({
    from: dirname(file),
    to: join('build', `torch${minor}`),
  }));
  // node-gyp-build's switch: the copy, too, looks for what is published alone.
  const native = env.PREBUILDS_ONLY ? 'prebuilds' : 'build/Release';
  const paths = ['package.json', 'dist', 'configs', 'build/torch.json', native];
  const rest = paths.map((path) => ({ from: join(packageRoot, path), to: path }));
  for (const { from, to } of [...rest, ...cores]) {
    cpSync(from, join(folder, name, to), { recursive: true, dereference: true });
  }
  symlinkSync(join(packageRoot, 'node_modules'), join(folder, name, 'node_modules'));
  return pathToFileURL(join(folder, name, 'dist', 'index.js')).href;
}

/** Makes a tensor with either copy, and lets the second one's agent act on each. */
const script = (first: string, second: string) => `
const [one, other] = await Promise.all(
  ${JSON.stringify([first, second])}.map((library) => import(library)));
const { config } = one.composeConfig({ recipe: 'tabletop', overrides: [] });
const sizes = one.networkSizes(config);
const side = sizes.image_size;
const make = ({ Tensor, createRuntime }) => {
  const runtime = createRuntime({ device: 'cpu' });
  const frame = Tensor.from(runtime, new Uint8Array(side * side * 3), [1, side, side, 3]);
  const state = Tensor.from(runtime, new Float32Array(sizes.state_dim), [1, sizes.state_dim]);
  return { runtime, observation: { frame, state } };
};
const foreign = make(one);
const { runtime, observation } = make(other);
const agent = new other.Agent(runtime, sizes, 1n);
const refused = await agent.act(foreign.observation, { step: 0 }).catch((error) => error);
const { shape } = await agent.act(observation, { step: 0 });
const { name, code, message } = refused;
console.log(JSON.stringify({ name, code, message, shape, own: foreign.observation.state.shape }));
`;

test('a handle of another copy of the package is refused, and both copies go on', () => {
  const file = join(folder, 'two.mjs');
  writeFileSync(file, script(installCopy('first'), installCopy('second')));
  const { stdout, stderr, status } = spawnSync(process.execPath, [file], { encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(JSON.parse(stdout)).toEqual({
    name: 'UsageError',
    code: 'ERR_DSRL_HANDLE',
    message: expect.stringContaining('another copy of this package'),
    shape: [1, 32],
    own: [1, 8],
  });
});
