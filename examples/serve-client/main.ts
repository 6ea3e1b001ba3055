// A robot that asks a served policy for its next actions, chunk by chunk.

import { RemotePolicy } from 'dsrl-native';

const SIDE = 64;
const [url = 'ws://127.0.0.1:8000', rounds = '3'] = process.argv.slice(2);

/** What a camera would give. */
function photograph(moment: number) {
  const data = Uint8Array.from({ length: SIDE * SIDE * 3 }, (_, index) => (index * moment) & 255);
  return { data, height: SIDE, width: SIDE };
}

const stop = new AbortController();
process.once('SIGINT', () => stop.abort());

async function drive(policy: RemotePolicy): Promise<void> {
  console.log('serving', JSON.stringify(policy.metadata));
  // A steered policy names how many actions of a chunk its agent was trained on.
  const { action_chunk: run } = policy.metadata as { action_chunk?: number };
  let state = [0.5, 0.5, 0.4, Math.PI, 0, 0, 0.04, -0.04];
  for (let round = 1; round <= Number(rounds); round++) {
    const observation = { images: { main: photograph(round) }, state, prompt: 'tidy' };
    const started = performance.now();
    const answer = await policy.infer(observation, { deadlineMs: 5_000, signal: stop.signal });
    if (answer.timedOut) {
      console.log('no answer in time: the arm holds its place');
      continue;
    }
    const [horizon = 0, size = 0] = answer.shape;
    const took = Math.round(performance.now() - started);
    console.log(`${run ?? horizon} actions of ${size} numbers in ${took} ms`);
    // The arm would execute those here; this one moves as the first action says.
    state = state.map(
      (value, index) => value + (index < 3 ? 0.05 * (answer.actions[index] ?? 0) : 0),
    );
  }
}

try {
  // A server that is started later is waited for; one that goes away is asked again by the next
  // call.
  const policy = await RemotePolicy.connect(url, { patienceMs: 30_000, signal: stop.signal });
  try {
    await drive(policy);
  } finally {
    policy.dispose(); // closes the connection, which would keep the program alive
  }
} catch (error) {
  if (!stop.signal.aborted) throw error;
  process.exitCode = 130;
}
