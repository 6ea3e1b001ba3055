// Does the agent learn, and only from what it should? Trains on the embedded tabletop with and
// without rewards, learning rate and picture: ten to fifteen minutes on an idle pair of cores. With
// --libero on the real LIBERO-Spatial (dsrl-native libero setup), which takes hours; its runs are
// kept in logs/ and gone on with.
//
//   npm run test:learning [-- --libero] [-- --only TEXT] [-- --faults] [-- --anew]
//
// One line a control; the last line is `N passed, N failed`. `--only`: controls whose name holds
// TEXT. `--faults`: each control with its fault planted, and it passes if it sees it. `--anew`:
// kept runs are deleted first; of one that has learned, a learner that no longer does is not seen.

import { rmSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { main } from './setup/steps.mjs';
import { setup } from './setup.mjs';
import { CONTROLS } from './test-learning/controls.mjs';
import { LIBERO_CONTROLS } from './test-learning/libero-controls.mjs';
import { runTraining } from './test-learning/run-training.mjs';

/** Runs the controls whose name holds `only` and prints a line each; returns the counts. */
export async function testLearning({ libero, only, faults }) {
  const answers = new Map(); // controls may share a training
  const answerOf = async (training) => {
    const key = JSON.stringify(training);
    if (!answers.has(key)) answers.set(key, await runTraining(training));
    return answers.get(key);
  };
  const count = { passed: 0, failed: 0 };
  for (const { name, trainings, fault, judge } of libero ? LIBERO_CONTROLS : CONTROLS) {
    if (!name.includes(only)) continue;
    let verdict;
    try {
      const found = [];
      // A kept run has learned: a fault begins anew.
      const planted = () => fault(trainings).map((it) => ({ ...it, keep: undefined }));
      for (const training of faults ? planted() : trainings) found.push(await answerOf(training));
      const { passed, text } = judge(found);
      verdict = { good: passed !== faults, text };
    } catch (error) {
      verdict = { good: false, text: error.message }; // of a fault too: it was not seen, it crashed
    }
    const { good, text } = verdict;
    count[good ? 'passed' : 'failed'] += 1;
    process.stdout.write(`${good ? 'passed' : 'FAILED'}  ${name}: ${text}\n`);
  }
  return count;
}

/** Deletes the runs that these controls would go on with. */
function deleteKept({ libero, only }) {
  const meant = (libero ? LIBERO_CONTROLS : CONTROLS).filter(({ name }) => name.includes(only));
  const kept = meant.flatMap(({ trainings }) => trainings.map(({ keep }) => keep));
  for (const folder of kept)
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
}

await main(import.meta.url, async (args) => {
  const { values } = parseArgs({
    args,
    options: {
      libero: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      faults: { type: 'boolean', default: false },
      anew: { type: 'boolean', default: false },
    },
  });
  await setup();
  if (values.anew) deleteKept(values);
  const { passed, failed } = await testLearning(values);
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
});
