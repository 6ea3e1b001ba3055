// One training and its evaluations, in a process of its own so that its memory is its own:
//
//   node scripts/test-learning/agent.mjs '{"recipe": "tabletop", "seed": 0, ...}'
//
// The request is described in training.mjs. The last line of stdout is one JSON object. A signal
// leaves a checkpoint in a run that is kept; a second one ends at once.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { STOPPING, stoppable } from '../../dist/cli/signals.js';
import {
  AbortedError,
  Agent,
  composeConfig,
  createProgress,
  createRuntime,
  evaluate,
  FrozenPolicy,
  Learner,
  learnerSettings,
  loadAgent,
  networkSizes,
  resolveModelPath,
  train,
} from '../../dist/index.js';
import { createBackend } from '../../dist/train/environments.js';
import { goOnOrBegin } from '../../dist/train/run-folder.js';
import { BlackFrame, blackened, PermutedOutcomes } from './backends.mjs';
import { rowsOf } from './run-training.mjs';

const GOAL = 0.9;
const runtime = createRuntime({ device: 'cpu' });

/** Undefined where it is the configuration's own. */
async function backendOf(environment, config, { cameras }) {
  if (environment === 'own') return undefined;
  const { total_num_envs: envs } = config.env.train;
  const inner = await createBackend(runtime, config, 'train', envs, { cameras });
  return environment === 'permuted' ? new PermutedOutcomes(inner) : new BlackFrame(inner, runtime);
}

/** The agent's acts as an evaluation asks for them. */
function acting(agent, { stochastic = false, black = false }) {
  return {
    act({ frame, state }, { step }) {
      const seen = black ? blackened(runtime, frame) : frame;
      return agent.act({ frame: seen, state }, { step, deterministic: !stochastic });
    },
  };
}

function freshAgent(config) {
  const seed = BigInt(config.seed);
  const agent = new Agent(runtime, networkSizes(config), seed);
  new Learner(runtime, learnerSettings(config), seed).publish(agent);
  return agent;
}

const { recipe, seed, environment, overrides, evaluations, keep } = JSON.parse(process.argv[2]);
const seeded = (more) => {
  return composeConfig({ recipe, overrides: [`seed=${seed}`, ...more] }).config;
};
const config = seeded([...(keep === undefined ? ['runner.save_interval=-1'] : []), ...overrides]);
const policy = FrozenPolicy.load(runtime, resolveModelPath(config));
const folder = keep ?? mkdtempSync(join(tmpdir(), 'dsrl-learning-'));
const runDir = join(folder, 'run');
try {
  const request = {
    config,
    runtime,
    ...goOnOrBegin(runDir, (text) => process.stderr.write(`${text}\n`)),
    progress: createProgress({ format: 'quiet', totalSteps: config.runner.max_steps }),
    backend: await backendOf(environment, config, policy.metadata),
  };
  const { result: summary, stopped } = await stoppable(
    (signal) => train({ ...request, signal }),
    STOPPING,
    () => '',
  );
  if (stopped !== null) throw stopped;
  const rows = rowsOf(summary.run);
  const agents = {
    trained: loadAgent(config, runtime, summary.checkpoint, policy),
    fresh: freshAgent(config),
  };
  const results = {};
  for (const [name, it] of Object.entries(evaluations)) {
    const episodes = [];
    const result = await evaluate({
      config: seeded([...overrides, ...(it.overrides ?? [])]),
      runtime,
      policy,
      agent: it.agent === null ? null : acting(agents[it.agent], it),
      noise: it.noise,
      repeats: it.repeats,
      wave: it.wave,
      onEpisode: ({ task, trial, success, length }) => {
        episodes.push({ scene: `${task}:${trial}`, success, length });
      },
    });
    results[name] = it.listed ? { ...result, listed: episodes } : result;
  }
  const reached = rows.find((row) => row['eval/success_once'] >= GOAL);
  const answer = {
    results,
    envSteps: summary.envSteps,
    updates: summary.updates,
    trainSeconds: summary.trainSeconds,
    secondsTo90: reached?.seconds ?? null,
    updatesTo90: reached?.updates ?? null,
    entropy: rows.at(-1)['train/actor/entropy'],
    rss: process.resourceUsage().maxRSS * 1024,
  };
  process.stdout.write(`${JSON.stringify(answer)}\n`);
} catch (error) {
  if (!(error instanceof AbortedError)) throw error;
  process.exitCode = error.exitCode;
} finally {
  if (keep === undefined) rmSync(folder, { recursive: true, force: true });
}
