import { parseCommand, usageError } from './arguments.js';

const HELP = `Usage: dsrl-native setup [--torch X.Y] [--cpu] [options]

Puts a private torch into your cache folder (~/.cache/dsrl-native/torch), where every command finds
it from then on. It is fetched by pip into a Python environment of its own; nothing else of the
machine is changed. Typed again it goes on where it was stopped, or does nothing.

  --torch X.Y       which torch, 2.11 to 2.14; default: the newest that this package has a core for
  --cpu             the CPU build only (about 190 MB instead of 3 GB to fetch)
  --python FILE     the Python 3.11 - 3.14 that the environment is made with
  --index-url URL   where pip looks for torch, instead of its configured index
  -h, --help

A torch that is there already needs no set-up: activate its environment, or name its folder with
DSRL_TORCH_HOME.

Examples:
  dsrl-native setup --cpu
  dsrl-native setup --torch 2.14
`;

const OPTIONS = {
  torch: { type: 'string' },
  cpu: { type: 'boolean' },
  python: { type: 'string' },
  'index-url': { type: 'string' },
} as const;

/** `dsrl-native setup`. */
export async function runSetup(argv: string[]): Promise<number> {
  const { values, positionals } = await parseCommand('setup', argv, OPTIONS);
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (positionals.length > 0) throw usageError('setup', `\`${positionals[0]}\` is too much`);
  const { setupTorch, TORCH_MINORS } = await import('./setup-torch.js');
  const { torch, cpu = false, python, 'index-url': indexUrl } = values;
  if (torch !== undefined && !TORCH_MINORS.includes(torch)) {
    const hint = `give one of ${TORCH_MINORS.join(', ')}`;
    throw usageError('setup', `--torch ${torch} is outside what this package runs on`, hint);
  }
  const report = await setupTorch({ minor: torch, cpu, python, indexUrl });
  process.stdout.write(`${JSON.stringify(report)}\n`);
  return 0;
}
