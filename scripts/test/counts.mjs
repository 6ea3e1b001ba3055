// One function a test runner. Each runs it, shows its output, and returns { passed, failed } from
// the report that the runner writes. A runner that ends badly without a failed test (a crash, a
// report that is missing) counts as one failure: no failure can hide behind a report.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readJson, root } from '../setup/steps.mjs';

async function show(title, command, args, { cwd = root, env } = {}) {
  process.stdout.write(`\n== ${title}\n`);
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    child.on('error', (error) => {
      process.stdout.write(`cannot run ${command}: ${error.message}\n`);
      resolve(1);
    });
    child.on('close', (code) => resolve(code ?? 1));
  });
}

/** The counts of a report, corrected by the runner's exit status. */
export function reconcile(status, { passed, failed }) {
  return { passed, failed: failed === 0 && status !== 0 ? 1 : failed };
}

/** A linter or compiler: one check, passed or failed. */
export async function countCommand(title, command, args) {
  const status = await show(title, command, args);
  return reconcile(status, { passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1 });
}

/** GoogleTest's JSON report: suites of cases; only a failed case has `failures`. */
export function readGoogleTest(report) {
  if (!report) return { passed: 0, failed: 1 };
  const cases = report.testsuites.flatMap(({ testsuite }) => testsuite);
  const failed = cases.filter(({ failures }) => failures?.length > 0).length;
  const completed = cases.filter(({ result }) => result === 'COMPLETED').length;
  return { passed: completed - failed, failed };
}

export async function countGoogleTest(program, reports, options = {}) {
  const file = join(reports, 'gtest.json');
  const args = [`--gtest_output=json:${file}`, '--gtest_brief=1'];
  // The tests are small: two threads would spend their time at each other's barriers.
  const env = { OMP_NUM_THREADS: '1', ...options.env };
  const status = await show(options.title ?? 'C++', program, args, { ...options, env });
  return reconcile(status, readGoogleTest(readJson(file)));
}

/** Vitest's JSON report. A file that cannot be imported is one failure, without a test. */
export function readVitest(report) {
  if (!report) return { passed: 0, failed: 1 };
  const broken = report.testResults.filter(
    (file) =>
      file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  );
  return { passed: report.numPassedTests, failed: report.numFailedTests + broken.length };
}

export async function countVitest(program, reports, { more = [], ...options } = {}) {
  const file = join(reports, 'vitest.json');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
  const status = await show('TypeScript', program, ['run', ...reporters, ...more], options);
  return reconcile(status, readVitest(readJson(file)));
}

/** The unittest suites of python/, through a runner that writes {"passed": n, "failed": n}. */
export async function countUnittest(python, reports) {
  const file = join(reports, 'unittest.json');
  const status = await show('Python', python, [join('scripts', 'test', 'unittests.py'), file]);
  return reconcile(status, existsSync(file) ? readJson(file) : { passed: 0, failed: 1 });
}
