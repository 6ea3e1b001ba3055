// What the node does, whatever carries its messages: a picture and the joints in, actions out.

import type { Policy } from 'dsrl-native';

/** The parts of ROS 2 messages that are read and written here. */
export interface ImageMessage {
  height: number;
  width: number;
  /** `rgb8` is what this node takes. */
  encoding: string;
  data: Uint8Array;
}
export interface JointStateMessage {
  position: ArrayLike<number>;
}
export interface ActionMessage {
  layout: { dim: { label: string; size: number; stride: number }[]; data_offset: number };
  data: number[];
}

/** The part of a ROS 2 node that is needed; rclnodejs.Node has it, and so has the stub. */
export interface Transport {
  subscribe<Message>(type: string, topic: string, receive: (message: Message) => void): void;
  advertise<Message>(type: string, topic: string): (message: Message) => void;
}

/** Actions for a picture that is older than this are of no use to an arm that moves. */
const DEADLINE_MS = 1_000;

/**
 * Answers every picture with a chunk of actions, until `signal` aborts. A picture that comes while
 * another is worked on is dropped; where no action goes out the arm's controller holds its place.
 */
export function startPolicyNode(
  policy: Policy,
  prompt: string,
  ros: Transport,
  signal: AbortSignal,
): void {
  const publish = ros.advertise<ActionMessage>('std_msgs/msg/Float32MultiArray', 'actions');
  const { observation, actions, steering } = policy.metadata;
  const [stateSize] = observation.state.shape;
  // An agent was trained to choose anew after so many actions; without one the whole chunk runs.
  const run = steering?.chunk ?? actions.shape[0];
  let joints: ArrayLike<number> | null = null;
  let isBusy = false;

  ros.subscribe<JointStateMessage>('sensor_msgs/msg/JointState', 'joint_states', (message) => {
    if (message.position.length >= stateSize) joints = message.position;
  });
  ros.subscribe<ImageMessage>('sensor_msgs/msg/Image', 'camera/image', async (message) => {
    if (isBusy || signal.aborted || joints === null || message.encoding !== 'rgb8') return;
    isBusy = true;
    try {
      const { height, width } = message;
      const images = { main: { data: Uint8Array.from(message.data), height, width } };
      const state = Array.from(joints).slice(0, stateSize);
      const limits = { deadlineMs: DEADLINE_MS, signal };
      const answer = await policy.infer({ images, state, prompt }, limits);
      if (answer.timedOut) console.error(`no actions within ${DEADLINE_MS} ms`);
      else publish(asMessage(answer.actions, run, actions.shape[1]));
    } catch (error) {
      // An error that left this function would end the process, as nobody waits for it.
      if (!signal.aborted) console.error(error);
    } finally {
      isBusy = false;
    }
  });
}

function asMessage(actions: Float32Array, run: number, size: number): ActionMessage {
  const dim = [
    { label: 'step', size: run, stride: run * size },
    { label: 'action', size, stride: size },
  ];
  return { layout: { dim, data_offset: 0 }, data: Array.from(actions.subarray(0, run * size)) };
}
