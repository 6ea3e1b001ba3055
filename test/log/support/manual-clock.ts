import type { Clock } from '../../../lib/log/progress.js';

/** A clock that stands until it is moved; its timers fire while it moves. */
export class ManualClock implements Clock {
  #now = 5000;
  readonly #timers = new Set<{ next: number; period: number; tick: () => void }>();

  now(): number {
    return this.#now;
  }

  date(): Date {
    return new Date(Date.UTC(2026, 0, 2, 3, 4, 0) + this.#now);
  }

  every(milliseconds: number, tick: () => void): () => void {
    const timer = { next: this.#now + milliseconds, period: milliseconds, tick };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  get timers(): number {
    return this.#timers.size;
  }

  advance(milliseconds: number): void {
    const end = this.#now + milliseconds;
    for (;;) {
      const due = [...this.#timers].filter((timer) => timer.next <= end);
      const timer = due.sort((a, b) => a.next - b.next)[0];
      if (timer === undefined) break;
      this.#now = timer.next;
      timer.next += timer.period;
      timer.tick();
    }
    this.#now = end;
  }
}
