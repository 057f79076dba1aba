/** Cuts viewers off that do not take what they are sent. */
import type { Clock } from "../clock.ts";

/** Looks in one deadline: a viewer is cut after at least one deadline and at most 1.5. */
const LOOKS = 4;
/** Viewers that read are sent something in a shorter time: a heartbeat at least each 60 s. */
const HEARD_MS = 90_000;

/** A viewer that may have stopped reading. */
export interface Reading {
  /** Whether it has taken something since the last call, or has all there is. */
  moved(): boolean;
  /** Breaks its connection off. */
  abort(): void;
}

/** Looks at all viewers a few times a deadline, with one timer; idle without viewers. */
export class WriteDeadline {
  readonly #clock: Clock;
  readonly #everyMs: number;
  /** Each with how many looks in a row have found it standing still. */
  readonly #viewers = new Map<Reading, number>();
  #callOff: (() => void) | undefined;
  #cut = 0;

  /** @param deadlineMs how long a viewer may read nothing of what it was sent; 0 for no limit */
  constructor(clock: Clock, deadlineMs: number) {
    this.#clock = clock;
    this.#everyMs = deadlineMs / LOOKS;
  }

  watch(viewer: Reading): void {
    if (this.#everyMs === 0) return;
    this.#viewers.set(viewer, 0);
    this.#callOff ??= this.#clock.after(this.#everyMs, () => this.#look());
  }

  forget(viewer: Reading): void {
    if (!this.#viewers.delete(viewer) || this.#viewers.size > 0) return;
    this.#callOff?.();
    this.#callOff = undefined;
  }

  /**
   * How long the connection of one that was cut may stay, in milliseconds; 0 for no limit. What it
   * was sent stays with the connection until then.
   */
  get quietMs(): number {
    return this.#everyMs && this.#everyMs * (LOOKS + 2) + HEARD_MS;
  }

  /** How many were cut so far. */
  get cut(): number {
    return this.#cut;
  }

  #look(): void {
    this.#callOff = undefined;
    for (const [viewer, before] of this.#viewers) {
      const still = viewer.moved() ? 0 : before + 1;
      this.#viewers.set(viewer, still);
      if (still <= LOOKS) continue;
      this.#cut++;
      viewer.abort();
    }
    if (this.#viewers.size > 0) {
      this.#callOff ??= this.#clock.after(this.#everyMs, () => this.#look());
    }
  }
}
