import * as z from 'zod';
import { block, countOrNone, described, flag, honoured, inert, text, whole } from './fields.js';

export const BACKENDS = ['tensorboard', 'wandb', 'swanlab'] as const;

const path = () => text().nullable().default(null);

export const runner = block({
  max_epochs: honoured(whole(1).default(20_000), 'global steps of a run'),
  max_steps: honoured(countOrNone().default(-1), 'the same, if it is less; -1: no further cap'),
  save_interval: honoured(
    countOrNone().default(-1),
    'global steps between checkpoints; -1: one at the end',
  ),
  val_check_interval: honoured(
    countOrNone().default(-1),
    'global steps between evaluations; -1: none during training',
  ),
  only_eval: honoured(flag().default(false), 'True: evaluate and stop, as `eval` does'),
  resume_dir: honoured(path(), 'run or checkpoint to go on from, as `--resume` does'),
  ckpt_path: honoured(path(), "checkpoint whose agent's weights a run starts with"),
  logger: block({
    log_path: honoured(text().default('./logs'), 'folder that runs are made in'),
    experiment_name: honoured(text(), 'name of the run', "the recipe's or the file's"),
    logger_backends: honoured(
      described(z.array(z.enum(BACKENDS)), `a list of ${BACKENDS.join(', ')}`).default([
        'tensorboard',
      ]),
      'event logs beside metrics.jsonl; there is `tensorboard`, others are passed over',
    ),
    project_name: inert('for wandb'),
    wandb_entity: inert('for wandb'),
    wandb_proxy: inert('for wandb'),
    swanlab_mode: inert('for swanlab'),
  }),
  task_type: inert('there is one task'),
  weight_sync_interval: inert('the agent acts with the weights of the last global step'),
  overlap_env_bootstrap: inert('for Ray'),
  per_worker_log: inert('for Ray'),
  enable_decoupled_mode: inert('for Ray'),
});
