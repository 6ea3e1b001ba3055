import { join, resolve } from 'node:path';
import {
  type Config,
  configToYaml,
  replayCapacity,
  resolveModelPath,
  transitionsPerRollout,
} from '../config/index.js';
import type { Environments, EpisodeRecord, Film } from '../envs/index.js';
import { CheckpointError, UsageError } from '../errors.js';
import { Agent, Learner, Replay, type Runtime, type VecEnvBackend } from '../native/index.js';
import {
  FrozenPolicy,
  type PolicyContract,
  readContract,
  refuseUnfit,
  type SteeringFile,
} from '../policy/index.js';
import type { Abortable } from '../signal.js';
import { resolveCheckpoint } from './checkpoint.js';
import {
  type CheckpointState,
  type Counters,
  FORMAT,
  freshStep,
  readCheckpointState,
  type StepUnderWay,
} from './checkpoint-state.js';
import {
  createBackend,
  createEnvironments,
  type SamplingPolicy,
  trainingSchedule,
} from './environments.js';
import { refuseOtherPolicy } from './resume.js';
import { versions } from './run-folder.js';
import { learnerSettings, networkSizes } from './settings.js';

/** One point of the learning curve. */
export interface HistoryPoint {
  envSteps: number;
  /** NaN where no episode ended. */
  success: number;
  evalSuccess?: number;
}

/** Everything that a training holds. */
export interface Session {
  config: Config;
  /** The same as YAML, for every checkpoint: writing it out takes milliseconds. */
  configText: string;
  runtime: Runtime;
  policy: FrozenPolicy;
  agent: Agent;
  learner: Learner;
  replay: Replay;
  envs: Environments;
  counters: Counters;
  step: StepUnderWay;
  history: HistoryPoint[];
  onEpisode: ((episode: EpisodeRecord) => void) | undefined;
  /** Disposes of all that was made for it, the policy too; a caller's backend goes on. */
  close(): void;
}

interface SessionOptions extends Abortable {
  checkpoint?: string | undefined;
  backend?: VecEnvBackend | undefined;
  onEpisode?: ((episode: EpisodeRecord) => void) | undefined;
  film?: Film | undefined;
  /** Told of what the environments had to mend. */
  warn?: ((text: string) => void) | undefined;
}

/**
 * Makes the parts of a run, fresh or as a checkpoint has them. What does not fit is refused before
 * the policy's weights are read, which can take minutes.
 *
 * @throws the signal's reason; nothing is left open then
 */
export async function openSession(
  config: Config,
  runtime: Runtime,
  options: SessionOptions,
): Promise<Session> {
  const { signal, warn } = options;
  signal?.throwIfAborted();
  const folder = resolveModelPath(config);
  const contract = readContract(folder);
  refuseUnfit(contract, config);
  const numEnvs = config.env.train.total_num_envs;
  const { cameras } = contract;
  const made: { dispose?(): void }[] = [];
  const own: Owner = (part) => {
    made.push(part);
    return part;
  };
  const close = () => {
    for (const part of made.splice(0).reverse()) part.dispose?.();
  };
  try {
    const backend =
      options.backend ??
      own(await createBackend(runtime, config, 'train', numEnvs, { cameras, warn }));
    checkBackend(backend, numEnvs, contract);
    const policy = own(await FrozenPolicy.open(runtime, folder, { signal }));
    return await makeSession({ config, runtime, policy, backend, own, close }, options);
  } catch (error) {
    close();
    throw error;
  }
}

/** Remembers what `close` is to dispose of; gives it back. */
type Owner = <Part extends { dispose?(): void }>(part: Part) => Part;

interface Opened extends Pick<Session, 'config' | 'runtime' | 'policy' | 'close'> {
  backend: VecEnvBackend;
  own: Owner;
}

async function makeSession(
  { config, runtime, policy, backend, own, close }: Opened,
  options: SessionOptions,
): Promise<Session> {
  const seed = BigInt(config.seed);
  const sizes = networkSizes(config);
  const schedule = trainingSchedule(runtime, config, backend.numTasks);
  const session: Session = {
    config,
    configText: configToYaml(config),
    runtime,
    policy,
    agent: own(new Agent(runtime, sizes, seed)),
    learner: own(new Learner(runtime, learnerSettings(config), seed)),
    replay: own(
      new Replay(
        runtime,
        sizes,
        replayCapacity(config),
        backend.numEnvs,
        config.algorithm.replay_buffer.device === 'cuda' ? runtime.device : 'cpu',
      ),
    ),
    envs: createEnvironments(runtime, config, 'train', backend, schedule, options.film),
    counters: {
      globalSteps: 0,
      rollouts: 0,
      decisions: 0,
      envSteps: 0,
      chunks: 0,
      updates: 0,
      trainSeconds: 0,
    },
    step: freshStep(),
    history: [],
    onEpisode: options.onEpisode,
    close,
  };
  if (options.checkpoint !== undefined) await restore(session, options.checkpoint, options);
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

async function restore(session: Session, checkpoint: string, { signal }: Abortable): Promise<void> {
  const { learner, replay, envs, policy } = session;
  const state = readCheckpointState(checkpoint);
  refuseOtherPolicy(checkpoint, state, policy.metadata);
  const { started, slots } = state.environments;
  if (started && slots.length !== envs.numEnvs) {
    throw new CheckpointError(
      'ERR_DSRL_CHECKPOINT_DAMAGED',
      `${join(checkpoint, 'state.json')} has ${slots.length} environments, not ${envs.numEnvs}`,
      { hint: 'use another step_N of the same run' },
    );
  }
  learner.loadAgent(join(checkpoint, 'agent.safetensors'));
  learner.loadTarget(join(checkpoint, 'target.safetensors'));
  learner.loadOptimizer(join(checkpoint, 'optimizer.safetensors'));
  learner.updates = state.counters.updates;
  await replay.load(join(checkpoint, 'replay'), { signal });
  await envs.load(state.environments, { signal });
  Object.assign(session.counters, state.counters);
  session.step = state.step;
  session.history = state.history.map((point) => {
    const { envSteps, success, evalSuccess } = point;
    const rest = evalSuccess === undefined ? {} : { evalSuccess };
    return { envSteps, success: success ?? Number.NaN, ...rest };
  });
}

/** A backend of the caller's has to be what the configuration and the policy say. */
function checkBackend(backend: VecEnvBackend, numEnvs: number, policy: PolicyContract): void {
  const { action_dim } = policy;
  const envs = `set env.train.total_num_envs to ${backend.numEnvs}`;
  const actions = `name a policy of ${backend.actionDim} numbers an action: actor.model.model_path`;
  const differences = [
    ['numEnvs', backend.numEnvs, 'env.train.total_num_envs', numEnvs, envs],
    ['actionDim', backend.actionDim, "the policy's action_dim", action_dim, actions],
  ] as const;
  for (const [property, found, key, expected, hint] of differences) {
    if (found === expected) continue;
    throw new UsageError(
      'ERR_DSRL_BACKEND',
      `the environment's ${property} is ${found}, ${key} is ${expected}`,
      { hint },
    );
  }
}

/** What state.json says of a session, between two chunks or two updates. */
export function checkpointState(session: Session): CheckpointState {
  const { config, configText, runtime, counters, envs, history, step, policy } = session;
  const { name, sha256 } = policy.metadata;
  return {
    format: FORMAT,
    seed: config.seed,
    counters: { ...counters },
    step,
    environments: envs.save(),
    history: history.map((point) => ({
      ...point,
      success: Number.isNaN(point.success) ? null : point.success,
    })),
    config: configText,
    policy: { name, sha256: sha256['policy.pt'] },
    frame: { source: 'first_camera', size: config.actor.model.openpi.dsrl_image_size },
    versions: versions(runtime),
  };
}

/** What makes a checkpoint a policy that needs no configuration. */
export function steeringOf({ config, policy, learner }: Session): SteeringFile {
  const { num_action_chunks, num_steps } = config.actor.model;
  const sha256 = policy.metadata.sha256['policy.pt'];
  return {
    policy: { folder: resolve(resolveModelPath(config)), sha256 },
    sizes: networkSizes(config),
    version: learner.updates,
    seed: config.seed,
    chunk: num_action_chunks,
    num_steps,
  };
}

/**
 * An agent with a checkpoint's weights, for evaluation with `policy`; the caller's to dispose of.
 *
 * @throws CheckpointError where the checkpoint is damaged, or was made with another policy
 */
export function loadAgent(
  config: Config,
  runtime: Runtime,
  checkpoint: string,
  policy: SamplingPolicy,
): Agent {
  const folder = resolveCheckpoint(checkpoint);
  const state = readCheckpointState(folder);
  refuseOtherPolicy(folder, state, policy.metadata);
  const agent = new Agent(runtime, networkSizes(config), BigInt(config.seed));
  try {
    agent.load(join(folder, 'agent.safetensors'), state.counters.updates);
    return agent;
  } catch (error) {
    agent.dispose();
    throw error;
  }
}

/** Rollouts that the replay holds, counting whole ones. */
export function heldRollouts({ config, counters }: Session): number {
  return Math.min(
    counters.rollouts,
    Math.floor(replayCapacity(config) / transitionsPerRollout(config)),
  );
}
