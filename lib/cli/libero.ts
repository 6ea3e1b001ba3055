import { resolve } from 'node:path';
import { parseCommand, suggestion, usageError } from './arguments.js';

const HELP = `Usage: dsrl-native libero <command> [options]

LIBERO's scene, meshes and initial states, as the bundle that the native backend runs from. The
meshes may not be shipped, so that the bundle is made on your machine and kept in your cache
(~/.cache/dsrl-native/libero, or where DSRL_LIBERO says).

  setup     makes a private Python environment with the original, and the bundle from it
  export    makes the bundle from a LIBERO of your own
  check     checks the hash of every file of a bundle

setup, which goes on where it was stopped:
  --python FILE     the Python 3.10 - 3.12 that the environment is made with
export:
  --python VENV     an environment that has LIBERO and MuJoCo 3.3.0 - 3.3.2, or its program
  --out DIR         the folder to write; it is replaced when the new bundle is complete
  --no-lod          without the reduced scene (which needs the package fast-simplification)
check:
  DIR               the bundle; the one in the cache unless given

Examples:
  dsrl-native libero setup
  dsrl-native libero export --python ~/RLinf/.venv --out ~/libero-bundle
  dsrl-native libero check
`;

const COMMANDS = ['setup', 'export', 'check'];

/** `dsrl-native libero ...`. */
export async function runLibero([command, ...rest]: string[]): Promise<number> {
  switch (command) {
    case 'setup':
      return runSetup(rest);
    case 'export':
      return runExport(rest);
    case 'check':
      return runCheck(rest);
    case '--help':
    case '-h':
      process.stdout.write(HELP);
      return 0;
    case undefined:
      throw usageError('libero', 'no command');
  }
  const hint = await suggestion(command, COMMANDS, '', `there is ${COMMANDS.join(', ')}`);
  throw usageError('libero', `there is no command \`${command}\``, hint);
}

async function runSetup(argv: string[]): Promise<number> {
  const { values, positionals } = await parseCommand('libero', argv, {
    python: { type: 'string' },
  });
  if (values.help) return help();
  nothingMore(positionals);
  const { setupLibero } = await import('./libero-setup.js');
  return report(await setupLibero(values.python));
}

async function runExport(argv: string[]): Promise<number> {
  const { values, positionals } = await parseCommand('libero', argv, {
    python: { type: 'string' },
    out: { type: 'string' },
    'no-lod': { type: 'boolean' },
  });
  if (values.help) return help();
  nothingMore(positionals);
  if (values.python === undefined) throw usageError('libero', '--python is missing');
  if (values.out === undefined) throw usageError('libero', '--out is missing');
  const { exportLibero } = await import('./libero-export.js');
  const lod = values['no-lod'] !== true;
  return report(await exportLibero(values.python, resolve(values.out), { lod }));
}

async function runCheck(argv: string[]): Promise<number> {
  const { values, positionals } = await parseCommand('libero', argv, {});
  if (values.help) return help();
  nothingMore(positionals.slice(1));
  const { checkBundle } = await import('./libero-check.js');
  return report(checkBundle(positionals[0]));
}

function help(): number {
  process.stdout.write(HELP);
  return 0;
}

function nothingMore([surplus]: string[]): void {
  if (surplus !== undefined) throw usageError('libero', `what is \`${surplus}\`?`);
}

function report(result: object): number {
  process.stdout.write(`${JSON.stringify(result)}\n`);
  return 0;
}
