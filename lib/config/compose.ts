import { UsageError } from '../errors.js';
import { catalogue } from './catalogue.js';
import { checkConflicts } from './checks.js';
import { composeFiles } from './defaults.js';
import { fillDependentDefaults } from './dependent-defaults.js';
import { GroupChoices } from './group-choices.js';
import { type InterpolationContext, resolveAll, resolveText } from './interpolation.js';
import { noticesOf } from './notices.js';
import { applyOverrides } from './override-apply.js';
import { GrammarError, type Override, parseOverride } from './override-grammar.js';
import { Problems } from './problems.js';
import type { Config } from './schema/root.js';
import {
  type ConfigFile,
  configOfText,
  type Folder,
  folderAt,
  folderOf,
  packagedFolder,
  readRecipe,
  readUserFile,
  SearchPath,
  stemOf,
} from './sources.js';
import { fromPlain, lookup, type MapNode } from './tree.js';
import { checkSchema } from './validate.js';

/** What is composed: a recipe or a file, and what goes on top of it. */
export interface ComposeRequest {
  /** A recipe of this package by name. */
  recipe?: string;
  /** Or a YAML file of the user's. */
  file?: string;
  /** Or YAML that lies somewhere else, for example in a checkpoint; `name` is shown in errors. */
  text?: { name: string; yaml: string };
  /** Hydra overrides: `a.b=c`, `+a.b=c`, `~a.b`, `env@env.eval=tabletop`, ... */
  overrides?: readonly string[];
}

/** A configuration with every key filled in, and where it comes from. */
export interface Composed {
  config: Config;
  /** For stderr: what a user should know although nothing is wrong. */
  notices: string[];
  /** The recipe's name or the file's path, as it was given. */
  source: string;
}

/**
 * Composes a configuration as Hydra does (defaults list, groups, overrides, interpolations), checks
 * every key, and fills in every default. Opens no policy and no environment.
 *
 * @throws ConfigError (`ERR_DSRL_CONFIG_*`) that names all that is wrong, and where
 */
export function composeConfig(request: ComposeRequest): Composed {
  const { recipe, file, text } = request;
  const [source, ...others] = [recipe, file, text?.name].filter((name) => name !== undefined);
  if (source === undefined || others.length > 0) {
    throw new UsageError(
      'ERR_DSRL_CONFIG_SOURCE',
      'a configuration comes from a recipe or from a file',
      { hint: 'name one of them: `tabletop`, or `-c my.yaml`' },
    );
  }
  const problems = new Problems();
  const tree = composeTree(request, source, problems);
  const { root, broken, primary } = tree;
  fillDependentDefaults(root, stemOf(primary), problems);
  const config = checkSchema(root, broken, problems);
  if (config !== undefined) checkConflicts(config, root, problems);
  problems.throwIfAny(source, checkable(request, source));
  if (config === undefined) throw new Error('unreachable: the schema failed without a problem');
  return { config, notices: [...tree.notices, ...noticesOf(config, root)], source };
}

/** What Hydra would compose, before the schema has a say. */
export interface ComposedTree {
  root: MapNode;
  primary: ConfigFile;
  notices: string[];
  /** Paths whose interpolation failed. */
  broken: string[];
}

/** Composes the tree of a recipe or file. Problems that leave a tree are collected. */
export function composeTree(
  request: ComposeRequest,
  source: string,
  problems: Problems,
): ComposedTree {
  const overrides = parseOverrides(request.overrides ?? [], problems);
  const primary = readPrimary(request, source);
  problems.throwIfAny(source, checkable(request, source));

  const notices: string[] = [];
  const context = interpolationContext();
  const folders = searchFolders(primary, overrides, context, notices);
  const searchPath = new SearchPath(folders);
  const choices = new GroupChoices();
  const values = choices.take(overrides, searchPath);
  const root = composeFiles(primary, searchPath, choices);
  applyOverrides(root, values, problems);
  root.entries.delete('hydra');
  return { root, primary, notices, broken: resolveAll(root, context, problems) };
}

/** What `config validate` reads again; null for a text that lies in something else. */
function checkable({ text }: ComposeRequest, source: string): string | null {
  return text === undefined ? source : null;
}

function readPrimary({ recipe, text }: ComposeRequest, source: string): ConfigFile {
  if (text !== undefined) return configOfText(text.yaml, text.name);
  return recipe === undefined ? readUserFile(source) : readRecipe(source);
}

function parseOverrides(lines: readonly string[], problems: Problems): Override[] {
  const overrides: Override[] = [];
  for (const line of lines) {
    try {
      overrides.push(parseOverride(line));
    } catch (error) {
      if (!(error instanceof GrammarError)) throw error;
      problems.add(
        'ERR_DSRL_CONFIG_OVERRIDE',
        `the override \`${line}\`: ${error.message}`,
        error.hint,
      );
    }
  }
  return overrides;
}

function interpolationContext(): InterpolationContext {
  return {
    environment: process.env,
    now: new Date(),
    knownPaths: [...catalogue().keys()],
    defaultOf: (path) => catalogue().get(path)?.fallback,
  };
}

/**
 * The folders that groups are looked for in: the file's own, those of `hydra.searchpath`, ours.
 * RLinf's files name `${oc.env:EMBODIED_PATH}/config`, which is set where RLinf is installed.
 */
function searchFolders(
  primary: ConfigFile,
  overrides: readonly Override[],
  context: InterpolationContext,
  notices: string[],
): Folder[] {
  const own = folderOf(primary);
  const override = overrides.find(({ key }) => key === 'hydra.searchpath')?.value;
  const written =
    override === undefined
      ? lookup(primary.body, ['hydra', 'searchpath'])
      : fromPlain(override, primary.body.origin);
  const entries = written?.kind === 'list' ? written.items : [];
  const folders = entries.flatMap((entry) => {
    return entry.kind === 'scalar' ? searchFolder(String(entry.value), primary.body) : [];
  });
  return [...(own.path === packagedFolder.path ? [] : [own]), ...folders, packagedFolder];

  function searchFolder(entry: string, body: MapNode): Folder[] {
    const passedOver = (reason: string) => {
      notices.push(`hydra.searchpath: ${reason}; our own groups of the same names serve`);
      return [];
    };
    const resolved = resolveText(entry, context, body);
    if ('error' in resolved) return passedOver(resolved.error);
    if (!resolved.text.startsWith('file://')) return passedOver(`${entry} is not a file:// folder`);
    const path = resolved.text.slice('file://'.length);
    return folderAt(path) ?? passedOver(`there is no folder ${path}`);
  }
}
