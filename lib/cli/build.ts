import { parseCommand, usageError } from './arguments.js';

const HELP = `Usage: dsrl-native build --torch-home DIR

Compiles the native code for the torch in DIR, from the sources in this package, and keeps it in
your cache folder (~/.cache/dsrl-native/native), where every command finds it from then on. It takes
some minutes. For a torch that this package has no core for, and for machines other than linux-x64.

  --torch-home DIR   the torch package: the folder that holds version.py, include/ and lib/;
                     default: what DSRL_TORCH_HOME says
  -h, --help

It needs a C++20 compiler (g++ 12 or clang 15), CMake 3.25 and make or ninja, and the headers of the
packages node-addon-api and node-api-headers. What is missing is named, with what to type.

Examples:
  dsrl-native build --torch-home ~/venv/lib/python3.12/site-packages/torch
  dsrl-native build --help
`;

const OPTIONS = { 'torch-home': { type: 'string' } } as const;

/** `dsrl-native build`. */
export async function runBuild(argv: string[]): Promise<number> {
  const { values, positionals } = await parseCommand('build', argv, OPTIONS);
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (positionals.length > 0) throw usageError('build', `\`${positionals[0]}\` is too much`);
  const torchHome = values['torch-home'] ?? process.env.DSRL_TORCH_HOME;
  if (!torchHome) {
    const hint = 'name it with --torch-home DIR; `dsrl-native doctor` lists those that it finds';
    throw usageError('build', 'no torch to compile for', hint);
  }
  const { buildCore } = await import('./build-core.js');
  process.stdout.write(`${JSON.stringify(await buildCore(torchHome))}\n`);
  return 0;
}
