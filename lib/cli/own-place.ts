import {
  closeSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EnvironmentSetupError, reasonOf } from '../errors.js';
import { makeFolder } from '../folder.js';

/** What commands make in the user's cache: they run for minutes, and must not meet each other. */
export interface Place {
  folder: string;
  /** A file beside it, which is there while a process works in the folder. */
  lock: string;
}

interface Watch {
  say: (text: string) => void;
  signal: AbortSignal;
  /** How often the process that works shows that it lives, ms. */
  heartbeatMs?: number;
}

const HEARTBEAT_MS = 2_000;
/** Some are left out while a torch is tried, which holds the event loop. */
const LOST_HEARTBEATS = 90;

/**
 * Runs `body` when no other process, of this machine or of another one that shares the cache, works
 * in the same place. One that was killed leaves its lock behind, which is then taken over: at once
 * on the same machine, otherwise when it has shown no life for three minutes.
 *
 * @throws EnvironmentSetupError ERR_DSRL_CACHE where nothing can be written there
 */
export async function alone<Result>(
  { folder, lock }: Place,
  { say, signal, heartbeatMs = HEARTBEAT_MS }: Watch,
  body: () => Promise<Result>,
): Promise<Result> {
  inCache(folder, () => makeFolder(dirname(lock)));
  for (let isFirst = true; !inCache(folder, () => take(lock)); isFirst = false) {
    if (isFirst) say(`another process works in ${folder}; waiting for it (Ctrl-C stops)`);
    await sleep(heartbeatMs / 2, undefined, { signal }).catch(() => {});
    signal.throwIfAborted();
    if (isLeft(lock, LOST_HEARTBEATS * heartbeatMs)) rmSync(lock, { force: true });
  }
  const alive = setInterval(() => touch(lock), heartbeatMs);
  try {
    return await body();
  } finally {
    clearInterval(alive);
    rmSync(lock, { force: true });
  }
}

/**
 * Runs what writes in the user's cache.
 *
 * @throws EnvironmentSetupError ERR_DSRL_CACHE that names the folder
 */
export function inCache<Result>(folder: string, body: () => Result): Result {
  try {
    return body();
  } catch (cause) {
    throw cacheError(`cannot write in ${folder}: ${reasonOf(cause)}`, cause);
  }
}

/** What keeps a command from working in the user's cache, and how to give it another one. */
export function cacheError(message: string, cause?: unknown): EnvironmentSetupError {
  const hint = [
    'make room there, or make it writable;',
    'or name another cache folder, now and whenever dsrl-native runs: export XDG_CACHE_HOME=DIR',
  ].join('\n');
  return new EnvironmentSetupError('ERR_DSRL_CACHE', message, { hint, cause });
}

/** False if another process has it. */
function take(lock: string): boolean {
  try {
    const fd = openSync(lock, 'wx');
    try {
      writeSync(fd, `${hostname()} ${process.pid}\n`);
    } finally {
      closeSync(fd);
    }
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** The process that had it is gone. */
function isLeft(lock: string, silenceMs: number): boolean {
  try {
    if (Date.now() - statSync(lock).mtimeMs > silenceMs) return true;
    const [host, pid] = readFileSync(lock, 'utf8').trim().split(' ');
    if (host !== hostname()) return false;
    process.kill(Number(pid), 0); // asks, and sends nothing
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

function touch(lock: string): void {
  try {
    utimesSync(lock, new Date(), new Date());
  } catch {} // the next one may do; a lock that is lost is no reason to end the work
}
