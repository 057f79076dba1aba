/** Holds a run back to a number of entities a second. */
import { type Clock, sleep } from "../clock.ts";

/** Longest single wait, in milliseconds, so that progress still looks smooth. */
const WAIT_MS_MAX = 100;

/** Lets `perS` entities through in a second; of a pause at most a tenth of a second is made up. */
export class Pace {
  readonly #clock: Clock;
  readonly #perS: number;
  #dueMs: number;
  #held = false;

  constructor(clock: Clock, perS: number) {
    this.#clock = clock;
    this.#perS = perS;
    this.#dueMs = clock.monotonic();
  }

  /** Whether the run has been held back so far. */
  get held(): boolean {
    return this.#held;
  }

  /** Counts one entity. */
  spend(): void {
    const now = this.#clock.monotonic();
    // A slow stretch is not followed by a fast one that makes up for it.
    this.#dueMs = Math.max(this.#dueMs, now - WAIT_MS_MAX) + 1000 / this.#perS;
  }

  /** Whether the next entity has to wait; from then on the run counts as held back. */
  hold(): boolean {
    const early = this.#leftMs > 0;
    this.#held ||= early;
    return early;
  }

  /** Waits until the next entity may pass, but only a while, and less when the signal fires. */
  async wait(signal: AbortSignal): Promise<void> {
    const ms = Math.min(WAIT_MS_MAX, this.#leftMs);
    if (ms > 0) await sleep(this.#clock, ms, signal);
  }

  get #leftMs(): number {
    return this.#dueMs - this.#clock.monotonic();
  }
}
