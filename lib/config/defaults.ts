/**
 * Hydra's defaults list (hydra.cc/docs/advanced/defaults_list): which files a configuration is made
 * of, in which order they are laid over each other, and under which key ("package") each one lands.
 *
 * One thing is taken that Hydra refuses: an entry that names its file outright
 * (`env/libero_spatial@env.eval`) can be exchanged by `env@env.eval=other`, as if it were written
 * `env@env.eval: libero_spatial`. RLinf's files write all their entries so.
 */
import { type DefaultsItem, parseItem, SELF } from './defaults-item.js';
import type { GroupChoices } from './group-choices.js';
import { fail } from './problems.js';
import type { ConfigFile, SearchPath } from './sources.js';
import { emptyMap, type MapNode, mergeInto } from './tree.js';

/** Where a file stands: its folder in the search path, and the key that it lands under. */
interface Place {
  group: string;
  package: string;
}

interface Layer extends Place {
  file: ConfigFile;
}

/** Lays the files of a configuration over each other. */
export function composeFiles(
  primary: ConfigFile,
  searchPath: SearchPath,
  choices: GroupChoices,
): MapNode {
  const layers = new Composer(searchPath, choices).layers(primary);
  choices.requireAllUsed();
  const root = emptyMap(primary.body.origin);
  for (const layer of layers) mergeInto(root, wrap(layer));
  return root;
}

/** The file's content under its package. */
function wrap(layer: Layer): MapNode {
  let node = layer.file.body;
  for (const key of layer.package.split('.').reverse()) {
    if (key === '') continue;
    const outer = emptyMap(node.origin);
    outer.entries.set(key, { key: node.origin, node });
    node = outer;
  }
  return node;
}

class Composer {
  constructor(
    private readonly searchPath: SearchPath,
    private readonly choices: GroupChoices,
  ) {}

  layers(primary: ConfigFile): Layer[] {
    const place = { group: '', package: packageOf(undefined, primary.header, '', '') };
    return this.expand(primary, place, [primary], this.choices.appended);
  }

  /**
   * The layers of one file, lowest first. The list is worked through from its end, as in Hydra: the
   * `override` entries of a later file hold for the earlier ones.
   */
  private expand(
    file: ConfigFile,
    place: Place,
    open: readonly ConfigFile[],
    appended: readonly DefaultsItem[],
  ): Layer[] {
    const items = file.defaults.map((node) => parseItem(node));
    if (!items.some((item) => item.kind === 'self')) items.push(SELF);
    items.push(...appended);
    for (const item of items) {
      if (item.kind === 'group' && item.override) {
        this.choices.prefer(overrideKey(item, place), item.names, item.where);
      }
    }
    const layers: Layer[][] = [];
    for (const item of items.reverse()) {
      if (item.kind === 'self') layers.push([{ ...place, file }]);
      else if (!item.override) layers.push(this.expandItem(item, place, open));
    }
    return layers.reverse().flat();
  }

  private expandItem(
    item: Exclude<DefaultsItem, { kind: 'self' }>,
    parent: Place,
    open: readonly ConfigFile[],
  ): Layer[] {
    const key = overrideKey(item, parent);
    const { names, where } = this.choices.choose(key, groupOf(item, parent), item);
    return names.flatMap((name) => this.expandFile({ ...item, where }, name, key, parent, open));
  }

  private expandFile(
    item: Exclude<DefaultsItem, { kind: 'self' }>,
    name: string,
    key: string,
    parent: Place,
    open: readonly ConfigFile[],
  ): Layer[] {
    const group = groupOf(item, parent);
    const options = this.searchPath.options(group);
    if (name === '???') {
      fail(
        'ERR_DSRL_CONFIG_DEFAULTS',
        `${item.where}: the group \`${key}\` has no choice yet`,
        `type \`${key}=<one of ${options.join(', ')}>\``,
      );
    }
    const config = group === '' ? name : `${group}/${name}`;
    const file = this.searchPath.find(config, open);
    if (file === undefined) {
      if (item.optional) return [];
      if (open.some((known) => known.path.endsWith(`/${config}.yaml`))) {
        fail(
          'ERR_DSRL_CONFIG_DEFAULTS',
          `${item.where}: the defaults of \`${config}\` lead back to itself`,
          'take that entry out of the list',
        );
      }
      fail(
        'ERR_DSRL_CONFIG_DEFAULTS',
        `${item.where}: there is no configuration \`${config}\``,
        options.length === 0
          ? `no folder of the search path has ${group}/ (${this.describeFolders()})`
          : `choose one of ${options.join(', ')}`,
      );
    }
    const relative = item.absolute ? group : item.group;
    const place = {
      group,
      package: packageOf(item.package, file.header, relative, parent.package),
    };
    return this.expand(file, place, [...open, file], []);
  }

  private describeFolders(): string {
    return this.searchPath.folders.map(({ path }) => path).join(', ');
  }
}

function groupOf(item: { group: string; absolute: boolean }, parent: Place): string {
  if (item.absolute || parent.group === '') return item.group;
  return item.group === '' ? parent.group : `${parent.group}/${item.group}`;
}

/** The name that an entry is exchanged by: its group, and `@package` where that differs. */
function overrideKey(
  item: { group: string; absolute: boolean; package: string | undefined },
  parent: Place,
): string {
  const group = groupOf(item, parent);
  const relative = item.absolute ? group : item.group;
  const place = packageOf(item.package, undefined, relative, parent.package);
  if (place === group.replaceAll('/', '.')) return group;
  return `${group}@${place === '' ? '_global_' : place}`;
}

/**
 * The key a file lands under: the entry's `@package`, else the file's header, else its group's
 * path; seen from the including file's package unless it begins with `_global_`.
 */
function packageOf(
  fromItem: string | undefined,
  header: string | undefined,
  group: string,
  parent: string,
): string {
  const ofGroup = group.replaceAll('/', '.');
  let own: string;
  if (fromItem !== undefined) {
    own = fromItem === '_here_' ? '' : fromItem.replace('_group_', `_global_.${ofGroup}`);
  } else if (header !== undefined && header !== '_group_') {
    own = `_global_.${header}`;
  } else {
    own = ofGroup;
  }
  const full = [parent, own].filter((part) => part !== '').join('.');
  const global = full.lastIndexOf('_global_');
  return global < 0 ? full : full.slice(global + '_global_'.length + 1);
}
