import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type Config, resolveModelPath } from '../config/index.js';
import { makeFolder } from '../folder.js';
import { replaceFile } from '../log/files.js';
import { readContract } from '../policy/index.js';
import type { EvaluationResult } from '../train/index.js';

/**
 * The base's evaluation, which takes minutes where episodes are slow, once a run: it lies beside
 * the run's folder, which training has to find empty, and counts for the same policy, episodes and
 * seed.
 */
export async function remembered(
  runDir: string | undefined,
  config: Config,
  evaluate: () => Promise<EvaluationResult>,
): Promise<EvaluationResult> {
  if (runDir === undefined) return evaluate();
  const file = `${resolve(runDir)}-base.json`;
  const asked = questionOf(config);
  if (existsSync(file)) {
    const kept = JSON.parse(readFileSync(file, 'utf8'));
    if (JSON.stringify(kept.asked) === JSON.stringify(asked)) return kept.result;
  }
  const result = await evaluate();
  makeFolder(dirname(file));
  replaceFile(file, `${JSON.stringify({ asked, result }, null, 2)}\n`);
  return result;
}

/** What the answer depends on: a policy's name may stand for another one tomorrow. */
function questionOf(config: Config): object {
  const { video_cfg, ...episodes } = config.env.eval;
  const { num_steps: steps, num_action_chunks: executed } = config.actor.model;
  const policy = readContract(resolveModelPath(config)).sha256['policy.pt'];
  return { policy, steps, executed, seed: config.seed, episodes };
}
