import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, ftruncateSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** How a worker is started, and how long it may be silent, in ms. */
export interface WorkerOptions {
  program: string;
  words: readonly string[];
  /** Bytes that it shows; the file's path is appended to `words`. */
  memoryBytes: number;
  patience: { start: number; command: number };
}

export type Answer = Record<string, unknown>;

interface Waiting {
  resolve(answer: Answer): void;
  reject(error: WorkerLost): void;
  timer: NodeJS.Timeout;
}

/** A worker that died, hung or could not be started. Whatever ran in it is lost. */
export class WorkerLost extends Error {}

const SAID_LINES = 5;

/**
 * A process that answers each line of JSON with one, in order, and shows bytes in a file that both
 * map: in memory where the system has /dev/shm. The file has no name once the process has it open,
 * and the process ends with its stdin, so that nothing is left behind however Node ends.
 */
export class LineWorker {
  /** Its first line. */
  readonly ready: Promise<Answer>;
  readonly #options: WorkerOptions;
  readonly #folder: string;
  readonly #memory: number;
  readonly #child: ChildProcess;
  readonly #waiting: Waiting[] = [];
  readonly #said: string[] = [];
  #lost: WorkerLost | null = null;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#folder = mkdtempSync(join(sharedMemoryFolder(), `dsrl-worker-${process.pid}-`));
    const file = join(this.#folder, 'memory');
    this.#memory = openSync(file, 'w+', 0o600);
    ftruncateSync(this.#memory, options.memoryBytes);
    this.#child = spawn(options.program, [...options.words, file], {
      env: { ...process.env, OMP_NUM_THREADS: '1', PYTHONUNBUFFERED: '1' },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#listen();
    this.ready = this.#expect(options.patience.start);
    // Whoever has not come to wait for it yet must not end the process with it.
    this.ready.then(() => this.#unlink()).catch(() => {});
  }

  /** Its last words on stderr. */
  get said(): string {
    return this.#said.join('\n');
  }

  /** @throws WorkerLost */
  async ask(command: Record<string, unknown>): Promise<Answer> {
    await this.ready; // the time that it takes to start is not the command's
    const answer = this.#expect(this.#options.patience.command);
    this.#child.stdin?.write(`${JSON.stringify(command)}\n`);
    return answer;
  }

  /** Copies bytes of its memory into `target`. */
  read(target: Uint8Array, position: number): void {
    const count = readSync(this.#memory, target, 0, target.length, position);
    if (count !== target.length) throw new RangeError('a read beyond the memory of a worker');
  }

  /** Ends the process at once, and gives everything back. Idempotent. */
  end(reason = 'it was ended'): void {
    if (this.#lost !== null) return;
    this.#lost = new WorkerLost(reason);
    this.#child.kill('SIGKILL');
    closeSync(this.#memory);
    this.#unlink();
    for (const { reject, timer } of this.#waiting.splice(0)) {
      clearTimeout(timer);
      reject(this.#lost);
    }
  }

  #listen(): void {
    const { stdin, stdout, stderr } = this.#child;
    if (stdin === null || stdout === null || stderr === null) throw new TypeError('no pipes');
    stdin.on('error', () => {}); // the process has ended: 'close' says so
    createInterface(stdout).on('line', (line) => this.#receive(line));
    createInterface(stderr).on('line', (line) => {
      this.#said.push(line);
      if (this.#said.length > SAID_LINES) this.#said.shift();
    });
    // A wait has a timer that keeps Node alive; a worker that nobody waits for must not.
    this.#child.unref();
    for (const pipe of [stdin, stdout, stderr]) (pipe as Partial<Socket>).unref?.();
    this.#child.on('error', (error) => this.end(`it cannot be started: ${error.message}`));
    this.#child.on('close', (code, signal) => this.end(`it ended with ${code ?? signal}`));
  }

  #receive(line: string): void {
    const first = this.#waiting.shift();
    if (first === undefined) {
      this.end(`it spoke unasked: ${line.slice(0, 80)}`);
      return;
    }
    clearTimeout(first.timer);
    try {
      first.resolve(JSON.parse(line) as Answer);
    } catch {
      this.#waiting.unshift(first);
      this.end(`it answered what is no JSON: ${line.slice(0, 80)}`);
    }
  }

  #expect(patience: number): Promise<Answer> {
    if (this.#lost !== null) return Promise.reject(this.#lost);
    return new Promise((resolve, reject) => {
      const silent = () => this.end(`it gave no answer for ${patience / 1000} s`);
      this.#waiting.push({ resolve, reject, timer: setTimeout(silent, patience) });
    });
  }

  #unlink(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function sharedMemoryFolder(): string {
  return process.platform === 'linux' ? '/dev/shm' : tmpdir();
}
