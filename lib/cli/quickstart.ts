import { resolve } from 'node:path';
import { parseCommand, usageError } from './arguments.js';

const HELP = `Usage: dsrl-native quickstart [recipe] [key=value ...] [options]

Success of a small policy that ships, a training of its recipe (tabletop), and the success after it.
The last line of stdout is one JSON object; everything else goes to stderr.

      --run-dir DIR   the run's folder; a run that is there is gone on with
      --video CHOICE  films these episodes before and after, beside the run (DIR-base/videos) and in
                      it: first (trial of each task), failed, all or task:trial,...
      --check         looks at the words and the run that is gone on with, and runs nothing
  -h, --help

Examples:
  dsrl-native quickstart
  dsrl-native quickstart seed=3
  dsrl-native quickstart --run-dir runs/first --video 0:0,1:0
`;

const OPTIONS = {
  'run-dir': { type: 'string' },
  video: { type: 'string' },
  check: { type: 'boolean' },
} as const;

/** Where episodes cost next to nothing: the base's success is known to about 3 points. */
const TABLETOP_EPISODES = 1000;

/** `dsrl-native quickstart`: what `npm run quickstart` runs after the set-up. */
export async function runQuickstart(argv: string[]): Promise<number> {
  const { values, positionals } = await parseCommand('quickstart', argv, OPTIONS);
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const { isOverride } = await import('./compose.js');
  const { composeConfig, resetCount, resolveModelPath } = await import('../config/index.js');
  const { isFolder } = await import('../folder.js');
  const { readContract, refuseUnfit } = await import('../policy/index.js');
  const { chooseRunFolder, runOf } = await import('../train/index.js');
  const { goOnOrBegin, hasCheckpoint } = await import('../train/run-folder.js');
  const { evaluateAloud, videoOverrides } = await import('./eval.js');
  const { firstEpisodes, videosOf } = await import('./eval-videos.js');
  const { refuseOtherRun, remembered, runDirWords } = await import('./quickstart-base.js');
  const { trainAloud } = await import('./train-aloud.js');
  const { planTraining } = await import('./train-plan.js');
  const overrides = positionals.filter(isOverride);
  const [recipe = 'tabletop', surplus] = positionals.filter((word) => !isOverride(word));
  if (surplus !== undefined) throw usageError('quickstart', `\`${surplus}\` is not key=value`);
  const runDir = values['run-dir'];
  const say = (text: string) => process.stderr.write(`${text}\n`);
  const begin = (folder: string) => {
    if (!values.check) return goOnOrBegin(folder, say);
    return hasCheckpoint(folder) ? { resume: folder } : {}; // and nothing is removed
  };
  const plan = await planTraining({
    words: [recipe, ...overrides],
    file: undefined,
    resume: undefined,
    runDir: undefined,
    device: undefined,
    ...(runDir !== undefined && begin(runDir)),
  });
  const choice = values.video === 'first' ? firstEpisodes(plan.config) : values.video;
  const filming = choice === undefined ? [] : videoOverrides(choice, 'quickstart', 'first, ');
  const filmed = { recipe, overrides: [...overrides, ...filming] };
  // Its notes have been told.
  const { config } = filming.length === 0 ? plan : composeConfig(filmed);

  const { resume } = plan;
  if (resume !== undefined) refuseOtherRun(config, resume); // or the base is evaluated for it first
  refuseUnfit(readContract(resolveModelPath(config)), config);
  if (values.check) return 0;
  // Chosen here, so that the videos of the frozen policy lie beside it, apart from other runs'.
  const run = resume === undefined ? chooseRunFolder(config, runDir) : runOf(resume);

  const percent = (value: number) => `${(100 * value).toFixed(1)} %`;
  const scenes = resetCount(config.env.eval) ?? TABLETOP_EPISODES;
  const wanted = config.env.eval.env_type === 'tabletop' ? TABLETOP_EPISODES : scenes;
  const frozen = {
    config,
    checkpoint: null,
    noise: 'iid' as const,
    repeats: Math.ceil(wanted / scenes),
    apart: `${run}-base`,
  };
  say('how good is the frozen policy alone, under noise from N(0, I)?');
  const base = await remembered(run, frozen, () => evaluateAloud(frozen));
  say(`the frozen policy succeeds in ${percent(base.success)} of ${base.episodes} episodes`);

  const { summary, stopped } = await trainAloud(
    resume === undefined ? { ...plan, runDir: run } : plan,
    'auto',
    (folder) => `type the same command ${runDir ? 'again' : `with ${runDirWords(folder)}`}`,
  );
  if (stopped !== null) throw stopped;
  const { checkpoint } = summary;
  const trained = { config, checkpoint, noise: 'iid' as const, repeats: 1 };
  const after = await evaluateAloud(trained);
  say(
    `success ${percent(base.success)} -> ${percent(after.success)} ` +
      `in ${summary.trainSeconds.toFixed(1)} s of training`,
  );
  const line = {
    base_success: base.success,
    success: after.success,
    episodes: after.episodes,
    train_seconds: summary.trainSeconds,
    env_steps: summary.envSteps,
    updates: summary.updates,
    run,
    checkpoint,
    ...(filming.length > 0 && {
      videos: [frozen, trained].map((it) => {
        const folder = resolve(videosOf(it).folder);
        return isFolder(folder) ? folder : null; // no encoder, or nothing failed
      }),
    }),
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
  return 0;
}
