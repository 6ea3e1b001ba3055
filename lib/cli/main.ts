import { readFileSync } from 'node:fs';
import { DsrlError, reasonOf } from '../errors.js';
import { suggestion, usageError } from './arguments.js';

const HELP = `Usage: dsrl-native <command> [options]

Improves a frozen flow-matching robot policy by reinforcement learning in its noise space (DSRL).

  train    train an agent that steers a frozen policy
  eval     success of a run, a checkpoint or the frozen policy alone
  serve    answer an openpi client with a policy's actions
  export   make a frozen policy of a published Pi0 checkpoint
  config   list, show and check configurations
  libero   set up LIBERO: its scenes, meshes and initial states
  setup    put a private torch into your cache folder
  build    compile the native code for another torch or machine
  doctor   what training needs and what this machine has
  debug    developers' commands: run the learner on given data, print random streams

  -h, --help      this text; after a command, that command's
      --version   the version of this package

Exit codes: 0 ok, 1 runtime failure, 2 usage, configuration or input, 3 environment (torch, GPU),
4 diverged, 130 and 143 stopped by a signal.

Examples:
  dsrl-native train tabletop
  dsrl-native eval logs/tabletop-<time>-s0 --json
`;

/** Each command in a module of its own, imported when it is asked for: the help loads nothing. */
const COMMANDS: Record<string, () => Promise<(argv: string[]) => Promise<number>>> = {
  train: async () => (await import('./train.js')).runTrain,
  eval: async () => (await import('./eval.js')).runEval,
  serve: async () => (await import('./serve.js')).runServe,
  export: async () => (await import('./export.js')).runExport,
  config: async () => (await import('./config.js')).runConfig,
  libero: async () => (await import('./libero.js')).runLibero,
  setup: async () => (await import('./setup.js')).runSetup,
  build: async () => (await import('./build.js')).runBuild,
  doctor: async () => (await import('./doctor.js')).runDoctor,
  debug: async () => (await import('./debug.js')).runDebug,
  quickstart: async () => (await import('./quickstart.js')).runQuickstart,
};

/**
 * The command line.
 *
 * @param argv what follows `dsrl-native`
 * @returns the exit code; errors are printed to stderr and do not leave this function
 */
export async function main(argv: string[]): Promise<number> {
  outliveReaders();
  try {
    return await dispatch(argv);
  } catch (error) {
    return report(error);
  }
}

async function dispatch([command, ...rest]: string[]): Promise<number> {
  switch (command) {
    case '--help':
    case '-h':
    case 'help':
      process.stdout.write(HELP);
      return 0;
    case '--version':
      process.stdout.write(`dsrl-native ${version()}\n`);
      return 0;
    case undefined:
      process.stderr.write(HELP);
      return 2;
  }
  const load = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
  if (load !== undefined) return (await load())(rest);
  const isFlag = command.startsWith('-');
  const known = isFlag ? ['--help', '--version'] : Object.keys(COMMANDS);
  const hint = await suggestion(command, known, '', '`dsrl-native --help` lists the commands');
  const kind = isFlag ? 'option' : 'command';
  throw usageError('dsrl-native', `there is no ${kind} \`${command}\``, hint);
}

function version(): string {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

function report(error: unknown): number {
  if (error instanceof DsrlError) {
    const hint = error.hint.replaceAll('\n', '\n  ');
    process.stderr.write(`error: ${error.message} (${error.code})\n  ${hint}\n`);
    if (process.env.DSRL_DEBUG === '1') process.stderr.write(`${error.stack}\n`);
    return error.exitCode;
  }
  const message = reasonOf(error);
  process.stderr.write(
    `error: ${message} (ERR_DSRL_UNEXPECTED)\n` +
      '  this is a fault of dsrl-native; DSRL_DEBUG=1 shows where it happened\n',
  );
  if (process.env.DSRL_DEBUG === '1' && error instanceof Error) {
    process.stderr.write(`${error.stack}\n`);
  }
  return 1;
}

/**
 * `dsrl-native config ls | head -1`: a reader that has what it wanted is no error. Nor may a
 * terminal that was closed end a training, so the command goes on.
 */
function outliveReaders(): void {
  const ignore = (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  };
  process.stdout.on('error', ignore);
  process.stderr.on('error', ignore);
}
