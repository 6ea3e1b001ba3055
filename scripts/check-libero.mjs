// Compares LIBERO with its original: makes the bundle, records anew what the original does,
// compares that with the recordings in test/fixtures/libero, and the C++ environment with these.
//
//   node scripts/check-libero.mjs     (minutes; about 3 GB of disk in the user's cache at first)

import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { buildDir, main, root, run, say, venvPython } from './setup/steps.mjs';
import { provideLibero } from './test/libero.mjs';

const fixtures = join(root, 'test', 'fixtures', 'libero');
const tool = (name) => join(root, 'python', 'libero', name);
/** Task 0 is recorded with larger pictures: both sizes that matter are drawn. */
const TRACES = [
  ['256', ['0']],
  ['64', ['1', '2', '3', '4', '5', '6', '7', '8', '9']],
];

async function recordAnew(original, folder) {
  const record = (name, script, words) =>
    run(name, original, ['-W', 'ignore', tool(script), folder, ...words], { hint: 'see the log' });
  rmSync(folder, { recursive: true, force: true });
  for (const [size, tasks] of TRACES) {
    say(`libero: recording ${tasks.length} traces, pictures of ${size} x ${size}`, {});
    const draw = ['--pictures', '--picture-size', size, '--tasks', ...tasks];
    await record('libero-traces', 'record_traces.py', draw);
  }
  say('libero: recording 25 episodes', {});
  await record('libero-replays', 'record_replays.py', [
    '--again',
    join(fixtures, 'replays.safetensors'),
  ]);
}

await main(import.meta.url, async () => {
  const original = await provideLibero();
  const folder = join(buildDir, 'libero-recorded');
  await recordAnew(original, folder);
  const names = readdirSync(fixtures).filter((name) => name.endsWith('.safetensors'));
  const pairs = names.flatMap((name) => [join(fixtures, name), join(folder, name)]);
  await run('libero-compare', venvPython, [tool('compare_replay.py'), ...pairs], {
    show: true,
    hint: 'the original does not do what was recorded of it: see the figures above',
  });
  const vitest = join(root, 'node_modules', '.bin', 'vitest');
  await run('libero-vitest', vitest, ['run', 'test/libero'], { show: true, hint: 'see above' });
});
