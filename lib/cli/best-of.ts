import type { Config } from '../config/index.js';
import { tellNowAndThen, withPolicy } from './eval.js';
import { successLines } from './success-table.js';

/** `dsrl-native eval RECIPE --policy-only --best-of N`. */
export async function runBestOf(config: Config, noises: number, json: boolean): Promise<number> {
  const { bestOf } = await import('../train/index.js');
  const onProgress = tellNowAndThen((done, total) => `${done} of ${total} scenes are solved`);
  const result = await withPolicy(config, (opened) =>
    bestOf({ ...opened, agent: null, onProgress }, noises),
  );
  const lines = successLines(result.tasks, result, 'scenes');
  const tries =
    result.tries === null
      ? `none of ${noises} noises solved a scene`
      : `one of ${noises} noises; ${result.tries.toFixed(1)} tried until one did`;
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : `${[...lines, tries].join('\n')}\n`);
  return 0;
}
