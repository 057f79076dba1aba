/** Time that passes only when a test says so. */
import type { Clock } from "../../src/clock.ts";

interface Due {
  readonly atMs: number;
  readonly run: () => void;
}

/** Starts at 1,000,000 ms since 1970 and at 0 ms of the clock that only goes forward. */
export class FakeClock implements Clock {
  #nowMs = 1_000_000;
  /** How far the wall clock has been set from where it would be. */
  #setMs = 0;
  #due: Due[] = [];

  now(): number {
    return this.#nowMs + this.#setMs;
  }

  monotonic(): number {
    return this.#nowMs - 1_000_000;
  }

  /** In whole milliseconds, as real timers are: one that is asked for less would never be over. */
  after(ms: number, run: () => void): () => void {
    const due = { atMs: this.#nowMs + Math.max(0, Math.ceil(ms)), run };
    this.#due.push(due);
    return () => {
      this.#due = this.#due.filter((other) => other !== due);
    };
  }

  /** Lets `ms` pass, running what falls due in its order, also what that sets anew. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const next = this.#due.filter((due) => due.atMs <= endMs)
        .reduce<Due | undefined>((a, b) => !a || b.atMs < a.atMs ? b : a, undefined);
      if (!next) break;
      this.#due = this.#due.filter((due) => due !== next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.run();
    }
    this.#nowMs = endMs;
  }

  /** Sets the wall clock, as a person or NTP does: no time passes, and no timer notices. */
  set(nowMs: number): void {
    this.#setMs = nowMs - this.#nowMs;
  }

  /** How many timers are set. */
  get waiting(): number {
    return this.#due.length;
  }
}
