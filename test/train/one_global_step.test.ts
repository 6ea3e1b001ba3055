import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import {
  Agent,
  type BackendObservation,
  type Config,
  composeConfig,
  createProgress,
  createRuntime,
  Environments,
  FrozenPolicy,
  Learner,
  learnerSettings,
  networkSizes,
  Replay,
  ResetSchedule,
  randomNormal,
  replayCapacity,
  resolveModelPath,
  selectResets,
  TabletopBackend,
  Tensor,
  train,
  type VecEnvBackend,
} from '../../lib/index.js';

const ENVS = 4;
const UPDATES = 3;
const GLOBAL_STEPS = 3;
const CHUNKS = 12; // 60 steps a rollout in chunks of 5

const runtime = createRuntime({ device: 'cpu' });
const root = mkdtempSync(join(tmpdir(), 'dsrl-loop-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** `train`'s loop in a user's hands: handles alone, without evaluation, metrics and checkpoints. */
// loop: begin
async function loop(config: Config, backend: VecEnvBackend, firstDecision = 0): Promise<Learner> {
  const { env, algorithm, actor } = config;
  const seed = BigInt(config.seed);
  const sizes = networkSizes(config);
  const policy = FrozenPolicy.load(runtime, resolveModelPath(config));
  const learner = new Learner(runtime, learnerSettings(config), seed);
  const agent = new Agent(runtime, sizes, seed);
  const replay = new Replay(runtime, sizes, replayCapacity(config), backend.numEnvs);
  const { trials, max_episode_steps: maxEpisodeSteps, auto_reset: autoReset } = env.train;
  const { numTasks } = backend;
  const all = { trialsPerTask: 50, taskIds: null, specificResetId: null };
  const resets = selectResets({ numTasks, trials, ...all });
  const schedule = new ResetSchedule(resets, (pass, count) =>
    Float32Array.from(randomNormal(runtime, seed, 'env.reset', pass, 1, count).read(), Number),
  );
  const { gamma, chunk_reward: chunkReward } = algorithm;
  const frameSize = actor.model.openpi.dsrl_image_size;
  const chunk = actor.model.num_action_chunks;
  const episodes = { chunk, maxEpisodeSteps, autoReset, chunkReward, gamma };
  const envs = new Environments({ runtime, backend, schedule, frameSize, ...episodes });
  let decision = firstDecision;
  learner.publish(agent);
  for (let step = 0; step < GLOBAL_STEPS; step++) {
    let obs = await envs.startRollout();
    for (let i = 0; i < CHUNKS && !envs.allDone; i++) {
      const noise = await agent.act(obs, { step: decision++ });
      const actions = await policy.sample(obs, noise);
      const result = await envs.stepChunk(actions);
      const { frame: nextFrame, state: nextState } = result.next;
      replay.append({ ...obs, nextFrame, nextState, noise, version: agent.version, ...result });
      obs = result.obs;
    }
    await learner.update(UPDATES, replay);
    learner.publish(agent);
  }
  return learner;
}
// loop: end

/**
 * A hand that moves by its actions and succeeds once it has come down far enough: an environment
 * in JavaScript, whose episodes end both ways.
 */
class JavaScriptBackend implements VecEnvBackend {
  readonly numEnvs = ENVS;
  readonly numTasks = 2;
  readonly numTrials = 25;
  readonly actionDim = 7;
  successes = 0;
  restores = 0;
  readonly #states = new Float32Array(ENVS * 8);

  prompt(): string {
    return 'tidy';
  }

  restore(env: number, task: number, trial: number): void {
    const state = [0.4 + 0.2 * task, 0.3 + 0.01 * trial, 0.4, Math.PI, 0, 0, 0.02, -0.02];
    this.#states.set(state, env * 8);
    this.restores += 1;
  }

  observe(): BackendObservation {
    const side = 64;
    const size = side * side * 3;
    const pixels = new Uint8Array(ENVS * size);
    for (let i = 0; i < pixels.length; i++) {
      const state = this.#states[Math.floor(i / size) * 8 + (i % 3)] as number;
      pixels[i] = (Math.round(255 * state) + (i % side)) & 255;
    }
    return {
      images: { main: Tensor.from(runtime, pixels, [ENVS, side, side, 3], 'uint8') },
      state: Tensor.from(runtime, this.#states, [ENVS, 8], 'float32'),
    };
  }

  async stepChunk(actions: Tensor, limit: Int32Array) {
    const values = Float32Array.from(actions.read(), Number);
    const chunk = actions.shape[1] as number;
    const success = new Uint8Array(ENVS * chunk);
    const executed = new Int32Array(ENVS);
    for (let env = 0; env < ENVS; env++) {
      for (let step = 0; step < (limit[env] as number); step++) {
        const action = (env * chunk + step) * 7;
        for (let axis = 0; axis < 3; axis++) {
          const moved = (this.#states[env * 8 + axis] as number) + 0.02 * at(values, action + axis);
          this.#states[env * 8 + axis] = Math.min(1, Math.max(0, moved));
        }
        executed[env] = step + 1;
        if (at(this.#states, env * 8 + 2) >= 0.2) continue;
        success[env * chunk + step] = 1;
        this.successes += 1;
        break;
      }
    }
    return { observation: this.observe(), success, executed, failure: new Int32Array(ENVS) };
  }
}

function at(values: Float32Array, index: number): number {
  return values[index] as number;
}

function configured(...more: string[]): Config {
  const small = [
    `algorithm.update_epoch=${UPDATES}`,
    `env.train.total_num_envs=${ENVS}`,
    `runner.max_steps=${GLOBAL_STEPS}`,
    ...more,
  ];
  return composeConfig({ recipe: 'tabletop', overrides: small }).config;
}

function tabletop(config: Config): TabletopBackend {
  const seed = BigInt(config.env.train.seed);
  return new TabletopBackend(runtime, { numEnvs: ENVS, seed, imageSize: 64 });
}

type Saved = Record<'agent' | 'target' | 'optimizer', string>;

function saved(folder: string): Saved {
  const bytes = (name: string) =>
    readFileSync(join(folder, `${name}.safetensors`)).toString('base64');
  return { agent: bytes('agent'), target: bytes('target'), optimizer: bytes('optimizer') };
}

async function byLoop(config: Config, backend: VecEnvBackend, first?: number): Promise<Saved> {
  const learner = await loop(config, backend, first);
  const folder = mkdtempSync(join(root, 'loop-'));
  await learner.saveAgent(join(folder, 'agent.safetensors'));
  await learner.saveTarget(join(folder, 'target.safetensors'));
  await learner.saveOptimizer(join(folder, 'optimizer.safetensors'));
  return saved(folder);
}

async function byTrain(config: Config, backend?: VecEnvBackend): Promise<Saved> {
  const progress = createProgress({ format: 'quiet', totalSteps: GLOBAL_STEPS });
  const runDir = join(mkdtempSync(join(root, 'train-')), 'run');
  const { checkpoint, updates } = await train({ config, runtime, runDir, progress, backend });
  expect(updates).toBe(GLOBAL_STEPS * UPDATES);
  return saved(checkpoint as string);
}

/** Not `toEqual`: a difference would print megabytes. */
function same(a: Saved, b: Saved): Record<keyof Saved, boolean> {
  const { agent, target, optimizer } = a;
  return {
    agent: agent === b.agent,
    target: target === b.target,
    optimizer: optimizer === b.optimizer,
  };
}

const EQUAL = { agent: true, target: true, optimizer: true };

test('the loop takes at most 40 lines', () => {
  const lines = readFileSync(fileURLToPath(import.meta.url), 'utf8').split('\n');
  const begin = lines.indexOf('// loop: begin');
  const end = lines.indexOf('// loop: end');
  expect(begin).toBeGreaterThan(0);
  expect(end - begin - 1).toBeGreaterThan(20);
  expect(end - begin - 1).toBeLessThanOrEqual(40);
});

test.each(['True', 'False'])('with auto_reset %s it is train, bit for bit', async (autoReset) => {
  const config = configured(`env.train.auto_reset=${autoReset}`);
  const trained = await byTrain(config);
  expect(same(await byLoop(config, tabletop(config)), trained)).toEqual(EQUAL);
});

test('a JavaScript environment trains the same way', async () => {
  const config = configured();
  const backends = [new JavaScriptBackend(), new JavaScriptBackend()] as const;
  const trained = await byTrain(config, backends[0]);
  expect(same(await byLoop(config, backends[1]), trained)).toEqual(EQUAL);
  const { successes, restores } = backends[0];
  expect(successes).toBeGreaterThan(0);
  expect(restores - ENVS).toBeGreaterThan(successes); // the others ran out of steps
  expect(backends[1].successes).toBe(successes);
});

test("a backend's prompt reaches the policy", async () => {
  const config = configured();
  const other = tabletop(config);
  other.prompt = () => 'mess';
  const trained = await byTrain(config);
  expect(same(await byTrain(config, tabletop(config)), trained)).toEqual(EQUAL);
  expect(same(await byTrain(config, other), trained).agent).toBe(false);
});

test('other draws of the noise reach other parameters', async () => {
  const config = configured();
  const trained = await byTrain(config);
  expect(same(await byLoop(config, tabletop(config), 1), trained)).toEqual({
    agent: false,
    target: false,
    optimizer: false,
  });
});
