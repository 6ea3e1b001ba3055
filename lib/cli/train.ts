import type { ProgressFormat } from '../log/progress.js';
import { oneOf, parseCommand, usageError } from './arguments.js';

const HELP = `Usage: dsrl-native train [recipe | -c file.yaml] [key=value ...] [options]

Trains an agent that chooses the noise of a frozen policy. Results (the run's folder, the
checkpoint) go to stdout as one JSON object, progress to stderr.

  -c, --config FILE     a YAML file instead of a recipe, or a module that exports a configuration
      key=value         overrides, as in Hydra: a.b=c, +a.b=c, ~a.b, env@env.eval=tabletop
      --resume [DIR]    go on from a run or a checkpoint; \`last\` or nothing: the newest run
      --run-dir DIR     the run's folder itself, instead of one in runner.logger.log_path
      --device D        auto, cpu, cuda or cuda:N; the same as device=D
      --dry-run         make everything that training needs, say what it would do, write nothing
      --log-format F    auto, tty, plain or json
      --quiet           warnings only
  -h, --help

The first SIGINT or SIGTERM stops after the chunk or update under way and writes a checkpoint of
that moment (exit code 130 or 143); the second ends at once, and the last checkpoint stays.
A resumed run goes on with its checkpoint's configuration; a recipe, file or key given beside
--resume has to agree with it, but for length, intervals, evaluation, learning rates, log and
device.

Examples:
  dsrl-native train tabletop seed=3
  dsrl-native train --resume logs/tabletop-<time>-s0 runner.max_steps=160
`;

const OPTIONS = {
  config: { type: 'string', short: 'c' },
  resume: { type: 'string' },
  'run-dir': { type: 'string' },
  device: { type: 'string' },
  'dry-run': { type: 'boolean' },
  'log-format': { type: 'string' },
  quiet: { type: 'boolean' },
} as const;

/** `dsrl-native train`. */
export async function runTrain(argv: string[]): Promise<number> {
  const { values, positionals } = await parseCommand('train', nameTheLast(argv), OPTIONS);
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const format = oneOf('train', 'log-format', values['log-format'] ?? 'auto', [
    'auto',
    'tty',
    'plain',
    'json',
  ]);
  const { planTraining } = await import('./train-plan.js');
  const plan = await planTraining({
    words: positionals,
    file: values.config,
    resume: values.resume,
    runDir: values['run-dir'],
    device: values.device,
  });
  if (plan.onlyEvaluate !== undefined) {
    if (values['dry-run']) throw usageError('train', '--dry-run and runner.only_eval=True');
    const { evaluateCheckpoint } = await import('./eval.js');
    return evaluateCheckpoint(plan.config, plan.onlyEvaluate);
  }
  if (values['dry-run']) return (await import('./dry-run.js')).dryRun(plan);
  const progressFormat: ProgressFormat = values.quiet ? 'quiet' : format;
  const { trainAloud } = await import('./train-aloud.js');
  const { summary, stopped } = await trainAloud(plan, progressFormat);
  const { run, checkpoint } = summary;
  process.stdout.write(`${JSON.stringify({ run, checkpoint })}\n`);
  if (stopped !== null) throw stopped;
  return 0;
}

/**
 * `--resume` may stand alone, which parseArgs has no words for. What follows it is its folder
 * unless that is an option or an override.
 */
function nameTheLast(argv: string[]): string[] {
  return argv.map((word, index) => {
    if (word !== '--resume') return word;
    const next = argv[index + 1];
    const alone = next === undefined || next.startsWith('-') || /^[~+]|^[\w.@]+=/.test(next);
    return alone ? '--resume=last' : word;
  });
}
