#!/usr/bin/env node
import { existsSync } from 'node:fs';

const compiled = new URL('../dist/cli/main.js', import.meta.url);
if (existsSync(compiled)) {
  const { main } = await import(compiled.href);
  process.exitCode = await main(process.argv.slice(2));
} else {
  process.stderr.write(
    'error: this checkout is not built yet (ERR_DSRL_NOT_BUILT)\n  type: npm run setup\n',
  );
  process.exitCode = 3;
}
