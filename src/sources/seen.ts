/** The steps of the walk that counted, so that the sync need not walk again. */
import type { TimeSlice } from "../time_slice.ts";
import type { Step } from "./walk.ts";

/** Most steps that are kept: some 15 MB. The rest of the tree is walked again. */
const STEPS_MAX = 50_000;
/** Steps are used again for this many milliseconds. */
const FRESH_MS = 10_000;

/** Keeps the first steps of one walk, and continues with another walk where they end. */
export class Seen {
  readonly #slice: Pick<TimeSlice, "nowMs">;
  readonly #steps: Step[] = [];
  /** When each directory among the steps was listed. */
  readonly #listedAtMs: number[] = [];
  /** Where the last directory's steps begin. */
  #lastListed = 0;
  /** The directory from which on no steps are kept. */
  #rest: string | undefined;

  /** @param slice is asked for the time: it looks at the clock after each step anyway */
  constructor(slice: Pick<TimeSlice, "nowMs">) {
    this.#slice = slice;
  }

  add(step: Step): void {
    if (this.#rest !== undefined) return;
    if (step.kind === "listed") {
      this.#lastListed = this.#steps.length;
      this.#listedAtMs.push(this.#slice.nowMs);
    }
    this.#steps.push(step);
    if (this.#steps.length <= STEPS_MAX) return;
    // Cut between directories, where a walk can begin.
    this.#rest = this.#steps[this.#lastListed].key;
    this.#steps.length = this.#lastListed;
  }

  /** The steps that were kept, then a new walk. @param walk walks from that directory on */
  *steps(walk: (from: string) => Iterable<Step>): Generator<Step, void, void> {
    let directories = 0;
    let listedAtMs = 0;
    for (const step of this.#steps) {
      if (step.kind === "listed") listedAtMs = this.#listedAtMs[directories++];
      const fresh = this.#slice.nowMs - listedAtMs < FRESH_MS;
      if (fresh) yield step;
      else if (step.kind === "listed") return yield* walk(step.key);
      else yield step.kind === "entry" ? { kind: "entry", key: step.key } : step;
    }
    if (this.#rest !== undefined) yield* walk(this.#rest);
  }
}
