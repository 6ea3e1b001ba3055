import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type Config, resolveModelPath } from '../config/index.js';
import { CheckpointError } from '../errors.js';
import { makeFolder } from '../folder.js';
import { replaceFile } from '../log/files.js';
import { findEncoder } from '../log/video-encoder.js';
import { readContract } from '../policy/index.js';
import {
  compareWithCheckpoint,
  type EvaluationResult,
  readCheckpointState,
  refuseOtherPolicy,
  resolveCheckpoint,
} from '../train/index.js';
import type { EvalRequest } from './eval.js';
import { videosOf } from './eval-videos.js';

/** How a run's folder is typed: npm takes options for its own that do not stand behind `--`. */
export function runDirWords(folder: string): string {
  const { npm_lifecycle_event: script } = process.env;
  const dashes = script === undefined || script === 'npx' ? '' : '-- ';
  return `\`${dashes}--run-dir ${folder}\``;
}

const MISMATCH = 'ERR_DSRL_CHECKPOINT_MISMATCH';

/**
 * Refuses to go on with a run of another configuration or policy, which training would as well.
 *
 * @throws CheckpointError ERR_DSRL_CHECKPOINT_MISMATCH
 */
export function refuseOtherRun(config: Config, resume: string): void {
  const checkpoint = resolveCheckpoint(resume);
  try {
    compareWithCheckpoint(config, checkpoint);
    const contract = readContract(resolveModelPath(config));
    refuseOtherPolicy(checkpoint, readCheckpointState(checkpoint), contract);
  } catch (error) {
    if (!(error instanceof CheckpointError) || error.code !== MISMATCH) throw error;
    const hint = `${error.hint}: ${runDirWords('DIR')}`;
    throw new CheckpointError(MISMATCH, error.message, { hint });
  }
}

/**
 * The base's evaluation, which takes minutes where episodes are slow, once a run: it lies beside
 * the run's folder, which training has to find empty, and counts for the same policy, episodes and
 * seed. Videos that are asked for have to be its own, and there, unless none could be; else it is
 * made again.
 */
export async function remembered(
  run: string,
  request: EvalRequest,
  evaluate: () => Promise<EvaluationResult>,
): Promise<EvaluationResult> {
  const file = `${resolve(run)}-base.json`;
  const asked = questionOf(request.config);
  const { video_cfg: filmed } = request.config.env.eval;
  const { folder } = videosOf(request);
  const noneCanBe = async () => filmed.episodes === 'failed' || (await findEncoder()) === null;
  const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
  if (existsSync(file)) {
    const kept = JSON.parse(readFileSync(file, 'utf8'));
    const isThere = holdsSomething(folder) || (kept.left_videos === false && (await noneCanBe()));
    const isSeen = !filmed.save_video || (same(kept.filmed, filmed) && isThere);
    if (same(kept.asked, asked) && isSeen) return kept.result;
  }
  // Of another evaluation: the outcome in their names would contradict this one's.
  rmSync(folder, { recursive: true, force: true });
  const result = await evaluate();
  const kept = { asked, filmed, left_videos: holdsSomething(folder), result };
  makeFolder(dirname(file));
  replaceFile(file, `${JSON.stringify(kept, null, 2)}\n`);
  return result;
}

/** What the answer depends on: a policy's name may stand for another one tomorrow. */
function questionOf(config: Config): object {
  const { video_cfg, ...episodes } = config.env.eval;
  const { num_steps: steps, num_action_chunks: executed } = config.actor.model;
  const policy = readContract(resolveModelPath(config)).sha256['policy.pt'];
  return { policy, steps, executed, seed: config.seed, episodes };
}

function holdsSomething(folder: string): boolean {
  return existsSync(folder) && readdirSync(folder).length > 0;
}
