import { appendedItem, type DefaultsItem } from './defaults-item.js';
import type { Override } from './override-grammar.js';
import { didYouMean, fail } from './problems.js';
import type { SearchPath } from './sources.js';

interface Choice extends Selection {
  line: string | undefined;
  used: boolean;
}

/** Names of a group's files, and the place that chose them; no names where it was deleted. */
export interface Selection {
  names: string[];
  where: string;
}

interface Deletion {
  name: string | undefined;
  line: string;
  used: boolean;
}

/**
 * The choices of groups that override a defaults list: those of the command line first, then those
 * of `override` entries, the outermost file's first.
 */
export class GroupChoices {
  readonly appended: DefaultsItem[] = [];
  private readonly choices = new Map<string, Choice>();
  private readonly deletions = new Map<string, Deletion>();
  /** The keys that entries of a group answered to, for "did you mean". */
  private readonly known = new Map<string, Set<string>>();

  /** Takes the group overrides out of the command line's and returns the rest. */
  take(overrides: readonly Override[], searchPath: SearchPath): Override[] {
    return overrides.filter((override) => !this.takeOne(override, searchPath));
  }

  private takeOne(override: Override, searchPath: SearchPath): boolean {
    const { key, value, line, action } = override;
    // Hydra's own groups (launchers, logging) have no counterpart here.
    if (key.startsWith('hydra/')) return true;
    const named = override.package !== undefined || key.includes('/');
    if (value instanceof Map || !searchPath.hasGroup(key)) {
      if (!named) return false;
      fail(
        'ERR_DSRL_CONFIG_OVERRIDE',
        `the override \`${line}\` names a group, but there is no group \`${key}\``,
        'the groups are the folders beside the file and those of `configs/` in this package',
      );
    }
    if (action === 'delete') {
      const name = value === undefined ? undefined : String(value);
      this.deletions.set(fullKey(override), { name, line, used: false });
      return true;
    }
    const names = namesOf(override);
    if (action === 'force') {
      fail(
        'ERR_DSRL_CONFIG_OVERRIDE',
        `the override \`${line}\`: a group cannot be forced`,
        `type \`${line.slice(1)}\` to add it, \`${line.slice(2)}\` to exchange it`,
      );
    }
    if (action === 'add') {
      this.appended.push(appendedItem(key, override.package, names, `the override \`${line}\``));
    } else {
      this.choices.set(fullKey(override), {
        names,
        where: `the override \`${line}\``,
        line,
        used: false,
      });
    }
    return true;
  }

  /** An `override` entry: holds unless something further out has chosen already. */
  prefer(key: string, names: string[], where: string): void {
    if (this.choices.has(key) || key.startsWith('hydra/')) return;
    this.choices.set(key, { names, where, line: undefined, used: false });
  }

  /** The names that an entry stands for after all overrides, and who chose them. */
  choose(key: string, group: string, own: Selection): Selection {
    const keys = this.known.get(group) ?? new Set<string>();
    this.known.set(group, keys.add(key));
    const choice = this.choices.get(key);
    if (choice !== undefined) choice.used = true;
    const { names, where } = choice ?? own;
    const deletion = this.deletions.get(key);
    if (deletion === undefined) return { names, where };
    const kept = deletion.name === undefined ? [] : names.filter((name) => name !== deletion.name);
    if (kept.length < names.length) deletion.used = true;
    return { names: kept, where };
  }

  /** An override that met no entry is an error, as in Hydra. */
  requireAllUsed(): void {
    for (const [key, { line, used, names, where }] of this.choices) {
      if (used) continue;
      const alternatives = this.alternatives(key);
      fail(
        'ERR_DSRL_CONFIG_OVERRIDE',
        `${where}: no entry of the defaults list answers to \`${key}\``,
        didYouMean(
          alternatives.map((other) => `${other}=${names.join(',')}`),
          line === undefined ? 'name an entry of the list' : `to append it type \`+${line}\``,
        ),
      );
    }
    for (const [key, { line, used }] of this.deletions) {
      if (used) continue;
      fail(
        'ERR_DSRL_CONFIG_OVERRIDE',
        `the override \`${line}\`: no entry of the defaults list answers to it`,
        didYouMean(
          this.alternatives(key).map((other) => `~${other}`),
          'leave it out',
        ),
      );
    }
  }

  private alternatives(key: string): string[] {
    return [...(this.known.get(key.split('@')[0] as string) ?? [])];
  }
}

function fullKey({ key, package: name }: Override): string {
  return name === undefined ? key : `${key}@${name}`;
}

function namesOf(override: Override): string[] {
  const values = Array.isArray(override.value) ? override.value : [override.value];
  const names = values.filter((value) => typeof value === 'string' && value !== '') as string[];
  if (names.length === values.length) return names;
  fail(
    'ERR_DSRL_CONFIG_OVERRIDE',
    `the override \`${override.line}\`: a group is chosen by the name of one of its files`,
    `type \`${fullKey(override)}=<name>\`, or \`~${fullKey(override)}\` to leave it out`,
  );
}
