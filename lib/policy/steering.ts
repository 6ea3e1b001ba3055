import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { findCheckpoint } from '../checkpoint-folder.js';
import { PolicyError } from '../errors.js';
import { Agent, type AgentNoise, type NetworkSizes, type Runtime } from '../native/index.js';
import { MOST_STEPS } from './contract.js';

/** In every checkpoint: what makes it a policy that needs no configuration. */
const FILE = 'steering.json';
const FORMAT = 'dsrl-native-steering/1';

const count = z.int().min(0);
const lengths = z.array(z.int().min(1));

const schema = z.strictObject({
  format: z.literal(FORMAT),
  /** The frozen policy that the agent steers: where it lay, and which one it is. */
  policy: z.strictObject({ folder: z.string(), sha256: z.string() }),
  /** The agent's networks. */
  sizes: z.strictObject({
    image_size: count,
    image_channels: lengths,
    image_kernels: lengths,
    image_strides: lengths,
    image_latent_dim: count,
    state_dim: count,
    state_latent_dim: count,
    noise_dim: count,
    hidden_dims: lengths,
    num_q_heads: count,
    noise_magnitude: z.number().positive(),
  }),
  /** Updates that the agent has behind it. */
  version: count,
  seed: z.int().min(0),
  /** Actions of a chunk that were executed in training, of the policy's horizon. */
  chunk: z.int().min(1),
  /** Euler steps of the flow in training. */
  num_steps: z.int().min(1).max(MOST_STEPS).nullable(),
});

export type SteeringFile = Omit<z.output<typeof schema>, 'format'>;

/** Writes steering.json beside a checkpoint's agent.safetensors. */
export function writeSteering(checkpoint: string, steering: SteeringFile): void {
  const text = JSON.stringify({ format: FORMAT, ...steering }, null, 1);
  writeFileSync(join(checkpoint, FILE), `${text}\n`);
}

/** The checkpoint that `path` means, a run's last one above all; null for another folder. */
export function findSteered(path: string): string | null {
  return findCheckpoint(path, FILE);
}

/** @throws PolicyError ERR_DSRL_POLICY_DAMAGED */
export function readSteering(checkpoint: string): SteeringFile {
  const file = join(checkpoint, FILE);
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    json = null;
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new PolicyError('ERR_DSRL_POLICY_DAMAGED', `${file}: ${z.prettifyError(parsed.error)}`, {
    hint: 'use another checkpoint of the same run',
    cause: parsed.error,
  });
}

/** The agent of a checkpoint, as it chooses the frozen policy's noise. */
export class Steering {
  private readonly agent: Agent;
  private step = 0;

  constructor(
    runtime: Runtime,
    readonly file: SteeringFile,
    checkpoint: string,
  ) {
    this.agent = new Agent(runtime, file.sizes as NetworkSizes, BigInt(file.seed));
    this.agent.load(join(checkpoint, 'agent.safetensors'), file.version);
  }

  dispose(): void {
    this.agent.dispose();
  }

  /** The noise of the next call; sampled draws differ from call to call. */
  noise(deterministic: boolean): AgentNoise {
    return { agent: this.agent, step: this.step++, deterministic };
  }
}
