// The transport where ROS 2 is there. rclnodejs is imported late: without ROS it cannot be opened.

import type { Node } from 'rclnodejs';
import type { Transport } from './policy-node.ts';

/** A ROS 2 node by rclnodejs; `stop` ends it. */
export async function openRos(name: string): Promise<Transport & { stop(): void }> {
  const { default: rclnodejs } = await import('rclnodejs');
  await rclnodejs.init();
  const node: Node = new rclnodejs.Node(name);
  node.spin();
  return {
    subscribe: (type, topic, receive) => {
      node.createSubscription(type, topic, (message: unknown) => receive(message as never));
    },
    advertise: (type, topic) => {
      const publisher = node.createPublisher(type, topic);
      return (message) => publisher.publish(message as never);
    },
    // At Ctrl-C rclnodejs may have been first.
    stop: () => {
      if (!rclnodejs.isShutdown()) rclnodejs.shutdown();
    },
  };
}
