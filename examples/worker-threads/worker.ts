// The policy's thread. Handles of native memory belong to the thread that made them, so the policy
// is opened here, and only values go to and fro. What is not caught here ends the thread, and
// reaches the other one as the worker's `error` event.

import { parentPort, workerData } from 'node:worker_threads';
import { Policy, type RobotObservation } from 'dsrl-native';

const policy = await Policy.load(workerData.folder, { device: 'cpu' });

parentPort?.on('message', async (observation: RobotObservation | null) => {
  if (observation === null) {
    policy.dispose();
    parentPort?.close();
    return;
  }
  const { actions, shape } = await policy.infer(observation);
  // An agent was trained to choose anew after so many actions; without one the whole chunk runs.
  const run = policy.metadata.steering?.chunk ?? shape[0];
  parentPort?.postMessage({ actions, shape, run });
});
parentPort?.postMessage('ready');
