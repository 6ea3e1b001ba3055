import { closeSync, fsync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import {
  DsrlError,
  EnvironmentSetupError,
  RuntimeFailure,
  reasonOf,
  UsageError,
} from '../errors.js';
import { makeFolder } from '../folder.js';

/**
 * A file that only grows. Writes are synchronous on purpose: what `append` was given is with the
 * kernel when it returns, so a process that dies later cannot lose it, and nothing waits in a
 * queue that somebody would have to drain on every way out.
 */
export class AppendFile {
  readonly path: string;
  #fd: number | undefined;

  /**
   * Opens `path` and makes its folder if it is missing.
   *
   * @param flags As in `fs.open`: 'a' appends, 'wx' insists on a new file.
   * @throws EnvironmentSetupError ERR_DSRL_LOG_UNWRITABLE
   */
  constructor(path: string, flags: 'a' | 'wx' = 'a') {
    this.path = path;
    this.#fd = opening(path, () => {
      makeFolder(dirname(path));
      return openSync(path, flags);
    });
  }

  /** @throws RuntimeFailure ERR_DSRL_LOG_WRITE, for a full disk above all. */
  append(bytes: Uint8Array): void {
    if (this.#fd === undefined) {
      throw new UsageError('ERR_DSRL_DISPOSED', `the log ${this.path} is closed`, {
        hint: 'open a new one; a closed log stays closed',
      });
    }
    writeAll(this.#fd, this.path, bytes);
  }

  /** Makes what has been written survive a power failure; a crash of the process needs none. */
  async flush(): Promise<void> {
    if (this.#fd !== undefined) await promisify(fsync)(this.#fd);
  }

  /** Flushes and closes; a second call does nothing. */
  close(): void {
    if (this.#fd !== undefined) fsyncSync(this.#fd);
    this.release();
  }

  /** Closes without flushing. */
  release(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}

/** Opens `path`, appends `text` and closes it again: for lines that come seldom, to no end. */
export function appendText(path: string, text: string): void {
  const file = new AppendFile(path);
  try {
    file.append(Buffer.from(text));
  } finally {
    file.release();
  }
}

/** Runs `open`; a failure becomes an error that names the path and says what to type. */
export function opening<T>(path: string, open: () => T): T {
  try {
    return open();
  } catch (cause) {
    if (cause instanceof DsrlError) throw cause;
    const message = `cannot write the log ${path}: ${reasonOf(cause)}`;
    const hint = 'make the folder writable, or name another with runner.logger.log_path=DIR';
    throw new EnvironmentSetupError('ERR_DSRL_LOG_UNWRITABLE', message, { hint, cause });
  }
}

/** Gives the file a new content in one rename: a crash leaves the old content or the new. */
export function replaceFile(path: string, text: string): void {
  const temporary = `${path}.${process.pid}.tmp`;
  const fd = openSync(temporary, 'w');
  try {
    try {
      writeAll(fd, temporary, Buffer.from(text));
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  sync(dirname(path));
}

/** The kernel may take the bytes in several parts. */
function writeAll(fd: number, path: string, bytes: Uint8Array): void {
  try {
    let written = 0;
    while (written < bytes.length) written += writeSync(fd, bytes, written);
  } catch (cause) {
    const message = `writing the log ${path} failed: ${reasonOf(cause)}`;
    const hint = 'make room on that disk, then go on with --resume last';
    throw new RuntimeFailure('ERR_DSRL_LOG_WRITE', message, { hint, cause });
  }
}

/**
 * Makes a file, or the names in a folder, survive a power failure: a rename does so only when its
 * folder is synced too.
 */
export function sync(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** As `sync`, beside the event loop: a disk may take a tenth of a second. */
export async function syncBeside(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
