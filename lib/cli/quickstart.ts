import { parseCommand, usageError } from './arguments.js';

const HELP = `Usage: dsrl-native quickstart [key=value ...]

Success of the small policy that ships, a training of about a minute, and the success after it. The
last line of stdout is one JSON object; everything else goes to stderr.

Examples:
  dsrl-native quickstart
  dsrl-native quickstart seed=3
`;

/** Enough that the base's success is known to about 3 points. */
const BASE_EPISODES = 1000;

/** `dsrl-native quickstart`: what `npm run quickstart` runs after the set-up. */
export async function runQuickstart(argv: string[]): Promise<number> {
  const { values, positionals } = await parseCommand('quickstart', argv, {});
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const { composeAloud, isOverride } = await import('./compose.js');
  const { refuseUntrainable, resetCount } = await import('../config/index.js');
  const { evaluateAloud } = await import('./eval.js');
  const { trainAloud } = await import('./train-aloud.js');
  const other = positionals.find((word) => !isOverride(word));
  if (other !== undefined) throw usageError('quickstart', `\`${other}\` is not key=value`);
  const { config } = composeAloud({ recipe: 'tabletop', overrides: positionals });
  refuseUntrainable(config);

  const say = (text: string) => process.stderr.write(`${text}\n`);
  const percent = (value: number) => `${(100 * value).toFixed(1)} %`;
  const repeats = Math.ceil(BASE_EPISODES / (resetCount(config.env.eval) ?? BASE_EPISODES));
  say('how good is the frozen policy alone, under noise from N(0, I)?');
  const base = await evaluateAloud({ config, checkpoint: null, noise: 'iid', repeats });
  say(`the frozen policy succeeds in ${percent(base.success)} of ${base.episodes} episodes`);

  const { summary, stopped } = await trainAloud({ config }, 'auto');
  if (stopped !== null) throw stopped;
  const { run, checkpoint } = summary;
  const after = await evaluateAloud({ config, checkpoint, noise: 'iid', repeats: 1 });
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
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
  return 0;
}
