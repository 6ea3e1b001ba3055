// The examples run as they are, with short settings. Node 20 runs no TypeScript, so their types are
// taken off first, which is all that a newer Node does.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
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

/** What examples/README.md tells a user to compile them with. */
const readme = readFileSync(join(root, 'examples', 'README.md'), 'utf8');
const { compilerOptions } = JSON.parse(/```json\n(.*?)```/s.exec(readme)?.[1] ?? '');
const folders = readdirSync(join(root, 'examples'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);
const sources = (name: string) =>
  readdirSync(join(root, 'examples', name)).filter((file) => file.endsWith('.ts'));

// A project of a user's: copies of the examples, and the packages that they import.
beforeAll(() => {
  mkdirSync(join(folder, 'node_modules', '@types'), { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  symlinkSync(root, join(folder, 'node_modules', 'dsrl-native'));
  symlinkSync(join(root, 'policies'), join(folder, 'policies'));
  for (const name of ['rclnodejs', '@types/node']) {
    symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name));
  }
  for (const name of folders) {
    mkdirSync(join(folder, name));
    for (const file of sources(name)) {
      copyFileSync(join(root, 'examples', name, file), join(folder, name, file));
    }
  }
});

/** The environment without a ROS 2 that this machine may have. */
const { ROS_DISTRO: _, ...env } = process.env;

function run(name: string, ...words: string[]) {
  const argv = [join(folder, name, 'main.js'), ...words];
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

/** Compiles the copies; what is said of them and of this package's own types. */
function compile(more: Record<string, unknown>): string[] {
  // Node takes types off and translates nothing: no enums.
  const json = { ...compilerOptions, outDir: '.', erasableSyntaxOnly: true, ...more };
  const { options, errors } = ts.convertCompilerOptionsFromJson(json, folder);
  const files = folders.flatMap((name) => sources(name).map((file) => join(folder, name, file)));
  const program = ts.createProgram(files, { ...options, rootDir: folder });
  const checked = program.getSourceFiles().filter(({ fileName }) => {
    return files.includes(fileName) || fileName.startsWith(join(root, 'dist'));
  });
  const found = checked.flatMap((file) => [
    ...program.getSyntacticDiagnostics(file),
    ...program.getSemanticDiagnostics(file),
  ]);
  program.emit();
  return [...errors, ...program.getOptionsDiagnostics(), ...found].map(({ file, messageText }) => {
    return `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
  });
}

// The last one leaves what is run below.
test.each([
  ['a bundler', { module: 'esnext', moduleResolution: 'bundler', noEmit: true }],
  ['Node', {}],
])('copied into a project, the types are right for %s', (_, resolution) => {
  expect(compile(resolution)).toEqual([]);
});

test('Node 22, which knows no `using`, can run what is left without the types', () => {
  const target = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ESNext };
  for (const name of folders) {
    for (const file of sources(name)) {
      const source = readFileSync(join(root, 'examples', name, file), 'utf8');
      const { outputText } = ts.transpileModule(source, { compilerOptions: target });
      expect(outputText).not.toMatch(/^\s*(await )?using /m);
      const neighbours = [...source.matchAll(/from '\.\/([^']+)'/g)].map(([, path]) => path);
      expect(sources(name)).toEqual(expect.arrayContaining(neighbours));
    }
  }
});

test('js-env: a robot in JavaScript is trained', () => {
  const short = ['algorithm.update_epoch=2', 'runner.max_steps=2', 'runner.val_check_interval=-1'];
  const batches = ['actor.global_batch_size=8', 'actor.micro_batch_size=8'];
  const printed = run('js-env', ...short, ...batches);
  expect(printed).toMatch(/^step 1: \d+ episodes/m);
  expect(printed).toMatch(/^step 2: \d+ episodes/m);
  expect(printed).toMatch(/^checkpoint .*step_2$/m);
  expect(printed).not.toContain('fault');
});

test('js-env: Ctrl-C brings the hand to rest, leaves a checkpoint and is no crash', async () => {
  const argv = [join(folder, 'js-env', 'main.js'), 'runner.max_steps=1000'];
  const child = spawn(process.execPath, argv, { cwd: folder, env });
  let stderr = '';
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  child.stdout.once('data', () => child.kill('SIGINT'));
  const { code, stdout } = await output(child);
  expect([code, stderr]).toEqual([130, expect.stringContaining('the hand rests')]);
  expect(stdout).toMatch(/^checkpoint /m);
  expect(stderr).not.toContain('at process');
});

test('serve-client: a robot asks a server', async () => {
  using policy = await Policy.load(join(root, 'policies', 'tabletop'), { device: 'cpu' });
  const server = await PolicyServer.listen(policyService(policy), { port: 0 });
  const argv = [join(folder, 'serve-client', 'main.js'), server.url, '2'];
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

test('worker-threads: an error in the worker ends the loop with that error', () => {
  const argv = [join(folder, 'worker-threads', 'main.js'), 'nowhere'];
  const result = spawnSync(process.execPath, argv, { cwd: folder, encoding: 'utf8', env });
  expect([result.status, result.stderr]).toEqual([1, expect.stringContaining('nowhere')]);
});

test('rclnodejs: the node answers pictures, by the stub', () => {
  const printed = run('rclnodejs', 'policies/tabletop', '2').trim().split('\n');
  expect(printed).toHaveLength(2);
  expect(printed[0]).toContain('"label":"action","size":7');
});
