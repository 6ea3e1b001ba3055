// The transport where ROS 2 is absent: a simulated camera and arm at 10 Hz.

import type { Transport } from './policy-node.ts';

const SIDE = 64;

/** Calls `received` with every action message; `stop` ends the simulation. */
export function openStub(received: (message: unknown) => void): Transport & { stop(): void } {
  const receivers = new Map<string, (message: never) => void>();
  const timer = setInterval(() => {
    const send = (topic: string, message: unknown) => receivers.get(topic)?.(message as never);
    send('joint_states', { position: [0.5, 0.5, 0.4, Math.PI, 0, 0, 0.04, -0.04] });
    const data = new Uint8Array(SIDE * SIDE * 3).fill(120);
    send('camera/image', { height: SIDE, width: SIDE, encoding: 'rgb8', data });
  }, 100);
  return {
    subscribe: (_, topic, receive) => void receivers.set(topic, receive as never),
    advertise: () => received,
    stop: () => clearInterval(timer),
  };
}
