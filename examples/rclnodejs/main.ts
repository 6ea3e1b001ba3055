// A ROS 2 node that steers an arm by a policy. Where no ROS 2 is sourced a stub takes its place.

import { once } from 'node:events';
import { Policy } from 'dsrl-native';
import { startPolicyNode } from './policy-node.ts';
import { openRos } from './ros.ts';
import { openStub } from './stub.ts';

const [folder = 'policies/tabletop', answers = '3'] = process.argv.slice(2);
const policy = await Policy.load(folder, { device: 'cpu' });
const stop = new AbortController();
process.once('SIGINT', () => stop.abort());

/** Shows some answers, and ends. */
function simulation() {
  let left = Number(answers);
  return openStub((message) => {
    console.log(JSON.stringify(message).slice(0, 120));
    left -= 1;
    if (left === 0) stop.abort();
  });
}

const ros = process.env.ROS_DISTRO === undefined ? simulation() : await openRos('dsrl_policy');
startPolicyNode(policy, 'tidy', ros, stop.signal);
await once(stop.signal, 'abort'); // the node's own timers and sockets keep the program alive
ros.stop();
policy.dispose();
