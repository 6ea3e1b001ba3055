// A robot that asks a served policy for its next actions, chunk by chunk.

import { RemotePolicy } from 'dsrl-native';

const SIDE = 64;
const [url = 'ws://127.0.0.1:8000', rounds = '3'] = process.argv.slice(2);

/** What a camera would give. */
function photograph(moment: number) {
  const data = Uint8Array.from({ length: SIDE * SIDE * 3 }, (_, index) => (index * moment) & 255);
  return { data, height: SIDE, width: SIDE };
}

// A server that is started later is waited for; one that goes away is asked again by the next call.
using policy = await RemotePolicy.connect(url, { patienceMs: 30_000 });
console.log('serving', JSON.stringify(policy.metadata));

let state = [0.5, 0.5, 0.4, Math.PI, 0, 0, 0.04, -0.04];
for (let round = 1; round <= Number(rounds); round++) {
  const observation = { images: { main: photograph(round) }, state, prompt: 'tidy' };
  const started = performance.now();
  const { actions, shape } = await policy.infer(observation, {
    signal: AbortSignal.timeout(5_000), // an answer later than this is of no use
  });
  const [horizon = 0, size = 0] = shape;
  console.log(
    `${horizon} actions of ${size} numbers in ${Math.round(performance.now() - started)} ms`,
  );
  // The arm would execute the chunk here; this one moves as the first action says.
  state = state.map((value, index) => (index < 3 ? value + 0.05 * (actions[index] ?? 0) : value));
}
