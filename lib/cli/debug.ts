import { suggestion, usageError } from './arguments.js';

const HELP = `Usage: dsrl-native debug <command> [options]

Developers' commands.

  replay-updates   the learner's own update on given weights, batches and noise
  sample           a frozen policy's flow on given tensors and noise
  replay-env       an environment, step by step, on given actions
  expert           LIBERO's scripted expert: how often it succeeds
  demonstrations   LIBERO's scripted expert, recorded
  random           numbers of a random stream
  -h, --help       this text; after a command, that command's

Examples:
  dsrl-native debug replay-updates --agent a.safetensors --batches b --config c.json --out o
  dsrl-native debug sample --policy policies/tabletop --inputs in.safetensors --out out.safetensors
  dsrl-native debug replay-env --env tabletop --task 0 --trial 3 --actions a.safetensors --out o
  dsrl-native debug expert --env libero_spatial --tasks 0,2,8
  dsrl-native debug random --seed 0 --stream policy --step 0 --env 0 --count 4
`;

/** `dsrl-native debug ...`. */
export async function runDebug([command, ...rest]: string[]): Promise<number> {
  switch (command) {
    case 'replay-updates':
      return (await import('./replay-updates.js')).runReplayUpdates(rest);
    case 'sample':
      return (await import('./sample.js')).runSample(rest);
    case 'replay-env':
      return (await import('./replay-env.js')).runReplayEnv(rest);
    case 'expert':
      return (await import('./expert.js')).runExpert(rest);
    case 'demonstrations':
      return (await import('./demonstrations.js')).runDemonstrations(rest);
    case 'random':
      return (await import('./random.js')).runRandom(rest);
    case '--help':
    case '-h':
      process.stdout.write(HELP);
      return 0;
    case undefined:
      throw usageError('debug', 'no command');
  }
  const known = ['replay-updates', 'sample', 'replay-env', 'expert', 'demonstrations', 'random'];
  const hint = await suggestion(command, known, '', `there are ${known.join(', ')}`);
  throw usageError('debug', `there is no command \`${command}\``, hint);
}
