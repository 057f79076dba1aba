/** Cuts viewers off that do not take what they are sent. */
import type { Clock } from "../clock.ts";

/** Looks within one deadline: a viewer is cut between one deadline and 1.5 of them. */
const LOOKS = 4;

/** One that may have stopped reading. */
export interface Reading {
  /** Whether it has taken something since this was asked last, or has all there is. */
  moved(): boolean;
  /** Breaks it off. */
  abort(): void;
}

/** Looks at all viewers a few times a deadline, with one timer; idle without viewers. */
export class WriteDeadline {
  readonly #clock: Clock;
  readonly #everyMs: number;
  /** Each with the number of looks in a row that have found it standing still. */
  readonly #viewers = new Map<Reading, number>();
  #callOff: (() => void) | undefined;
  #cut = 0;

  /** @param deadlineMs how long a viewer may leave what it was sent; 0 for as long as it likes */
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
