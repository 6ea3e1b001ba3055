import { UsageError } from '../errors.js';
import { type Runtime, randomNormal, Tensor } from '../native/index.js';
import type { PolicyContract } from './contract.js';

/**
 * The initial noise of one observation's flow, standard normal where the policy was not steered:
 * * a Float32Array: one noise, [noise_dim] and then used for all of the horizon, or
 *   [H * noise_dim], row by row;
 * * a list of those: M noises, M chunks of actions;
 * * a tensor float32 [M, noise_dim] or [M, H, noise_dim]: the same.
 */
export type Noise = Float32Array | readonly Float32Array[] | Tensor<'float32'>;

type Sizes = Pick<PolicyContract, 'horizon' | 'noise_dim'>;

/** Noises of a batch, in an array of its own. */
export interface NoiseBatch {
  /** [B * M, H, noise_dim] row by row, those of one observation adjacent. */
  values: Float32Array;
  /** M; null: one each, and no dimension for them in the answer. */
  perObservation: number | null;
}

/** @throws UsageError ERR_DSRL_NOISE for noises of the wrong size, or not as many for each */
export function noiseBatch(sizes: Sizes, noises: readonly Noise[]): NoiseBatch {
  const { horizon, noise_dim } = sizes;
  const rows = noises.map((noise) => noisesOf(sizes, noise));
  const [first = []] = rows;
  const single = noises.every((noise) => noise instanceof Float32Array);
  if (rows.some(({ length }) => length !== first.length) || first.length === 0) {
    throw refused(
      `the observations have ${rows.map(({ length }) => length).join(', ')} noises`,
      'give each observation as many, at least one',
    );
  }
  const values = new Float32Array(rows.length * first.length * horizon * noise_dim);
  let end = 0;
  for (const row of rows) {
    for (const noise of row) {
      // One that is given for a step of the horizon stands at all of them.
      for (const stop = end + horizon * noise_dim; end < stop; end += noise.length) {
        values.set(noise, end);
      }
    }
  }
  return { values, perObservation: single ? null : first.length };
}

/** Row b of draw n: the stream `policy` at (seed, step n, env b), N(0, I). */
export function drawnNoise(
  runtime: Runtime,
  { horizon, noise_dim }: Sizes,
  draw: { seed: bigint; step: number; rows: number },
): NoiseBatch {
  const columns = horizon * noise_dim;
  const flat = randomNormal(runtime, draw.seed, 'policy', draw.step, draw.rows, columns);
  const values = flat.read();
  flat.dispose();
  return { values, perObservation: null };
}

/** The noises of one observation, each [noise_dim] or [H * noise_dim]. */
function noisesOf(sizes: Sizes, noise: Noise): Float32Array[] {
  if (noise instanceof Float32Array) return [checked(sizes, noise)];
  if (!(noise instanceof Tensor)) return listed(noise).map((one) => checked(sizes, one));
  const { horizon, noise_dim } = sizes;
  const [rows = 0, ...inner] = noise.shape;
  const tiled = inner.length === 1 && inner[0] === noise_dim;
  const whole = inner.length === 2 && inner[0] === horizon && inner[1] === noise_dim;
  if (noise.dtype !== 'float32' || !(tiled || whole)) {
    throw refused(
      `the noise is ${noise.dtype} [${noise.shape.join(', ')}]`,
      `give float32 [M, ${noise_dim}] or [M, ${horizon}, ${noise_dim}]`,
    );
  }
  const values = noise.read();
  const width = values.length / rows;
  return Array.from({ length: rows }, (_, row) =>
    checked(sizes, values.subarray(row * width, (row + 1) * width)),
  );
}

function listed(noise: unknown): readonly Float32Array[] {
  const given: unknown[] = Array.isArray(noise) ? noise : [noise];
  const strange = given.find((one) => !(one instanceof Float32Array));
  if (given.every((one) => one instanceof Float32Array)) return given;
  const kind = ArrayBuffer.isView(strange) ? strange.constructor.name : typeof strange;
  throw refused(`the noise is of the type ${kind}`, 'give a Float32Array, or a list of those');
}

function checked({ horizon, noise_dim }: Sizes, values: Float32Array): Float32Array {
  for (const [index, value] of values.entries()) {
    if (!Number.isFinite(value)) {
      throw refused(`noise[${index}] is ${value}`, 'noise has to be finite');
    }
  }
  if (values.length === noise_dim || values.length === horizon * noise_dim) return values;
  throw refused(
    `the noise has ${values.length} numbers`,
    `give ${noise_dim}, used for all of the horizon, or ${horizon} x ${noise_dim}`,
  );
}

function refused(message: string, hint: string): UsageError {
  return new UsageError('ERR_DSRL_NOISE', message, { hint });
}
