import { resolve } from 'node:path';
import { oneOf, parseCommand, usageError, wholeNumber } from './arguments.js';

const HELP = `Usage: dsrl-native export pi0 --checkpoint DIR --out DIR [options]

Makes a policy folder (policy.pt, policy.json) of a published Pi0 checkpoint: openpi's PyTorch
conversion, LeRobot's folder, or RLinf's. Needs a Python 3.11 - 3.13 with torch and nothing else;
running the policy afterwards needs no Python.

  --checkpoint DIR   the folder with the weights
  --out DIR          the policy folder to write; it must not exist
  --dtype D          bf16 or f32; the checkpoint's own unless given
  --rope R           f32 (the default), or bf16: rotary frequencies rounded as the originals do
                     when they run in bf16
  --attn A           sdpa (the default) or eager, as the originals compute it
  --horizon N        length of the action chunk, where no config.json says it
  --num-steps N      Euler steps unless a run says otherwise
  --tokenizer FILE   PaliGemma's paligemma_tokenizer.model or tokenizer.json
  --prompts FILE     prompts, one a line, whose ids are recorded; LIBERO-Spatial's unless given
  --norm-stats FILE  a norm_stats.json, where the folder has none or several
  --python FILE      the Python to use

What openpi's and RLinf's folders do not say:
  --robot R          libero or droid; or else each of
  --state-dim N, --action-dim N
  --delta-actions N  the first N action dimensions are offsets from the state; 0: none
  --cameras LIST     observation=original, for instance main=base_0_rgb,wrist=left_wrist_0_rgb

Examples:
  dsrl-native export pi0 --checkpoint pi0_libero_pytorch --out policies/pi0_libero
  dsrl-native export pi0 --checkpoint RLinf-Pi0-LIBERO-Spatial-Object-Goal-SFT --horizon 50 \\
      --robot libero --dtype bf16 --out policies/pi0_spatial
`;

const OPTIONS = {
  checkpoint: { type: 'string' },
  out: { type: 'string' },
  dtype: { type: 'string' },
  rope: { type: 'string' },
  attn: { type: 'string' },
  horizon: { type: 'string' },
  'num-steps': { type: 'string' },
  tokenizer: { type: 'string' },
  prompts: { type: 'string' },
  'norm-stats': { type: 'string' },
  python: { type: 'string' },
  robot: { type: 'string' },
  'state-dim': { type: 'string' },
  'action-dim': { type: 'string' },
  'delta-actions': { type: 'string' },
  cameras: { type: 'string' },
} as const;

const CHOICES = {
  dtype: ['bf16', 'f32'],
  rope: ['f32', 'bf16'],
  attn: ['sdpa', 'eager'],
  robot: ['libero', 'droid'],
} as const;
/** Whole numbers, and the least that each may be. */
const NUMBERS = {
  horizon: 1,
  'num-steps': 1,
  'state-dim': 1,
  'action-dim': 1,
  'delta-actions': 0,
} as const;
/** What Python is not told. */
const HERE: ReadonlySet<string> = new Set(['python', 'prompts']);
const FILES = ['checkpoint', 'out', 'tokenizer', 'norm-stats'] as const;

/** `dsrl-native export`. */
export async function runExport(argv: string[]): Promise<number> {
  const { values, positionals } = await parseCommand('export', argv, OPTIONS);
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const [kind, ...surplus] = positionals;
  if (kind !== 'pi0') throw usageError('export', kind ? `what is \`${kind}\`?` : 'no kind: pi0');
  if (surplus.length > 0) throw usageError('export', `what is \`${surplus[0]}\`?`);
  const { exportAloud } = await import('./export-run.js');
  const { checkTokenizer, promptsToRecord, recordAloud } = await import('./export-prompts.js');
  const words = toPython(values);
  const prompts = promptsToRecord(values.prompts);
  await checkTokenizer(values);
  const folder = await exportAloud(words, values.python);
  await recordAloud(folder, prompts, values.prompts !== undefined);
  process.stdout.write(`${folder}\n`);
  return 0;
}

type Values = { [Name in keyof typeof OPTIONS]?: string | undefined };

/** The options that were given, checked, with absolute paths: Python runs in another folder. */
function toPython(values: Values): string[] {
  if (values.checkpoint === undefined) throw usageError('export', '--checkpoint is missing');
  if (values.out === undefined) throw usageError('export', '--out is missing');
  const words: string[] = [];
  for (const [name, value] of Object.entries(values) as [keyof Values, string | undefined][]) {
    if (value === undefined || HERE.has(name)) continue;
    if (name in CHOICES) {
      oneOf('export', name, value, CHOICES[name as keyof typeof CHOICES] as readonly string[]);
    }
    if (name in NUMBERS) {
      wholeNumber('export', name, value, NUMBERS[name as keyof typeof NUMBERS]);
    }
    if (name === 'cameras' && !/^[^=,]+=[^=,]+(,[^=,]+=[^=,]+)*$/.test(value)) {
      throw usageError('export', `--cameras ${value}: observation=original, separated by commas`);
    }
    words.push(
      `--${name}=${FILES.includes(name as (typeof FILES)[number]) ? resolve(value) : value}`,
    );
  }
  return words;
}
