/** Thins the events of our own sources: progress to a few a second, log lines to a rate. */
import type { Clock } from "../clock.ts";
import type { SourceLog, SourceProgress } from "../sources/source.ts";

/**
 * How many log lines pass in one second, and how many warnings and errors beside them: a list of
 * files that are well must not hide the one that is not. The rest is counted, and the number told.
 */
export const LOG_LINES_PER_S = 100;

/** What passes: each is appended as one entry. */
export type Throttled = SourceProgress | SourceLog;

/**
 * Lets the first progress pass at once, later ones at most every `intervalMs`, always the newest.
 * One that has to wait passes when its time comes, even if the source has fallen silent. Log lines
 * do not wait.
 */
export class Throttle {
  readonly #clock: Clock;
  #intervalMs: number;
  readonly #emit: (event: Throttled) => void;
  #waiting: SourceProgress | undefined;
  #callOff: (() => void) | undefined;
  #lastMs = -Infinity;
  #secondMs = -Infinity;
  /** The lines of this second that passed. */
  #passed = { faults: 0, others: 0 };
  #leftOut = 0;

  constructor(clock: Clock, intervalMs: number, emit: (event: Throttled) => void) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
    this.#emit = emit;
  }

  /** Changes the interval, also for progress that waits. */
  every(intervalMs: number): void {
    if (intervalMs === this.#intervalMs) return;
    this.#intervalMs = intervalMs;
    this.#callOff?.();
    this.#callOff = undefined;
    if (this.#waiting) this.progress(this.#waiting);
  }

  progress(event: SourceProgress): void {
    this.#waiting = event;
    const waitMs = this.#lastMs + this.#intervalMs - this.#clock.monotonic();
    if (waitMs <= 0) this.#release();
    else this.#callOff ??= this.#clock.after(waitMs, () => this.#release());
  }

  log(event: SourceLog): void {
    const now = this.#clock.monotonic();
    if (now - this.#secondMs >= 1000) {
      this.#tellLeftOut();
      this.#secondMs = now;
      this.#passed = { faults: 0, others: 0 };
    }
    const { level } = event;
    const kind = level === "warning" || level === "error" ? "faults" : "others";
    if (this.#passed[kind] < LOG_LINES_PER_S) {
      this.#passed[kind]++;
      this.#emit(event);
    } else this.#leftOut++;
  }

  /** Lets what waits pass; nothing comes after it. */
  end(): void {
    if (this.#waiting) this.#release();
    this.#callOff?.();
    this.#callOff = undefined;
    this.#tellLeftOut();
  }

  #release(): void {
    this.#callOff?.();
    this.#callOff = undefined;
    if (!this.#waiting) return;
    this.#lastMs = this.#clock.monotonic();
    this.#emit(this.#waiting);
    this.#waiting = undefined;
    if (this.#lastMs - this.#secondMs >= 1000) this.#tellLeftOut();
  }

  #tellLeftOut(): void {
    if (this.#leftOut === 0) return;
    const lines = this.#leftOut === 1 ? "1 line" : `${this.#leftOut} lines`;
    this.#leftOut = 0;
    this.#emit({
      type: "log",
      level: "info",
      source: "synctail",
      message: `${lines} left out: more than ${LOG_LINES_PER_S} a second`,
    });
  }
}
