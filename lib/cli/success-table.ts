import type { TaskResult } from '../train/index.js';

/** A line a task and one for all: the fraction, the counts, the 95 % interval. */
export function successLines(
  tasks: readonly TaskResult[],
  all: { low: number; high: number },
  of: 'episodes' | 'scenes',
): string[] {
  const percent = (value: number) => `${(100 * value).toFixed(1)} %`.padStart(8);
  const line = (name: string, { successes, episodes, low, high }: Omit<TaskResult, 'task'>) => {
    const counts = `${successes}/${episodes}`.padStart(11);
    const interval = `${percent(low)} -${percent(high)}`;
    return `${name.padEnd(5)}${percent(successes / episodes)}  ${counts}   ${interval}`;
  };
  const sum = (of: (task: TaskResult) => number) => tasks.reduce((s, task) => s + of(task), 0);
  const successes = sum((task) => task.successes);
  const episodes = sum((task) => task.episodes);
  return [
    `task  success     ${of.padEnd(8)}   95 % interval`,
    ...tasks.map((task) => line(`${task.task}`, task)),
    line('all', { successes, episodes, low: all.low, high: all.high }),
  ];
}
