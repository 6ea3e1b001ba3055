import type { PolicyContract } from './contract.js';

export interface Contradiction {
  path: (string | number)[];
  message: string;
}

/** Where entries of a policy.json that are right one by one contradict each other. */
export function contradictions(policy: Omit<PolicyContract, 'format'>): Contradiction[] {
  return [
    ...ofSizes(policy),
    ...ofNormalization(policy),
    ...ofCameras(policy),
    ...ofKeys(policy),
    ...ofPrompts(policy),
  ];
}

type Policy = Omit<PolicyContract, 'format'>;

function* ofSizes(policy: Policy): Generator<Contradiction> {
  const { noise_dim, state_dim, delta_action_mask: delta } = policy;
  for (const size of ['state_dim', 'action_dim'] as const) {
    if (policy[size] <= noise_dim) continue;
    // Both are padded to that width inside the network.
    yield { path: [size], message: `${policy[size]} is more than noise_dim = ${noise_dim}` };
  }
  if (delta === null) return;
  yield* ofLength(['delta_action_mask'], delta.length, policy.action_dim);
  if (delta.lastIndexOf(true) >= state_dim) {
    const message = `action ${delta.lastIndexOf(true)} has no entry in a state of ${state_dim}`;
    yield { path: ['delta_action_mask'], message };
  }
}

function* ofNormalization(policy: Policy): Generator<Contradiction> {
  const { normalization } = policy;
  for (const vector of ['state', 'actions'] as const) {
    const length = vector === 'state' ? policy.state_dim : policy.action_dim;
    for (const [field, values] of Object.entries(normalization[vector])) {
      yield* ofLength(['normalization', vector, field], values.length, length);
    }
  }
  const { eps } = normalization;
  for (const vector of ['state', 'actions'] as const) {
    const path = ['normalization', vector];
    if (normalization.mode === 'mean_std') {
      const zero = normalization[vector].std.indexOf(0);
      if (zero < 0 || eps > 0) continue;
      yield { path: [...path, 'std', zero], message: 'is 0, and so is eps: nothing to divide by' };
      continue;
    }
    const { q01, q99 } = normalization[vector];
    const wrong = q01.findIndex((low, index) => (q99[index] ?? low) - low + eps <= 0);
    if (wrong < 0) continue;
    const message = `q01 is ${q01[wrong]}, q99 ${q99[wrong]} and eps ${eps}: no range above 0`;
    yield { path: [...path, 'q99', wrong], message };
  }
}

function* ofCameras({ cameras, camera_sources, masked_cameras }: Policy): Generator<Contradiction> {
  for (const camera of repeated(cameras)) {
    yield { path: ['cameras'], message: `\`${camera}\` stands there twice` };
  }
  for (const camera of Object.keys(camera_sources ?? {})) {
    if (cameras.includes(camera)) continue;
    yield { path: ['camera_sources', camera], message: `\`cameras\` has no \`${camera}\`` };
  }
  const sources = [...Object.values(camera_sources ?? {}), ...(masked_cameras ?? [])];
  for (const source of repeated(sources)) {
    const message = `\`${source}\` stands twice in camera_sources and masked_cameras`;
    yield { path: ['masked_cameras'], message };
  }
}

function* ofKeys({ cameras, observation_keys: keys, state_dim }: Policy): Generator<Contradiction> {
  if (keys === undefined) return;
  const path = ['observation_keys', 'images'];
  for (const camera of cameras) {
    if (Object.hasOwn(keys.images, camera)) continue;
    yield { path, message: `has no key for the camera \`${camera}\`` };
  }
  for (const camera of Object.keys(keys.images)) {
    if (cameras.includes(camera)) continue;
    yield { path: [...path, camera], message: `\`cameras\` has no \`${camera}\`` };
  }
  if (typeof keys.state === 'string') return;
  const length = Object.values(keys.state).reduce((sum, part) => sum + part, 0);
  if (length === state_dim) return;
  const message = `its parts have ${length} numbers, and state_dim is ${state_dim}`;
  yield { path: ['observation_keys', 'state'], message };
}

function* ofPrompts({ prompts, prompt_lengths, prompt_length }: Policy): Generator<Contradiction> {
  for (const [prompt, tokens] of Object.entries(prompts)) {
    yield* ofLength(['prompts', prompt], tokens.length, prompt_length);
    const path = ['prompt_lengths', prompt];
    const length = Object.hasOwn(prompt_lengths, prompt) ? (prompt_lengths[prompt] ?? 0) : 0;
    if (length < 1 || length > prompt_length) {
      yield { path, message: `has to be between 1 and prompt_length = ${prompt_length}` };
    } else if (tokens.slice(length).some((token) => token !== 0)) {
      yield { path, message: `is ${length}, but the tokens behind it are not all 0` };
    }
  }
  for (const prompt of Object.keys(prompt_lengths)) {
    if (Object.hasOwn(prompts, prompt)) continue;
    yield { path: ['prompt_lengths', prompt], message: 'has no prompt in `prompts`' };
  }
}

function* ofLength(path: string[], found: number, expected: number): Generator<Contradiction> {
  if (found === expected) return;
  yield { path, message: `${found} entries where ${expected} are expected` };
}

function repeated(names: readonly string[]): string[] {
  return names.filter((name, index) => names.indexOf(name) < index);
}
