import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { reasonOf } from '../errors.js';
import { isFolder } from '../folder.js';
import { fail, nearest } from './problems.js';
import type { MapNode, TreeNode } from './tree.js';
import { parseYaml } from './yaml-source.js';

/** The package's own folder: this file is in lib/config/ or, compiled, in dist/config/. */
export const packageRoot = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const recipesFolder = join(packageRoot, 'configs');

/** One YAML file, its `defaults:` apart from the rest. */
export interface ConfigFile {
  path: string;
  display: string;
  /** The argument of `# @package ...` at its head. */
  header: string | undefined;
  defaults: TreeNode[];
  body: MapNode;
}

export interface Folder {
  path: string;
  /** How its files are named in errors. */
  display: string;
  packaged: boolean;
}

export const packagedFolder: Folder = { path: recipesFolder, display: 'configs', packaged: true };

/** Hydra's search path: the first folder that has a file wins. */
export class SearchPath {
  private readonly read = new Map<string, ConfigFile>();

  constructor(readonly folders: readonly Folder[]) {}

  /**
   * The file `<config>.yaml` of the first folder that has it. Files in `open` are passed over, so
   * that a user's `tabletop.yaml` can start from the recipe of the same name.
   */
  find(config: string, open: readonly ConfigFile[]): ConfigFile | undefined {
    for (const folder of this.folders) {
      const path = join(folder.path, `${config}.yaml`);
      if (open.some((file) => file.path === path) || !isFile(path)) continue;
      const known = this.read.get(path);
      if (known !== undefined) return known;
      const file = readConfig(path, join(folder.display, `${config}.yaml`), folder.packaged);
      this.read.set(path, file);
      return file;
    }
    return undefined;
  }

  /** A folder is a group if it holds configurations: a `seed/` full of data is none. */
  hasGroup(group: string): boolean {
    return group !== '' && this.options(group).length > 0;
  }

  /** The names that can be chosen in a group, or beside the primary file for the empty group. */
  options(group: string): string[] {
    const names = this.folders.flatMap((folder) => yamlNames(join(folder.path, group)));
    return [...new Set(names)].sort();
  }
}

/** Reads a user's file. `display` is the name as it was typed. */
export function readUserFile(display: string): ConfigFile {
  const path = resolve(display);
  if (!existsSync(path)) {
    fail(
      'ERR_DSRL_CONFIG_FILE',
      `${display}: there is no such file`,
      `check the path, or name a recipe: ${listRecipes()
        .map(({ name }) => name)
        .join(', ')}`,
    );
  }
  if (!isFile(path)) {
    fail('ERR_DSRL_CONFIG_FILE', `${display} is not a file`, 'name the YAML file itself');
  }
  return readConfig(path, display, false);
}

/** Reads a recipe of this package. */
export function readRecipe(name: string): ConfigFile {
  const names = yamlNames(recipesFolder);
  if (names.includes(name)) {
    return readConfig(join(recipesFolder, `${name}.yaml`), `configs/${name}.yaml`, true);
  }
  const near = nearest(name, names);
  const file = existsSync(name) ? ` For the file ${name} type \`-c ${name}\`.` : '';
  fail(
    'ERR_DSRL_CONFIG_UNKNOWN_RECIPE',
    `there is no recipe \`${name}\``,
    `${near[0] === undefined ? `recipes: ${names.join(', ')}` : `did you mean ${near[0]}?`} ` +
      `(\`dsrl-native config ls\` lists them.)${file}`,
  );
}

/** The text of a recipe as it lies in the package, comments included. */
export function recipeText(name: string): string {
  return readFileSync(readRecipe(name).path, 'utf8');
}

/** Every recipe with the comment of its first line. */
export function listRecipes(): { name: string; description: string }[] {
  return yamlNames(recipesFolder).map((name) => {
    const text = readFileSync(join(recipesFolder, `${name}.yaml`), 'utf8');
    return { name, description: /^#\s*(.*)/.exec(text)?.[1] ?? '' };
  });
}

/** The folder that a user's file finds its groups in. */
export function folderOf(file: ConfigFile): Folder {
  const folder = dirname(file.display);
  return { path: dirname(file.path), display: folder === '.' ? '' : folder, packaged: false };
}

/** A folder of `hydra.searchpath`, if it is there. */
export function folderAt(path: string): Folder[] | undefined {
  return isFolder(path) ? [{ path: resolve(path), display: path, packaged: false }] : undefined;
}

/** The name of a run that its file does not name: the file's own. */
export function stemOf(file: ConfigFile): string {
  return basename(file.path).replace(/\.ya?ml$/, '');
}

function readConfig(path: string, display: string, packaged: boolean): ConfigFile {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const reason = reasonOf(error);
    fail(
      'ERR_DSRL_CONFIG_FILE',
      `${display} cannot be read: ${reason}`,
      'check its permissions, or name another file',
    );
  }
  return configOf(text, path, display, packaged);
}

/** What stands in another file, as if it were a user's file of that name. */
export function configOfText(text: string, name: string): ConfigFile {
  return configOf(text, resolve(name), name, false);
}

function configOf(text: string, path: string, display: string, packaged: boolean): ConfigFile {
  const body = parseYaml(text, display, packaged);
  const list = body.entries.get('defaults')?.node;
  body.entries.delete('defaults');
  if (list !== undefined && list.kind !== 'list') {
    fail(
      'ERR_DSRL_CONFIG_DEFAULTS',
      `${list.origin.where}: defaults: expected a list`,
      'write each entry behind a dash, e.g. `- env/tabletop@env.train`',
    );
  }
  const comments = /^(?:[ \t]*(?:#.*)?\r?\n)*/.exec(text)?.[0] ?? '';
  const header = /^[ \t]*#[ \t]*@package[ \t]+(\S+)/m.exec(comments)?.[1];
  return { path, display, header, defaults: list?.items ?? [], body };
}

function yamlNames(folder: string): string[] {
  if (!isFolder(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => name.slice(0, -'.yaml'.length))
    .sort();
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
