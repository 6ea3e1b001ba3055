import type { Config } from '../config/index.js';
import type { EvaluationRequest, EvaluationResult } from '../train/index.js';
import { oneOf, parseCommand, usageError, wholeNumber } from './arguments.js';
import { successLines } from './success-table.js';

const HELP = `Usage: dsrl-native eval <run | checkpoint | recipe | file> [key=value ...] [options]

Runs every (task, trial) of env.eval once with the deterministic agent and prints the success of
each task with its 95 % interval (Wilson). Writes nothing but videos.

  --policy-only      the frozen policy alone; a recipe, a YAML file or a module that exports a
                     configuration has nothing else
  --noise KIND       of the frozen policy alone: iid N(0, I) (the default), tiled N(0, I) with one
                     row for the whole chunk, or uniform: tiled U(-b, b)
  --repeats N        of the frozen policy alone: every (task, trial) N times
  --best-of N        how far noise can steer the frozen policy: the (task, trial) that one of N
                     uniform noises solves, each kept for a whole episode
  --video [CHOICE]   a video of each episode in the run's videos/ (of the frozen policy alone, in
                     runner.logger.log_path): all (the default), failed, or some by task:trial,
                     as in 0:3,5:12; the keys env.eval.video_cfg.* say more
  --json             one JSON object instead of the table
  --device D         auto, cpu, cuda or cuda:N
  -h, --help

Examples:
  dsrl-native eval logs/tabletop-<time>-s0 env.eval.trials=[25,50]
  dsrl-native eval tabletop --policy-only --repeats 10 --json
  dsrl-native eval tabletop --policy-only --best-of 32
  dsrl-native eval logs/tabletop-<time>-s0 --video failed
`;

const OPTIONS = {
  'policy-only': { type: 'boolean' },
  noise: { type: 'string' },
  repeats: { type: 'string' },
  'best-of': { type: 'string' },
  video: { type: 'string' },
  json: { type: 'boolean' },
  device: { type: 'string' },
} as const;

export interface EvalRequest {
  config: Config;
  /** The agent's checkpoint; null: the frozen policy alone. */
  checkpoint: string | null;
  noise: 'iid' | 'tiled' | 'uniform';
  repeats: number;
  /** Stands for the run where there is none: the folder for the frozen policy's own videos. */
  apart?: string;
}

/** `dsrl-native eval`. */
export async function runEval(argv: string[]): Promise<number> {
  const { values, positionals } = await parseCommand('eval', nameAll(argv), OPTIONS);
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const policyOnly = values['policy-only'] ?? false;
  for (const option of ['noise', 'repeats', 'best-of'] as const) {
    if (values[option] === undefined || policyOnly) continue;
    throw usageError('eval', `--${option} without --policy-only`, 'add --policy-only');
  }
  const noise = oneOf('eval', 'noise', values.noise ?? 'iid', ['iid', 'tiled', 'uniform']);
  const repeats = wholeNumber('eval', 'repeats', values.repeats ?? '1', 1);
  const overrides = values.video === undefined ? [] : videoOverrides(values.video);
  const words = [...positionals, ...overrides];
  const subject = await subjectOf(words, values.device, policyOnly);
  const bestOf = values['best-of'];
  if (bestOf !== undefined) {
    const other = (['noise', 'repeats', 'video'] as const).find((it) => values[it] !== undefined);
    if (other !== undefined) throw usageError('eval', `--${other} has no meaning with --best-of`);
    const noises = wholeNumber('eval', 'best-of', bestOf, 1);
    const { runBestOf } = await import('./best-of.js');
    return runBestOf(subject.config, noises, values.json ?? false);
  }
  return print(await evaluateAloud({ ...subject, noise, repeats }), values.json ?? false);
}

/** What `train runner.only_eval=True` does. */
export async function evaluateCheckpoint(config: Config, checkpoint: string): Promise<number> {
  return print(await evaluateAloud({ config, checkpoint, noise: 'iid', repeats: 1 }), false);
}

const VIDEO_CHOICE = /^(all|failed|\d+:\d+(,\d+:\d+)*)$/;

/** `--video` may stand alone, which parseArgs has no words for: it means all. */
function nameAll(argv: string[]): string[] {
  return argv.map((word, index) => {
    if (word !== '--video') return word;
    return VIDEO_CHOICE.test(argv[index + 1] ?? '') ? word : '--video=all';
  });
}

/** @param others what else `command` takes for it */
export function videoOverrides(choice: string, command = 'eval', others = ''): string[] {
  if (!VIDEO_CHOICE.test(choice)) {
    const choices = `${others}all, failed or task:trial,task:trial,...`;
    throw usageError(command, `--video ${choice}: ${choices}`);
  }
  const keys = 'env.eval.video_cfg';
  return [`${keys}.save_video=True`, `${keys}.episodes='${choice}'`];
}

/** An evaluation makes no replay, so any memory does for it. */
const NO_REPLAY = Number.POSITIVE_INFINITY;

async function subjectOf(words: string[], device: string | undefined, policyOnly: boolean) {
  const { composeAloud, isOverride, sourceOf } = await import('./compose.js');
  const { isFolder } = await import('../folder.js');
  const { refuseUntrainable } = await import('../config/index.js');
  const { checkpointConfig, resolveCheckpoint } = await import('../train/index.js');
  const overrides = words.filter(isOverride);
  const [name, ...surplus] = words.filter((word) => !isOverride(word));
  if (name === undefined) throw usageError('eval', 'no run, checkpoint or recipe');
  if (surplus.length > 0) {
    throw usageError('eval', `\`${surplus[0]}\` is neither an option nor key=value`);
  }
  if (device !== undefined) overrides.push(`device=${device}`);
  const source = isFolder(name) ? null : await sourceOf(name);
  if (source === null && !isFolder(name) && !/[/\\]/.test(name)) {
    composeAloud({ recipe: name }); // throws: no such recipe, and which one may be meant
  }
  if (source === null) {
    const checkpoint = resolveCheckpoint(name);
    const config = checkpointConfig(checkpoint, overrides);
    refuseUntrainable(config, NO_REPLAY);
    return { config, checkpoint: policyOnly ? null : checkpoint };
  }
  const { config } = composeAloud({ ...source, overrides });
  refuseUntrainable(config, NO_REPLAY);
  if (policyOnly) return { config, checkpoint: null };
  if (config.runner.ckpt_path !== null) {
    return { config, checkpoint: resolveCheckpoint(config.runner.ckpt_path) };
  }
  throw usageError(
    'eval',
    `${name} is a configuration, it has no agent`,
    'name a run or a checkpoint, or add --policy-only',
  );
}

const PROGRESS_EVERY_MS = 5_000;

/** Evaluates with the frozen policy opened for it; progress goes to stderr. */
export async function evaluateAloud(request: EvalRequest): Promise<EvaluationResult> {
  const { evaluate, loadAgent } = await import('../train/index.js');
  const { tellVideos, videosOf } = await import('./eval-videos.js');
  const { config, checkpoint, noise, repeats } = request;
  const videos = videosOf(request);
  const result = await withPolicy(config, async (opened) => {
    const { runtime, policy } = opened;
    const agent = checkpoint === null ? null : loadAgent(config, runtime, checkpoint, policy);
    const onProgress = tellEpisodes();
    try {
      return await evaluate({ ...opened, agent, noise, repeats, videos, onProgress });
    } finally {
      agent?.dispose();
    }
  });
  tellVideos(config, videos);
  return result;
}

/** Opens the frozen policy for an evaluation that signals stop. */
export async function withPolicy<Result>(
  config: Config,
  evaluation: (opened: Omit<EvaluationRequest, 'agent'>) => Promise<Result>,
): Promise<Result> {
  const { resolveModelPath } = await import('../config/index.js');
  const { createRuntime } = await import('../native/index.js');
  const { FrozenPolicy, readContract, refuseUnfit } = await import('../policy/index.js');
  const { STOPPING, stoppable } = await import('./signals.js');
  const runtime = createRuntime({ device: config.device });
  const folder = resolveModelPath(config);
  refuseUnfit(readContract(folder), config);
  const { result, stopped } = await stoppable(
    async (signal) => {
      const policy = await FrozenPolicy.open(runtime, folder, { signal });
      try {
        return await evaluation({ config, runtime, policy, signal });
      } finally {
        policy.dispose();
      }
    },
    STOPPING,
    () => 'there is no result: type the same command again',
  );
  if (stopped !== null) throw stopped;
  return result;
}

/** Says at once how many episodes there are, and now and then how many of them have ended. */
function tellEpisodes(): (done: number, total: number) => void {
  return tellNowAndThen((done, total) => {
    const ended = done === 0 ? '' : `, ${done} have ended`;
    return `evaluating ${total} episodes${ended}`;
  });
}

/** A line on stderr at once, and another when the last is a few seconds old. */
export function tellNowAndThen(
  words: (done: number, total: number) => string,
): (done: number, total: number) => void {
  let said = Number.NEGATIVE_INFINITY;
  return (done, total) => {
    const now = performance.now();
    if (now - said < PROGRESS_EVERY_MS) return;
    said = now;
    process.stderr.write(`${words(done, total)}\n`);
  };
}

function print(result: EvaluationResult, json: boolean): number {
  process.stdout.write(json ? `${JSON.stringify(pick(result))}\n` : table(result));
  return 0;
}

/** The keys of `--json`, in their order; they are an interface. */
function pick(result: EvaluationResult) {
  const { success, low, high, episodes, return: gain, episode_len } = result;
  const tasks = result.tasks.map((it) => ({
    task: it.task,
    successes: it.successes,
    episodes: it.episodes,
    low: it.low,
    high: it.high,
  }));
  return { success, low, high, episodes, return: gain, episode_len, tasks };
}

function table(result: EvaluationResult): string {
  return `${[
    ...successLines(result.tasks, result, 'episodes'),
    `return ${result.return.toFixed(2)}, episode length ${result.episode_len.toFixed(2)}`,
  ].join('\n')}\n`;
}
