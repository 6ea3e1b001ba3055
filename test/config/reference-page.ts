import { catalogue, type KeyInfo } from '../../lib/config/catalogue.js';
import { shown } from '../../lib/config/validate.js';

const INTRODUCTION = `# Configuration

Keys, their names and their nesting are RLinf's; files are composed as Hydra composes them. A copy
of RLinf's own \`libero_spatial_dsrl_openpi.yaml\` (or its pi0.5 and async variants, or the forms
of February 2026) is read as it is.

\`\`\`
dsrl-native config ls                        # the recipes of this package
dsrl-native config cat tabletop              # one of them with every key filled in
dsrl-native config cp tabletop my.yaml       # one of them to start from, comments included
dsrl-native config validate my.yaml          # keys, types and ranges; opens nothing else
dsrl-native config schema > dsrl.schema.json # JSON Schema, for an editor's completion
dsrl-native train -c my.yaml algorithm.gamma=0.99 env@env.eval=tabletop
\`\`\`

An editor with YAML's language server completes keys and shows their meaning in a file whose first
line is \`# yaml-language-server: $schema=dsrl.schema.json\`. In a program \`defineConfig({ recipe:
'tabletop', seed: 3, algorithm: { gamma: 0.99 } })\` is the same with types; as the default export
of a module (\`mine.mjs\`) it goes where a file goes: \`train -c\`, \`config\`, \`eval --policy-only\`.

## Composition
A file's \`defaults:\` list names other files to start from, in order, later ones over earlier ones
and the file itself last (or where \`_self_\` stands). They are looked for beside the file, then in
the folders of \`hydra.searchpath\`, then in this package's \`configs/\`. An unset
\`EMBODIED_PATH\` in a search path is no error: the groups of \`configs/\` have RLinf's names.

| override | effect |
|---|---|
| \`a.b=c\` | changes a key that a file has or the table below lists |
| \`+a.b=c\` | adds a key that is not there; needed only below blocks without effect |
| \`++a.b=c\` | adds or changes |
| \`~a.b\`, \`~a.b=c\` | deletes a key (if its value is c); its default then holds |
| \`env@env.eval=tabletop\` | exchanges an entry of the defaults list |
| \`+env@env.eval=tabletop\`, \`~env@env.eval\` | appends an entry, deletes one |

Values are Hydra's: \`1e-4\`, \`True\`, \`null\`, \`text\`, \`'quoted, text'\`, \`[1,2]\`, \`{a: 1}\`,
\`\${other.key}\`. Sweeps (\`a=1,2\`) and functions are refused. Interpolations are OmegaConf's:
\`\${a.b}\`, \`\${.sibling}\`, \`\${..above}\`, \`\${oc.env:NAME,default}\`, \`\${oc.decode:...}\`,
\`\${oc.select:a.b,default}\`, \`\${now:%Y-%m-%d}\`.

## What becomes of a key
* **honoured**: it has the effect that the table says.
* **fixed**: only the value in the table can be honoured; another is refused, with what to do.
* **inert**: it means something to RLinf and nothing here (Ray, FSDP, offload, policy gradients).
  Any value passes; those in your file are named together in one notice.

A key that is in no table is an error, with its line, its column and what may have been meant.

## Videos
\`env.train.video_cfg.save_video=True\` films the training: all environments side by side
(floor(sqrt(n)) rows, as RLinf; smaller where more than 2048 pixels would stand in a row), one file a
global step, \`step_20/train.mp4\`. \`env.eval.video_cfg.save_video=True\` films the evaluations, one
file an episode, \`step_20/task3_trial07_success.mp4\` or \`..._failure.mp4\`; \`episodes\` chooses \`all\`,
\`failed\` or a list such as \`'0:3,5:12'\`. The command \`eval\` has it as \`--video\`; its videos lie in
the run too, those of the frozen policy alone in \`<log_path>/<experiment_name>-policy-only/videos\`.

Every executed step is a picture, drawn for the video at its \`size\`; \`every: chunk\`, a robot, a
JavaScript environment and \`libero-python\` give one a chunk, what the policy saw there. The files are
mp4 (H.264, 4:2:0), made by the system's ffmpeg (libx264 or libopenh264), else by the package
h264-mp4-encoder, which is slower and larger. Nothing that goes wrong there costs more than the video
and one warning. A run ends in the same bits with videos and without, and without them nothing is
drawn.
`;

/** docs/config.md, made from the schema. */
export function referencePage(): string {
  const tables = [...tablesOf(catalogue())].map(([block, rows]) => {
    const title = block === '' ? '## Top' : `## \`${block}\``;
    const head = '| key | type and range | default | fate | meaning |\n|---|---|---|---|---|';
    return `${title}\n${head}\n${rows.map(row).join('\n')}\n`;
  });
  return [INTRODUCTION, ...tables].join('\n');
}

function tablesOf(keys: ReadonlyMap<string, KeyInfo>): Map<string, KeyInfo[]> {
  const tables = new Map<string, KeyInfo[]>();
  for (const info of keys.values()) {
    if (info.fate === 'block') continue;
    const dot = info.path.lastIndexOf('.');
    const block = info.path.slice(0, Math.max(0, dot));
    // The keys of a block without effect stand in its parent's table, as `block.key`.
    const table = keys.get(block)?.fate === 'inert' ? parentOf(block) : block;
    tables.set(table, [...(tables.get(table) ?? []), info]);
  }
  // Blocks stand in the order of their first key; a block's table before those inside it.
  return new Map([...tables].sort(([a], [b]) => order(keys, a) - order(keys, b)));
}

function order(keys: ReadonlyMap<string, KeyInfo>, block: string): number {
  return block === '' ? -1 : [...keys.keys()].indexOf(block);
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('.')));
}

function row(info: KeyInfo): string {
  const { path, expected, fallback, absent, fate, doc, instead, open } = info;
  const block = catalogue().get(parentOf(path))?.fate === 'inert' ? 2 : 1;
  const name = path.split('.').slice(-block).join('.') + (open ? '.*' : '');
  const value = absent ?? (fallback === undefined ? '**required**' : `\`${shown(fallback)}\``);
  const type = fate === 'inert' ? '' : expected;
  const meaning = instead === undefined ? doc : `${doc}; other values: ${instead}`;
  return `| \`${name}\` | ${type} | ${fate === 'inert' ? '' : value} | ${fate} | ${meaning} |`;
}
