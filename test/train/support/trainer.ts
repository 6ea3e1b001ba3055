import type { RobotEnvironment, TrainerEvent, TrainerOptions } from '../../../lib/index.js';
import { Trainer } from '../../../lib/index.js';
import { configured, newFolder } from '../../support/training.js';

type Options = TrainerOptions & { overrides?: string[] };

/** A trainer of small networks on one robot, for `steps` global steps. */
export function trainer(robot: RobotEnvironment, steps = 2, options: Options = {}) {
  const { overrides = [], ...more } = options;
  const config = configured(
    'device=cpu',
    'env.train.total_num_envs=1',
    'runner.val_check_interval=-1',
    `runner.max_steps=${steps}`,
    ...overrides,
  );
  const runDir = options.resume ?? newFolder();
  const place = options.resume === undefined ? { runDir } : {};
  return { runDir, trainer: new Trainer(config, { env: robot, ...place, ...more }) };
}

/** All that a run tells, and what its generator returns. */
export async function collect(events: AsyncGenerator<TrainerEvent, unknown>) {
  const seen: TrainerEvent[] = [];
  for (;;) {
    const { done, value } = await events.next();
    if (done) return { seen, summary: value as { envSteps: number; checkpoint: string } };
    seen.push(value);
  }
}

/** All that a run tells until it fails, and with what. */
export async function collectFailure(events: AsyncGenerator<TrainerEvent, unknown>) {
  const seen: TrainerEvent[] = [];
  try {
    for await (const event of events) seen.push(event);
  } catch (error) {
    return { seen, error };
  }
  throw new Error('the run did not fail');
}

export const ofType = <T extends TrainerEvent['type']>(seen: TrainerEvent[], type: T) =>
  seen.filter((event): event is Extract<TrainerEvent, { type: T }> => event.type === type);
