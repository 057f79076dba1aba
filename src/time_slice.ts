/** Work in slices, so that heartbeats and fan-out never wait for it. */
import type { Clock } from "./clock.ts";
import { turn } from "./event_loop.ts";

/** Work is handed back to the event loop after this many milliseconds. */
const SLICE_MS = 8;

/** Says when a slice is over. */
export class TimeSlice {
  readonly #clock: Clock;
  #startMs: number;
  #nowMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startMs = this.#nowMs = clock.monotonic();
  }

  /** When it last looked at the clock, by `monotonic()`: at `over`, or at the slice's start. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Whether it is time to hand control back; 2 ms are left for the step that is under way. */
  get over(): boolean {
    this.#nowMs = this.#clock.monotonic();
    return this.#nowMs - this.#startMs >= SLICE_MS - 2;
  }

  /** Lets the event loop turn once, and starts the next slice. */
  async turn(): Promise<void> {
    await turn();
    this.#startMs = this.#nowMs = this.#clock.monotonic();
  }
}
