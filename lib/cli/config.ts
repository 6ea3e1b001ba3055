import { existsSync, writeFileSync } from 'node:fs';
import { reasonOf, UsageError } from '../errors.js';
import { parseCommand, suggestion, usageError } from './arguments.js';

const USAGE = `dsrl-native config: look at configurations

  config ls                                 the recipes of this package
  config cat <recipe|file> [key=value ...]  a configuration with every key filled in; a file is YAML
                                            or a module that exports a configuration
  config cat --source <recipe>              a recipe as it is written, comments included
  config cp <recipe> [file]                 copies a recipe, comments included, to start from
  config schema                             JSON Schema of a configuration file, for editors
  config validate <recipe|file> [key=value ...]
                                            checks keys, types and ranges; opens nothing else

examples
  dsrl-native config cat tabletop > my.yaml
  dsrl-native config validate my.yaml algorithm.gamma=0.99
  dsrl-native config schema > dsrl.schema.json
`;

/**
 * `dsrl-native config ...`. Results go to stdout, notices to stderr.
 *
 * @returns the exit code
 * @throws DsrlError for everything that is wrong
 */
export async function runConfig(argv: string[]): Promise<number> {
  const { values, positionals } = await parseCommand('config', argv, {
    source: { type: 'boolean' },
  });
  const [command, ...rest] = positionals;
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (command === undefined) throw usage('no command');
  const run = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
  if (run !== undefined) return values.source && command === 'cat' ? catSource(rest) : run(rest);
  const names = Object.keys(COMMANDS);
  const hint = await suggestion(command, names, '', `there is ${names.join(', ')}`);
  throw usage(`there is no command \`${command}\``, hint);
}

const COMMANDS: Record<string, (words: string[]) => Promise<number>> = {
  ls: list,
  cat,
  cp: copy,
  schema: printSchema,
  validate,
};

const usage = (what: string, hint?: string) => usageError('config', what, hint);

async function list(words: string[]): Promise<number> {
  if (words.length > 0) throw usage('`ls` takes no arguments');
  const { listRecipes } = await import('../config/sources.js');
  const recipes = listRecipes();
  const width = Math.max(...recipes.map(({ name }) => name.length));
  for (const { name, description } of recipes) {
    process.stdout.write(`${name.padEnd(width)}  ${description}\n`);
  }
  return 0;
}

async function cat(words: string[]): Promise<number> {
  const { composed, configToYaml } = await compose('cat', words);
  process.stdout.write(configToYaml(composed.config));
  return 0;
}

async function catSource(words: string[]): Promise<number> {
  const [recipe, ...rest] = words;
  if (recipe === undefined || rest.length > 0) throw usage('`cat --source` takes one recipe');
  const { recipeText } = await import('../config/sources.js');
  process.stdout.write(recipeText(recipe));
  return 0;
}

async function copy(words: string[]): Promise<number> {
  const [recipe, file = `${recipe}.yaml`, ...rest] = words;
  if (recipe === undefined || rest.length > 0) throw usage('`cp` takes a recipe and a file');
  const { recipeText } = await import('../config/sources.js');
  const text = recipeText(recipe);
  try {
    writeFileSync(file, text, { flag: 'wx' });
  } catch (cause) {
    const isThere = (cause as NodeJS.ErrnoException).code === 'EEXIST';
    const why = isThere ? 'is there already' : `cannot be written: ${reasonOf(cause)}`;
    throw new UsageError('ERR_DSRL_CONFIG_COPY', `${file} ${why}`, {
      hint: `name another file, in a folder that is there: dsrl-native config cp ${recipe} my.yaml`,
      cause,
    });
  }
  process.stdout.write(`${file}\n`);
  return 0;
}

async function printSchema(words: string[]): Promise<number> {
  if (words.length > 0) throw usage('`schema` takes no arguments');
  const { configJsonSchema } = await import('../config/json-schema.js');
  process.stdout.write(`${JSON.stringify(configJsonSchema(), null, 2)}\n`);
  return 0;
}

async function validate(words: string[]): Promise<number> {
  const { composed } = await compose('validate', words);
  process.stdout.write(`${composed.source}: valid\n`);
  return 0;
}

async function compose(command: string, words: string[]) {
  const [name, ...overrides] = words;
  if (name === undefined) throw usage(`\`${command}\` needs a recipe or a file`);
  const { configToYaml } = await import('../config/index.js');
  const { composeAloud, sourceOf } = await import('./compose.js');
  // Of another ending, or not there: a path is told as a file, another word as a recipe.
  const isPath = /[/\\]/.test(name) || existsSync(name);
  const source = (await sourceOf(name)) ?? (isPath ? { file: name } : { recipe: name });
  return { composed: composeAloud({ ...source, overrides }), configToYaml };
}
