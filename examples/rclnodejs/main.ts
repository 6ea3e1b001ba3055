// A ROS 2 node that steers an arm by a policy. Where no ROS 2 is sourced a stub takes its place.

import { Policy } from 'dsrl-native';
import { startPolicyNode } from './policy-node.js';
import { openRos } from './ros.js';
import { openStub } from './stub.js';

const [folder = 'policies/tabletop', answers = '3'] = process.argv.slice(2);
const policy = await Policy.load(folder, { device: 'cpu' });

if (process.env.ROS_DISTRO !== undefined) {
  const ros = await openRos('dsrl_policy');
  startPolicyNode(policy, 'tidy', ros);
  process.once('SIGINT', () => ros.stop());
} else {
  let left = Number(answers);
  const stub = openStub((message) => {
    console.log(JSON.stringify(message).slice(0, 120));
    left -= 1;
    if (left === 0) stub.stop();
  });
  startPolicyNode(policy, 'tidy', stub);
}
