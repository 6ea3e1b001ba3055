// Whoever installs the package reads its documents there: npm shows no others, as long as the
// manifest names no repository, and errors name pages of docs/.

import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { expect, test } from 'vitest';
import { packedPaths, root } from './support/tarball.js';

const packed = packedPaths();
const pages = packed.filter((path) => path.endsWith('.md'));

/** The places in the package that a page's relative links mean. */
function linksOf(page: string): string[] {
  const text = readFileSync(join(root, page), 'utf8');
  const links = text.matchAll(/\]\((?![a-z]+:|#)([^)#\s]+)/g);
  return [...links].map(([, link = '']) => posix.join(posix.dirname(page), link));
}

const isPacked = (place: string) =>
  packed.some((path) => path === place || path.startsWith(`${place}/`));

test.each(pages)('%s links to nothing that is not packed', (page) => {
  expect(linksOf(page).filter((place) => !isPacked(place))).toEqual([]);
});

test('the pages that a reader begins with are packed, and links are found in them', () => {
  expect(pages).toEqual(expect.arrayContaining(['README.md', 'SECURITY.md', 'docs/config.md']));
  expect(linksOf('README.md')).toEqual(expect.arrayContaining(['docs/config.md']));
  expect(linksOf('docs/embedding.md')).toContain('examples/js-env');
});

test('a page that the code names is packed: hints send users there', () => {
  const files = readdirSync(join(root, 'lib'), { recursive: true, encoding: 'utf8' });
  const named = files
    .filter((file) => file.endsWith('.ts'))
    .flatMap(
      (file) => readFileSync(join(root, 'lib', file), 'utf8').match(/\bdocs\/\w+\.md/g) ?? [],
    );
  expect(named).toEqual(expect.arrayContaining(['docs/config.md', 'docs/pi0.md']));
  expect(named.filter((page) => !isPacked(page))).toEqual([]);
});
