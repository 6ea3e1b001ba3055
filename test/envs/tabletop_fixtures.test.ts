import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { createRuntime, TabletopBackend, Tensor } from '../../lib/native/index.js';

// Recorded by python/tabletop, a numpy implementation by another author (record_fixtures.py).
const fixtures = new URL('../fixtures/tabletop/', import.meta.url);
const json = (name: string) => JSON.parse(readFileSync(new URL(name, fixtures), 'utf8'));

interface Step {
  action: number[];
  qpos: number[];
  observation: number[];
  success: boolean;
}
interface Trace {
  seed: number;
  task: number;
  trial: number;
  initial: number[];
  steps: Step[];
}

const runtime = createRuntime({ device: 'cpu' });
const tabletop = (seed = 0n) => new TabletopBackend(runtime, { numEnvs: 1, seed, imageSize: 64 });
/** A backend's saved state is the task, then its qpos. */
const qpos = (backend: TabletopBackend) => [...backend.saveState().slice(1)];

async function follow(backend: TabletopBackend, steps: Step[]): Promise<void> {
  for (const [index, { action, ...expected }] of steps.entries()) {
    const actions = Tensor.from(runtime, Float32Array.from(action), [1, 1, 7]);
    const result = await backend.stepChunk(actions, Int32Array.of(1));
    expect(qpos(backend), `qpos after step ${index}`).toEqual(expected.qpos);
    expect(result.success[0] === 1, `success of step ${index}`).toBe(Boolean(expected.success));
    const observation = [...result.observation.state.read()];
    expect(observation, `observation ${index}`).toEqual(expected.observation.map(Math.fround));
  }
}

it('follows the recorded traces to the last bit', async () => {
  const { random } = json('trace.json') as { random: Trace[] };
  expect(random.length).toBeGreaterThan(3);
  for (const { seed, task, trial, initial, steps } of random) {
    const backend = tabletop(BigInt(seed));
    backend.restore(0, task, trial);
    expect(qpos(backend)).toEqual(initial);
    await follow(backend, steps);
  }
});

it('follows the ten steps that were worked out by hand', async () => {
  const { hand } = json('trace.json');
  const { position, bowls, plate } = hand.start;
  const backend = tabletop();
  backend.loadState(
    Float64Array.of(
      hand.task,
      ...position,
      0,
      0,
      0,
      1,
      -1,
      ...bowls[0],
      0,
      ...bowls[1],
      0,
      ...plate,
    ),
  );
  await follow(backend, hand.steps);
});

it('paints the recorded pictures, pixel by pixel', () => {
  const { shape, pictures } = json('pictures.json');
  const bytes = readFileSync(new URL('pictures.bin', fixtures));
  const size = shape[1] * shape[2] * shape[3];
  for (const [index, picture] of pictures.entries()) {
    const backend = tabletop();
    backend.loadState(Float64Array.of(picture.task, ...picture.qpos));
    const painted = backend.observe().images.main?.read();
    const recorded = bytes.subarray(index * size, (index + 1) * size);
    expect(Buffer.from(painted ?? []).equals(recorded), `picture ${index}`).toBe(true);
  }
});
