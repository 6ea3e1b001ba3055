import { afterEach, expect, test, vi } from 'vitest';
import { runDoctor } from '../../lib/cli/doctor.js';
import { UsageError } from '../../lib/errors.js';

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

/** Runs the command and returns its exit code and what it wrote to stdout. */
async function doctor(...argv: string[]): Promise<{ code: number; output: string }> {
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  const code = await runDoctor(argv);
  const output = write.mock.calls.map(([text]) => String(text)).join('');
  write.mockRestore();
  return { code, output };
}

test('without a torch: exit code 3, what was tried, and what to type', async () => {
  vi.stubEnv('DSRL_TORCH_HOME', '/nowhere');
  const { code, output } = await doctor();
  expect(code).toBe(3);
  expect(output).toContain('DSRL_TORCH_HOME=/nowhere  no such folder');
  expect(output).toContain('training does not work here: dsrl-native could not load a PyTorch');
  expect(output).toContain('pip install "torch==');

  const json = await doctor('--json');
  expect(json.code).toBe(3);
  expect(JSON.parse(json.output)).toMatchObject({
    ok: false,
    torch: {
      chosen: null,
      attempts: [{ source: 'DSRL_TORCH_HOME=/nowhere', verdict: 'no such folder' }],
    },
  });
});

test('in this checkout: exit code 0, and JSON with the versions', async () => {
  const { code, output } = await doctor('--json');
  expect(code).toBe(0);
  const report = JSON.parse(output);
  expect(report).toMatchObject({
    ok: true,
    checkout: true,
    node: process.versions.node,
    loader: { ok: true },
    core: { ok: true },
  });
  expect(report.cores.map(({ minor }: { minor: string }) => minor)).toContain(
    report.torch.chosen.minor,
  );
  const table = await doctor();
  expect(table.output).toContain('training on the CPU works here');
});

test('--help shows examples; an unknown flag is a usage error', async () => {
  const { code, output } = await doctor('--help');
  expect(code).toBe(0);
  expect(output).toContain('dsrl-native doctor --json');
  await expect(runDoctor(['--jsno'])).rejects.toThrow(UsageError);
});
