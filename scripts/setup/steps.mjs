// What every step of the set-up shares: where things lie, how a command is run, how it fails.

import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
export const buildDir = join(root, 'build');
export const venvDir = join(root, '.venv');
export const venvPython = join(venvDir, 'bin', 'python');

const LOG_TAIL_LINES = 25;

/** Something that the set-up cannot mend by itself; `hint` says what to type. Exit code 3. */
export class SetupError extends Error {
  constructor(message, hint) {
    super(message);
    this.hint = hint;
  }
}

/** Where the set-up speaks: stderr, unless it was told to be quiet. */
export function say(text, options) {
  if (!options.quiet) process.stderr.write(`${text}\n`);
}

/**
 * Runs one command of a step. With `show` (and no `quiet`) its output goes to stderr as it comes;
 * otherwise it goes to build/logs/<name>.log, whose tail is printed when the command fails.
 */
export async function run(name, command, args, { hint, show = false, env, ...options }) {
  const visible = show && !options.quiet;
  const log = join(buildDir, 'logs', `${name}.log`);
  if (!visible) mkdirSync(dirname(log), { recursive: true });
  const output = visible ? 2 : openSync(log, 'w');
  const { status, error } = await new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ['ignore', output, output],
    });
    child.on('error', (failure) => resolve({ error: failure }));
    child.on('close', (code, signal) => resolve({ status: code ?? signal }));
  });
  if (!visible) closeSync(output);
  if (status === 0) return;
  const shown = `${command} ${args.join(' ')}`;
  if (error) throw new SetupError(`cannot run ${shown}: ${error.message}`, hint);
  if (!visible) {
    const lines = readFileSync(log, 'utf8').trimEnd().split('\n').slice(-LOG_TAIL_LINES);
    process.stderr.write(`${lines.join('\n')}\n  (the whole log: ${log})\n`);
  }
  throw new SetupError(`${name} failed: ${shown} ended with ${status}`, hint);
}

/**
 * Runs our own command in the foreground; resolves to its exit code. Without `results` what it
 * prints on stdout goes to stderr.
 */
export async function dsrlNative(words, { results = true } = {}) {
  const program = join(root, 'bin', 'dsrl-native.js');
  const output = results ? 'inherit' : 2;
  const child = spawn(process.execPath, [program, ...words], {
    stdio: ['inherit', output, 'inherit'],
  });
  return (await ended(child)).code;
}

/**
 * Resolves to a child's exit code, and whether a signal came that asks for the end of both. The
 * terminal sends Ctrl-C to both: the child writes its checkpoint, this waits for it.
 */
export async function ended(child) {
  let stopped = false;
  const waits = () => {
    stopped = true;
  };
  const passesOn = () => {
    stopped = true;
    child.kill('SIGTERM');
  };
  process.on('SIGINT', waits).on('SIGTERM', passesOn);
  try {
    const code = await new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
    });
    return { code, stopped };
  } finally {
    process.off('SIGINT', waits).off('SIGTERM', passesOn);
  }
}

/** What a short command prints, or null when it cannot run or fails. */
export function ask(command, args, options = {}) {
  const result = spawnSync(command, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: 60_000,
    ...options,
  });
  return result.status === 0 ? result.stdout.trim() : null;
}

/** The absolute path of a program: in .venv first, then on the PATH; null when there is none. */
export function which(program, { venv = true } = {}) {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  if (venv) folders.unshift(join(venvDir, 'bin'));
  return folders.map((folder) => join(folder, program)).find((file) => existsSync(file)) ?? null;
}

/** A stamp in build/stamps: the work that it names is done when it holds the same content. */
export function stamp(name) {
  const file = join(buildDir, 'stamps', name);
  return {
    matches: (content) => existsSync(file) && readFileSync(file, 'utf8') === content,
    write: (content) => {
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, content);
    },
  };
}

export function sha256(text) {
  return createHash('sha256').update(text).digest('hex');
}

export function readJson(file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : null;
}

/** Runs a script's main function when the script is the one that was started. */
export async function main(url, body) {
  if (process.argv[1] !== fileURLToPath(url)) return;
  try {
    await body(process.argv.slice(2));
  } catch (error) {
    if (error.code?.startsWith('ERR_PARSE_ARGS')) {
      process.stderr.write(`error: ${error.message}\n`);
      process.exitCode = 2;
      return;
    }
    if (!(error instanceof SetupError)) throw error;
    process.stderr.write(`error: ${error.message}\n  ${error.hint.replaceAll('\n', '\n  ')}\n`);
    process.exitCode = 3;
  }
}
