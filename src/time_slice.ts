/** Work in slices, so that heartbeats and fan-out never wait for it. */
import type { Clock } from "./clock.ts";
import { turn } from "./event_loop.ts";

/** Work is handed back to the event loop after this many milliseconds. */
const SLICE_MS = 8;

/** Says when a slice is over. */
export class TimeSlice {
  readonly #clock: Clock;
  #startMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startMs = clock.monotonic();
  }

  /** Whether it is time to hand control back; 2 ms are left for the step that is under way. */
  get over(): boolean {
    return this.#clock.monotonic() - this.#startMs >= SLICE_MS - 2;
  }

  /** Lets the event loop turn once, and starts the next slice. */
  async turn(): Promise<void> {
    await turn();
    this.#startMs = this.#clock.monotonic();
  }
}
