import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Config } from '../config/index.js';
import { makeFolder } from '../folder.js';
import { replaceFile } from '../log/files.js';
import type { EvaluationResult } from '../train/index.js';

/**
 * The base's evaluation, which takes minutes where episodes are slow, once a run: it lies beside
 * the run's folder, which training has to find empty, and counts for the same policy, episodes and
 * seed.
 */
export async function remembered(
  runDir: string | undefined,
  { env, actor, seed }: Config,
  evaluate: () => Promise<EvaluationResult>,
): Promise<EvaluationResult> {
  if (runDir === undefined) return evaluate();
  const file = `${resolve(runDir)}-base.json`;
  const { video_cfg, ...episodes } = env.eval;
  const asked = { policy: actor.model.model_path, steps: actor.model.num_steps, seed, episodes };
  if (existsSync(file)) {
    const kept = JSON.parse(readFileSync(file, 'utf8'));
    if (JSON.stringify(kept.asked) === JSON.stringify(asked)) return kept.result;
  }
  const result = await evaluate();
  makeFolder(dirname(file));
  replaceFile(file, `${JSON.stringify({ asked, result }, null, 2)}\n`);
  return result;
}
