// One training and its evaluations, in a process of its own so that its memory is its own:
//
//   node scripts/test-learning/agent.mjs '{"seed": 0, "environment": "tabletop", ...}'
//
// The request is described in controls.mjs. The last line of stdout is one JSON object.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
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
  TabletopBackend,
  train,
} from '../../dist/index.js';
import { BlackFrame, blackened, PermutedOutcomes } from './backends.mjs';

const GOAL = 0.9;
const runtime = createRuntime({ device: 'cpu' });

/** Undefined for tabletop as the configuration has it. */
function backendOf(environment, config) {
  if (environment === 'tabletop') return undefined;
  const inner = new TabletopBackend(runtime, {
    numEnvs: config.env.train.total_num_envs,
    seed: BigInt(config.env.train.seed),
    imageSize: 64,
  });
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

function rowsOf(run) {
  return readFileSync(join(run, 'metrics.jsonl'), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

const { seed, environment, overrides = [], evaluations } = JSON.parse(process.argv[2]);
const { config } = composeConfig({
  recipe: 'tabletop',
  overrides: [`seed=${seed}`, 'runner.save_interval=-1', ...overrides],
});
const folder = mkdtempSync(join(tmpdir(), 'dsrl-learning-'));
try {
  const summary = await train({
    config,
    runtime,
    runDir: join(folder, 'run'),
    progress: createProgress({ format: 'quiet', totalSteps: config.runner.max_steps }),
    backend: backendOf(environment, config),
  });
  const rows = rowsOf(summary.run);
  const agents = {
    trained: loadAgent(config, runtime, summary.checkpoint),
    fresh: freshAgent(config),
  };
  const policy = FrozenPolicy.load(runtime, resolveModelPath(config));
  const results = {};
  for (const [name, it] of Object.entries(evaluations)) {
    const trials = `env.eval.trials=[${it.trials ?? [0, 25]}]`;
    results[name] = await evaluate({
      config: composeConfig({ recipe: 'tabletop', overrides: [`seed=${seed}`, trials] }).config,
      runtime,
      policy,
      agent: it.agent === null ? null : acting(agents[it.agent], it),
      noise: it.noise,
      repeats: it.repeats,
    });
  }
  const reached = rows.find((row) => row['eval/success_once'] >= GOAL);
  const answer = {
    results,
    updates: summary.updates,
    trainSeconds: summary.trainSeconds,
    secondsTo90: reached?.seconds ?? null,
    updatesTo90: reached?.updates ?? null,
    entropy: rows.at(-1)['train/actor/entropy'],
    rss: process.resourceUsage().maxRSS * 1024,
  };
  process.stdout.write(`${JSON.stringify(answer)}\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
