import { Document, visit } from 'yaml';
import { escapeInterpolations } from './interpolation.js';
import type { Config } from './schema/root.js';

/**
 * The configuration as YAML, every default filled in and every interpolation resolved. Composing
 * that text gives an equal configuration again, on another machine too.
 */
export function configToYaml(config: Config): string {
  // Version 1.1 quotes what its readers take for something else: off, yes, 010.
  const document = new Document(prepared(config), {
    version: '1.1',
    aliasDuplicateObjects: false,
  });
  visit(document, {
    Seq: (_, list) => {
      list.flow = true;
    },
  });
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

/** Without empty blocks, and with `${` marked as plain characters. */
function prepared(value: unknown): unknown {
  if (typeof value === 'string') return escapeInterpolations(value);
  if (Array.isArray(value)) return value.map(prepared);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value)
    .filter(([, child]) => child !== undefined)
    .map(([key, child]) => [key, prepared(child)] as const);
  return Object.fromEntries(entries.filter(([, child]) => !isEmptyBlock(child)));
}

function isEmptyBlock(value: unknown): boolean {
  const isBlock = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isBlock && Object.keys(value).length === 0;
}
