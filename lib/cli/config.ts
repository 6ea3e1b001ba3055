import { existsSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { reasonOf, UsageError } from '../errors.js';

const USAGE = `dsrl-native config: look at configurations

  config ls                                 the recipes of this package
  config cat <recipe|file> [key=value ...]  a configuration with every key filled in
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
  const { help, source, words } = parse(argv);
  const [command, ...rest] = words;
  if (help) {
    process.stdout.write(USAGE);
    return 0;
  }
  switch (command) {
    case 'ls':
      return list(rest);
    case 'cat':
      return source ? catSource(rest) : cat(rest);
    case 'cp':
      return copy(rest);
    case 'schema':
      return printSchema(rest);
    case 'validate':
      return validate(rest);
    default:
      throw usage(command === undefined ? 'no command' : `there is no command \`${command}\``);
  }
}

function parse(argv: string[]): { help: boolean; source: boolean; words: string[] } {
  try {
    const { values, positionals } = parseArgs({
      args: argv,
      allowPositionals: true,
      options: { help: { type: 'boolean', short: 'h' }, source: { type: 'boolean' } },
    });
    return { help: values.help ?? false, source: values.source ?? false, words: positionals };
  } catch (error) {
    throw usage(reasonOf(error));
  }
}

function usage(what: string): UsageError {
  return new UsageError('ERR_DSRL_USAGE', `config: ${what}`, {
    hint: '`dsrl-native config --help` shows ls, cat, cp, schema and validate',
  });
}

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
  const { composeConfig, configToYaml, listRecipes } = await import('../config/index.js');
  const source = isFile(name, listRecipes()) ? { file: name } : { recipe: name };
  const composed = composeConfig({ ...source, overrides });
  for (const notice of composed.notices) process.stderr.write(`note: ${notice}\n`);
  return { composed, configToYaml };
}

/** A path, or the name of a file that is there and of no recipe. */
function isFile(name: string, recipes: readonly { name: string }[]): boolean {
  if (/[/\\]|\.ya?ml$/.test(name)) return true;
  return existsSync(name) && !recipes.some((recipe) => recipe.name === name);
}
