/** Pauses between requests, which can be cut short. */
import { type Clock, sleep } from "../clock.ts";

/** One pause at a time. Cutting short while there is none cuts the next one short. */
export class Pause {
  readonly #clock: Clock;
  /** Fires to cut a pause short; renewed after each. */
  #hurry = new AbortController();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  cutShort(): void {
    this.#hurry.abort();
  }

  /** Resolves after `ms`, cut short, or when the signal fires; never rejects. */
  async take(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const hurry = this.#hurry;
    const leave = () => hurry.abort();
    signal.addEventListener("abort", leave);
    try {
      await sleep(this.#clock, ms, hurry.signal);
    } finally {
      signal.removeEventListener("abort", leave);
      if (hurry.signal.aborted) this.#hurry = new AbortController();
    }
  }
}
