import { expect, it } from 'vitest';
import { catalogue } from '../../lib/config/catalogue.js';
import { referencePage } from './reference-page.js';

// After a change of the schema: npx vitest run test/config/docs.test.ts -u
it('docs/config.md is what the schema says', async () => {
  await expect(referencePage()).toMatchFileSnapshot('../../docs/config.md');
});

it('every key says what it means and what it admits', () => {
  for (const { path, doc, fate, expected } of catalogue().values()) {
    if (fate !== 'block') expect(doc, path).not.toBe('');
    if (fate === 'honoured' || fate === 'fixed') expect(expected, path).not.toBe('any value');
  }
});
