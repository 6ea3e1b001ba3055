import { describe, expect, test } from 'vitest';
import { importScript } from './scripts.js';

interface Counts {
  passed: number;
  failed: number;
}

const { countCommand, readGoogleTest, readVitest, reconcile } = await importScript<{
  countCommand(title: string, command: string, args: string[]): Promise<Counts>;
  readGoogleTest(report: object | null): Counts;
  readVitest(report: object | null): Counts;
  reconcile(status: number, counts: Counts): Counts;
}>('test/counts.mjs');

const passing = { status: 'passed' };
const failing = { status: 'failed' };

describe('counting what the test runners report', () => {
  test('GoogleTest', () => {
    const completed = { result: 'COMPLETED' };
    const failed = { result: 'COMPLETED', failures: [{ failure: 'Expected equality' }] };
    const testsuites = [
      { testsuite: [completed, failed, { result: 'SKIPPED' }] },
      { testsuite: [completed, { result: 'SUPPRESSED' }] },
    ];
    expect(readGoogleTest({ testsuites })).toEqual({ passed: 2, failed: 1 });
    expect(readGoogleTest(null)).toEqual({ passed: 0, failed: 1 });
  });

  test('vitest: a file that cannot be imported fails without a failed test', () => {
    const testResults = [
      { status: 'passed', assertionResults: [passing, passing] },
      { status: 'failed', assertionResults: [passing, failing] },
      { status: 'failed', assertionResults: [] },
    ];
    const report = { numPassedTests: 3, numFailedTests: 1, testResults };
    expect(readVitest(report)).toEqual({ passed: 3, failed: 2 });
    expect(readVitest(null)).toEqual({ passed: 0, failed: 1 });
  });

  test('a runner that ends badly without a failed test is one failure', () => {
    expect(reconcile(139, { passed: 40, failed: 0 })).toEqual({ passed: 40, failed: 1 });
    expect(reconcile(1, { passed: 40, failed: 2 })).toEqual({ passed: 40, failed: 2 });
    expect(reconcile(0, { passed: 40, failed: 0 })).toEqual({ passed: 40, failed: 0 });
  });

  test('a command is one check, and one that is not there has failed', async () => {
    const node = process.execPath;
    expect(await countCommand('true', node, ['-e', ''])).toEqual({ passed: 1, failed: 0 });
    const failed = { passed: 0, failed: 1 };
    expect(await countCommand('false', node, ['-e', 'process.exit(3)'])).toEqual(failed);
    expect(await countCommand('none', '/no/such/program', [])).toEqual(failed);
  });
});
