import { join } from 'node:path';
import {
  type Config,
  configToYaml,
  replayCapacity,
  resolveModelPath,
  sampleWindow,
  transitionsPerRollout,
} from '../config/index.js';
import type { Environments } from '../envs/index.js';
import { CheckpointError } from '../errors.js';
import { Agent, Learner, Replay, type Runtime, type VecEnvBackend } from '../native/index.js';
import { FrozenPolicy } from '../policy/index.js';
import {
  type CheckpointState,
  type Counters,
  FORMAT,
  readCheckpointState,
  resolveCheckpoint,
} from './checkpoint.js';
import { createBackend, createEnvironments, trainingSchedule } from './environments.js';
import { versions } from './run-folder.js';
import { learnerSettings, networkSizes } from './settings.js';

export interface HistoryPoint {
  envSteps: number;
  /** NaN where no episode ended. */
  success: number;
  evalSuccess?: number;
}

/** Everything that a training holds. */
export interface Session {
  config: Config;
  runtime: Runtime;
  policy: FrozenPolicy;
  agent: Agent;
  learner: Learner;
  replay: Replay;
  envs: Environments;
  counters: Counters;
  history: HistoryPoint[];
}

/** Makes the parts of a run, fresh or as a checkpoint has them. */
export async function openSession(
  config: Config,
  runtime: Runtime,
  options: { checkpoint?: string | undefined; backend?: VecEnvBackend | undefined },
): Promise<Session> {
  const policy = FrozenPolicy.load(runtime, resolveModelPath(config));
  policy.checkFits(config);
  const seed = BigInt(config.seed);
  const sizes = networkSizes(config);
  const numEnvs = config.env.train.total_num_envs;
  const backend = options.backend ?? createBackend(runtime, config, 'train', numEnvs);
  const schedule = trainingSchedule(runtime, config, backend.numTasks);
  const session: Session = {
    config,
    runtime,
    policy,
    agent: new Agent(runtime, sizes, seed),
    learner: new Learner(runtime, learnerSettings(config), seed),
    replay: new Replay(
      runtime,
      sizes,
      // What has left the sample window is never drawn again, so it is not kept either.
      sampleWindow(config),
      backend.numEnvs,
      config.algorithm.replay_buffer.device === 'cuda' ? runtime.device : 'cpu',
    ),
    envs: createEnvironments(runtime, config, 'train', backend, schedule),
    counters: {
      globalSteps: 0,
      rollouts: 0,
      decisions: 0,
      envSteps: 0,
      chunks: 0,
      updates: 0,
      trainSeconds: 0,
    },
    history: [],
  };
  if (options.checkpoint !== undefined) await restore(session, options.checkpoint);
  else startFrom(session);
  session.learner.publish(session.agent);
  return session;
}

/** `runner.ckpt_path`: the weights of an earlier agent, everything else fresh. */
function startFrom({ config, learner }: Session): void {
  const path = config.runner.ckpt_path;
  if (path === null) return;
  learner.loadAgent(join(resolveCheckpoint(path), 'agent.safetensors'));
  learner.resetTarget();
}

async function restore(session: Session, checkpoint: string): Promise<void> {
  const { config, learner, replay, envs } = session;
  const state = readCheckpointState(checkpoint);
  checkFits(config, state, envs.numEnvs, checkpoint);
  learner.loadAgent(join(checkpoint, 'agent.safetensors'));
  learner.loadTarget(join(checkpoint, 'target.safetensors'));
  learner.loadOptimizer(join(checkpoint, 'optimizer.safetensors'));
  learner.updates = state.counters.updates;
  await replay.load(join(checkpoint, 'replay'));
  await envs.load(state.environments);
  Object.assign(session.counters, state.counters);
  session.history = state.history.map((point) => {
    const { envSteps, success, evalSuccess } = point;
    const rest = evalSuccess === undefined ? {} : { evalSuccess };
    return { envSteps, success: success ?? Number.NaN, ...rest };
  });
}

function checkFits(
  config: Config,
  state: CheckpointState,
  numEnvs: number,
  checkpoint: string,
): void {
  const size = config.actor.model.openpi.dsrl_image_size;
  const slots = state.environments.slots.length;
  const differences = [
    ['actor.model.openpi.dsrl_image_size', size, state.frame.size],
    ['seed', config.seed, state.seed],
    ['env.train.total_num_envs', numEnvs, slots === 0 ? numEnvs : slots],
  ] as const;
  for (const [key, configured, saved] of differences) {
    if (configured === saved) continue;
    throw new CheckpointError(
      'ERR_DSRL_CHECKPOINT_MISMATCH',
      `the checkpoint ${checkpoint} has ${key} ${saved}, the configuration ${configured}`,
      { hint: `type \`${key}=${saved}\`, or begin a new run` },
    );
  }
}

/** What state.json says of a session, at the border of a global step. */
export function checkpointState(session: Session): CheckpointState {
  const { config, runtime, counters, envs, history } = session;
  return {
    format: FORMAT,
    seed: config.seed,
    counters: { ...counters },
    environments: envs.save(),
    history: history.map((point) => ({
      ...point,
      success: Number.isNaN(point.success) ? null : point.success,
    })),
    config: configToYaml(config),
    frame: { source: 'first_camera', size: config.actor.model.openpi.dsrl_image_size },
    versions: versions(runtime),
  };
}

/** An agent with a checkpoint's weights, for evaluation. */
export function loadAgent(config: Config, runtime: Runtime, checkpoint: string): Agent {
  const folder = resolveCheckpoint(checkpoint);
  const { counters } = readCheckpointState(folder);
  const agent = new Agent(runtime, networkSizes(config), BigInt(config.seed));
  agent.load(join(folder, 'agent.safetensors'), counters.updates);
  return agent;
}

/** Rollouts that the replay holds, counting whole ones. */
export function heldRollouts({ config, counters }: Session): number {
  return Math.min(
    counters.rollouts,
    Math.floor(replayCapacity(config) / transitionsPerRollout(config)),
  );
}
