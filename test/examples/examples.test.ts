// The examples run as they are, with short settings. Node 20 runs no TypeScript, so their types are
// taken off first, which is all that a newer Node does.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Policy, PolicyServer, policyService } from '../../lib/index.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'dsrl-examples-'));
afterAll(() => rmSync(folder, { recursive: true }));

beforeAll(() => {
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(root, join(folder, 'node_modules', 'dsrl-native'));
  symlinkSync(join(root, 'policies'), join(folder, 'policies'));
  for (const name of readdirSync(join(root, 'examples'))) {
    mkdirSync(join(folder, name));
    const files = readdirSync(join(root, 'examples', name)).filter((file) => file.endsWith('.ts'));
    for (const file of files) {
      const source = readFileSync(join(root, 'examples', name, file), 'utf8');
      const { outputText } = ts.transpileModule(source, {
        compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
      });
      // Neighbours are imported as .js, as compilers write them.
      const text = outputText.replace(/from '(\.\/[\w-]+)\.js'/g, "from '$1.mjs'");
      writeFileSync(join(folder, name, file.replace(/\.ts$/, '.mjs')), text);
    }
  }
});

/** The environment without a ROS 2 that this machine may have. */
const { ROS_DISTRO: _, ...env } = process.env;

function run(name: string, ...words: string[]) {
  const argv = [join(folder, name, 'main.mjs'), ...words];
  const result = spawnSync(process.execPath, argv, { cwd: folder, encoding: 'utf8', env });
  expect(result.status, result.stderr).toBe(0);
  return result.stdout;
}

async function output(child: ChildProcess): Promise<{ code: number; stdout: string }> {
  let stdout = '';
  child.stdout?.on('data', (text) => {
    stdout += text;
  });
  const [code] = await once(child, 'close');
  return { code, stdout };
}

test('js-env: a robot in JavaScript is trained', () => {
  const short = ['algorithm.update_epoch=2', 'runner.max_steps=2', 'runner.val_check_interval=-1'];
  const batches = ['actor.global_batch_size=8', 'actor.micro_batch_size=8'];
  const printed = run('js-env', ...short, ...batches);
  expect(printed).toMatch(/^step 1: \d+ episodes/m);
  expect(printed).toMatch(/^step 2: \d+ episodes/m);
  expect(printed).toMatch(/^checkpoint .*step_2$/m);
  expect(printed).not.toContain('fault');
});

test('serve-client: a robot asks a server', async () => {
  using policy = await Policy.load(join(root, 'policies', 'tabletop'), { device: 'cpu' });
  const server = await PolicyServer.listen(policyService(policy), { port: 0 });
  const argv = [join(folder, 'serve-client', 'main.mjs'), server.url, '2'];
  const { code, stdout } = await output(spawn(process.execPath, argv, { cwd: folder, env }));
  await server.close();
  expect(code).toBe(0);
  expect(stdout).toContain('"name":"tabletop"');
  expect(stdout.match(/^5 actions of 7 numbers in \d+ ms$/gm)).toHaveLength(2);
});

test('worker-threads: a control loop beside the policy', () => {
  const printed = run('worker-threads', 'policies/tabletop', '12');
  expect(printed).toMatch(/^first action: (-?\d+\.\d+,?){7}$/m);
  expect(printed).toMatch(/^12 steps at 50 Hz/m);
});

test('rclnodejs: the node answers pictures, by the stub', () => {
  const printed = run('rclnodejs', 'policies/tabletop', '2').trim().split('\n');
  expect(printed).toHaveLength(2);
  expect(printed[0]).toContain('"label":"action","size":7');
});
