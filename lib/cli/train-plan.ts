import { readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type Config, listRecipes, refuseUntrainable } from '../config/index.js';
import { UsageError } from '../errors.js';
import { isFolder } from '../folder.js';
import { checkpointConfig, resolveCheckpoint, runOf } from '../train/index.js';
import { hasCheckpoint } from '../train/run-folder.js';
import { usageError } from './arguments.js';
import { composeAloud, fileSource, isOverride } from './compose.js';

export interface TrainWords {
  words: string[];
  /** YAML, or a module that exports a configuration. */
  file: string | undefined;
  resume: string | undefined;
  runDir: string | undefined;
  device: string | undefined;
}

/** What a command line of `train` comes down to. */
export interface TrainPlan {
  config: Config;
  runDir?: string;
  /** The checkpoint's folder that the run goes on from. */
  resume?: string;
  /** runner.only_eval: the checkpoint to evaluate instead. */
  onlyEvaluate?: string;
}

export async function planTraining(typed: TrainWords): Promise<TrainPlan> {
  const { words, file, resume, runDir, device } = typed;
  const overrides = words.filter(isOverride);
  const [recipe, ...surplus] = words.filter((word) => !isOverride(word));
  if (surplus.length > 0) {
    throw usageError('train', `\`${surplus[0]}\` is neither an option nor key=value`);
  }
  if (recipe !== undefined && file !== undefined) {
    throw usageError('train', `the recipe ${recipe} and the file ${file} are both given`);
  }
  if (device !== undefined) overrides.push(`device=${device}`);
  const place = runDir === undefined ? {} : { runDir };

  if (recipe === undefined && file === undefined) {
    if (resume === undefined) throw noRecipe();
    // Without a recipe or a file: as the run was configured, overrides on top.
    const plan = resumed(resume === 'last' ? newestRun('./logs') : resume, runDir);
    const config = checkpointConfig(plan.resume, overrides);
    refuseUntrainable(config);
    if (config.runner.only_eval) return { config, onlyEvaluate: plan.resume };
    return { config, ...plan };
  }
  const source = file === undefined ? { recipe: recipe ?? '' } : await fileSource(file);
  const { config } = composeAloud({ ...source, overrides });
  const { only_eval, ckpt_path, resume_dir, logger } = config.runner;
  const from = resume ?? resume_dir ?? undefined;
  const last = from === 'last' ? newestRun(logger.log_path, logger.experiment_name) : from;
  if (only_eval) {
    refuseUntrainable(config);
    const checkpoint = last ?? ckpt_path;
    if (checkpoint !== null) {
      return { config, onlyEvaluate: resolveCheckpoint(checkpoint) };
    }
    throw usageError(
      'train',
      'runner.only_eval=True without an agent',
      'name it with runner.ckpt_path=<checkpoint>, ' +
        'or evaluate the frozen policy: dsrl-native eval <recipe> --policy-only',
    );
  }
  refuseUntrainable(config);
  if (last === undefined) return { config, ...place };
  return { config, ...resumed(last, runDir) };
}

function resumed(from: string, runDir: string | undefined): { resume: string } {
  if (runDir !== undefined) {
    throw usageError('train', '--run-dir and --resume', 'a resumed run stays in its own folder');
  }
  const resume = resolveCheckpoint(from);
  runOf(resume); // throws for a checkpoint outside a run
  return { resume };
}

/** The experiment in the name of a run that was not named by hand. */
const EXPERIMENT = /^(.*)-\d{8}-\d{6}-s\d+$/;

/** The newest run of a folder, or of an experiment in it, that has a checkpoint. */
function newestRun(logs: string, name?: string): string {
  const folder = name === undefined ? logs : dirname(join(logs, name)); // a/b is b in a/
  const stem = basename(name ?? '');
  const isRun = (run: string) => {
    const experiment = EXPERIMENT.exec(run)?.[1];
    return experiment === undefined ? run.startsWith(`${stem}-`) : experiment === stem;
  };
  const runs = (isFolder(folder) ? readdirSync(folder) : [])
    .filter((run) => name === undefined || isRun(run))
    .map((run) => join(folder, run))
    .filter((run) => hasCheckpoint(run))
    .map((run) => ({ run, time: statSync(join(run, 'checkpoints')).mtimeMs }))
    .sort((a, b) => b.time - a.time);
  if (runs[0] !== undefined) return runs[0].run;
  const whose = name === undefined ? '' : ` of ${name}`;
  throw new UsageError('ERR_DSRL_NO_RUN', `${logs} holds no run${whose} with a checkpoint`, {
    hint: 'name the run: dsrl-native train --resume <folder>',
  });
}

function noRecipe(): UsageError {
  const names = listRecipes().map(({ name }) => name);
  return usageError(
    'train',
    'no recipe and no configuration file',
    `type \`dsrl-native train tabletop\` or \`-c my.yaml\`; recipes: ${names.join(', ')}`,
  );
}
