/** The built command as it is typed: exit codes, the two streams, signals. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import type { TrainSummary } from '../../lib/index.js';
import {
  checkpoints,
  configured,
  metrics,
  newFolder,
  root,
  SMALL,
  snapshot,
  tensors,
  training,
} from '../support/training.js';

const program = fileURLToPath(new URL('../../bin/dsrl-native.js', import.meta.url));

interface Command {
  child: ChildProcess;
  /** Resolves once stderr holds the text. */
  says(text: string): Promise<void>;
  ended: Promise<{ status: number | null; stdout: string; stderr: string }>;
}

function start(...argv: string[]): Command {
  const child = spawn(process.execPath, [program, ...argv], { cwd: root });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (data) => {
    stdout += data;
  });
  child.stderr.on('data', (data) => {
    stderr += data;
    child.emit('told');
  });
  const ended = once(child, 'close').then(([status]) => ({ status, stdout, stderr }));
  const says = async (text: string) => {
    while (!stderr.includes(text)) {
      if (child.exitCode !== null) throw new Error(`it ended without saying ${text}: ${stderr}`);
      await Promise.race([once(child, 'told'), ended]);
    }
  };
  return { child, says, ended };
}

const run = (...argv: string[]) => start(...argv).ended;

let plain: TrainSummary;
beforeAll(async () => {
  plain = await training({ config: configured() });
});

function copied(): string {
  const copy = newFolder();
  cpSync(plain.run, copy, { recursive: true, verbatimSymlinks: true });
  return copy;
}

describe('bad input ends in its code, with what to type', () => {
  test.each<[string, () => string[], number, string, string]>([
    [
      'a run folder that exists',
      () => ['train', 'tabletop', ...SMALL, '--run-dir', plain.run],
      2,
      'ERR_DSRL_RUN_EXISTS',
      '`--resume ',
    ],
    [
      'a run folder below a file',
      () => {
        const file = join(mkdtempSync(join(root, 'file-')), 'file');
        writeFileSync(file, '');
        return ['train', 'tabletop', ...SMALL, `runner.logger.log_path=${file}`];
      },
      3,
      'ERR_DSRL_RUN_UNWRITABLE',
      'runner.logger.log_path=DIR',
    ],
    [
      // There for root too, who is refused no folder: this one takes none. (For others it is
      // closed.)
      'a run folder in a folder that takes none',
      () => ['train', 'tabletop', ...SMALL, '--run-dir', '/proc/dsrl/run'],
      3,
      'ERR_DSRL_RUN_UNWRITABLE',
      '--run-dir DIR',
    ],
    [
      'a damaged checkpoint to go on from',
      () => {
        const copy = copied();
        truncateSync(join(copy, 'checkpoints/last/agent.safetensors'), 99);
        return ['train', '--resume', copy, 'runner.max_steps=5'];
      },
      2,
      'ERR_DSRL_CHECKPOINT_DAMAGED',
      'checkpoint',
    ],
    [
      'a damaged checkpoint to evaluate',
      () => {
        const copy = copied();
        truncateSync(join(copy, 'checkpoints/last/agent.safetensors'), 99);
        return ['eval', copy];
      },
      2,
      'ERR_DSRL_CHECKPOINT_DAMAGED',
      'checkpoint',
    ],
    [
      'a file in place of the checkpoint that it is part of',
      () => ['eval', join(plain.run, 'checkpoints/last/agent.safetensors')],
      2,
      'ERR_DSRL_CHECKPOINT_MISSING',
      'checkpoints/step_N',
    ],
    [
      'a checkpoint to evaluate with another policy',
      () => {
        const copy = copied();
        const file = join(copy, 'checkpoints/last/state.json');
        const state = JSON.parse(readFileSync(file, 'utf8'));
        state.policy.sha256 = 'f'.repeat(64);
        writeFileSync(file, JSON.stringify(state));
        return ['eval', copy];
      },
      2,
      'ERR_DSRL_CHECKPOINT_MISMATCH',
      'actor.model.model_path=',
    ],
    [
      'a recipe beside --resume that is another',
      () => ['train', 'tabletop', ...SMALL, 'seed=3', '--resume', plain.run],
      2,
      'ERR_DSRL_CHECKPOINT_MISMATCH',
      '`seed=0`',
    ],
    [
      'a policy that was tampered with',
      () => {
        const folder = mkdtempSync(join(root, 'policy-'));
        cpSync(join(program, '../../policies/tabletop'), folder, { recursive: true });
        truncateSync(join(folder, 'policy.pt'), 5000);
        const place = ['--run-dir', newFolder()];
        return ['train', 'tabletop', `actor.model.model_path=${folder}`, ...place];
      },
      2,
      'ERR_DSRL_POLICY_HASH',
      'export the policy again',
    ],
    [
      'a loss that is not finite',
      () => {
        const change = ['actor.critic_optim.lr=1e38', 'runner.max_steps=5'];
        return ['train', '--resume', copied(), ...change];
      },
      4,
      'ERR_DSRL_DIVERGED',
      'dsrl-native train --resume ',
    ],
  ])('%s', async (_, argv, status, code, hint) => {
    const before = snapshot(plain.run);
    const ended = await run(...argv());
    expect({ status: ended.status, stdout: ended.stdout }, ended.stderr).toEqual({
      status,
      stdout: '',
    });
    const [message = '', typed = ''] = ended.stderr
      .slice(ended.stderr.indexOf('error: '))
      .split('\n');
    expect(message).toMatch(new RegExp(`^error: .+ \\(${code}\\)$`));
    expect(typed).toContain(hint);
    expect(snapshot(plain.run)).toEqual(before);
  });
});

test('a dry run compares with the checkpoint and writes nothing', async () => {
  const before = snapshot(plain.run);
  const { status, stdout, stderr } = await run(
    ...['train', '--resume', plain.run, '--dry-run', 'runner.max_steps=9'],
  );
  expect(status, stderr).toBe(0);
  expect(stderr).toContain('note: runner.max_steps is 9 now, it was 4');
  expect(stdout).toMatch(new RegExp(`^run +${plain.run}$`, 'm'));
  expect(snapshot(plain.run)).toEqual(before);
});

/** A run that would take long, once it has begun its second step. */
async function underWay(...more: string[]) {
  const runDir = newFolder();
  const endless = ['runner.max_steps=5000', '--log-format', 'json', '--run-dir', runDir];
  const command = start('train', 'tabletop', ...SMALL, ...more, ...endless);
  await command.says('"event":"step"');
  return { runDir, ...command };
}

describe('a signal', () => {
  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s ends in %i after a checkpoint, and --resume goes on', async (signal, code) => {
    const { child, ended, runDir } = await underWay();
    child.kill(signal);
    const { status, stdout, stderr } = await ended;
    expect(status, stderr).toBe(code);
    const { run: told, checkpoint } = JSON.parse(stdout);
    expect(told).toBe(runDir);
    expect(checkpoints(runDir)).toEqual(['last', basename(checkpoint)].sort());
    expect(stderr).toMatch(
      new RegExp(`error: stopped by ${signal} \\(ERR_DSRL_ABORTED\\)\n.*train --resume ${runDir}`),
    );

    const done = metrics(runDir).length;
    const steps = [`runner.max_steps=${done + 2}`];
    const resumed = await run('train', '--resume', runDir, ...steps);
    expect(resumed.status, resumed.stderr).toBe(0);
    const straight = await training({ config: configured(...steps) });
    const last = join(runDir, 'checkpoints', `step_${done + 2}`);
    expect(tensors(last)).toEqual(tensors(straight.checkpoint));
    expect(metrics(runDir)).toEqual(metrics(straight.run));
  });

  // Hundreds of Euler steps make a chunk of seconds: both signals fall into one.
  test('twice ends at once, and the checkpoint before it stays', async () => {
    const slow = [
      'actor.model.num_steps=1000',
      'env.train.total_num_envs=16',
      'env.train.max_steps_per_rollout_epoch=5',
      'runner.save_interval=1',
    ];
    const { child, says, ended, runDir } = await underWay(...slow);
    await says('"event":"checkpoint"');
    child.kill('SIGINT');
    await says('once more ends at once');
    child.kill('SIGINT');
    const { status, stdout, stderr } = await ended;
    expect({ status, stdout }, stderr).toEqual({ status: 130, stdout: '' });
    expect(stderr).toMatch(/what came after \S+step_\d+ is lost/);
    const kept = checkpoints(runDir).filter((name) => name.startsWith('step_'));
    const state = JSON.parse(
      readFileSync(join(runDir, 'checkpoints', 'last', 'state.json'), 'utf8'),
    );
    expect(kept).toContain(`step_${state.counters.globalSteps}`);
    const nothing = `runner.max_steps=${state.counters.globalSteps}`;
    const resumed = await run('train', '--resume', runDir, nothing);
    expect(resumed.status, resumed.stderr).toBe(0);
  });

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s ends an evaluation in %i', async (signal, code) => {
    const command = start('eval', 'tabletop', '--policy-only', '--repeats', '5000');
    await command.says('evaluating 500000 episodes');
    command.child.kill(signal);
    const { status, stdout, stderr } = await command.ended;
    expect({ status, stdout }, stderr).toEqual({ status: code, stdout: '' });
    expect(stderr).toContain(`stopped by ${signal} (ERR_DSRL_ABORTED)`);
    expect(existsSync(join(root, 'logs'))).toBe(false);
  });
});

test('there are TensorBoard events only where the configuration has that backend', async () => {
  const backends = 'runner.logger.logger_backends=[wandb]';
  const without = await training({ config: configured('runner.max_steps=1', backends) });
  expect(metrics(without.run)).toHaveLength(1);
  expect(existsSync(join(without.run, 'tensorboard'))).toBe(false);
  expect(existsSync(join(plain.run, 'tensorboard'))).toBe(true);
});

test.each([
  ['beside --resume', () => ['--resume', plain.run]],
  ['with resume_dir', () => ['tabletop', ...SMALL, `runner.resume_dir=${plain.run}`]],
  ['with ckpt_path', () => ['tabletop', ...SMALL, `runner.ckpt_path=${plain.run}`]],
])('runner.only_eval does what `eval` does, %s', async (_, argv) => {
  const before = snapshot(plain.run);
  const evaluated = await run('eval', plain.run);
  const longer = 'runner.max_steps=9';
  const told = await run('train', ...argv(), 'runner.only_eval=True', longer);
  expect(told.status, told.stderr).toBe(0);
  expect(told.stdout).toBe(evaluated.stdout);
  expect(told.stdout).toMatch(/^all .*\/8 /m);
  expect(snapshot(plain.run)).toEqual(before);
});

test('an evaluation needs no memory for a replay', async () => {
  const buffer = 'algorithm.replay_buffer';
  const huge = [`${buffer}.capacity=1_000_000_000`, `${buffer}.cache_size=1_000_000_000`];
  const few = ['env.eval.total_num_envs=2'];
  const { status, stderr } = await run('eval', 'tabletop', '--policy-only', ...huge, ...few);
  expect(status, stderr).toBe(0);
});

test('--resume last goes on from the newest run of its own experiment', async () => {
  const logs = mkdtempSync(join(root, 'logs-'));
  const place = (name: string) => {
    const runDir = join(logs, `${name}-20260101-000000-s0`);
    cpSync(plain.run, runDir, { recursive: true, verbatimSymlinks: true });
    return runDir;
  };
  const named = ['tabletop', 'group/tabletop'].map((name) => ({ name, runDir: place(name) }));
  place('tabletop-b'); // the newest
  for (const { name, runDir } of named) {
    const keys = [`runner.logger.log_path=${logs}`, `runner.logger.experiment_name=${name}`];
    const resumed = await run('train', 'tabletop', ...SMALL, ...keys, '--resume', 'last');
    expect(resumed.status, resumed.stderr).toBe(0);
    expect(JSON.parse(resumed.stdout).run).toBe(runDir);
  }
});
