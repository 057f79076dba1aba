/** Ends the streams of those who have lost the right to them. */
import type { Clock } from "../clock.ts";
import type { JobError } from "../sync/entry.ts";

/** How often rights are looked at, in milliseconds: what was revoked is noticed within that. */
const LOOK_MS = 1_000;

/** What a stream was opened with. */
export interface Right {
  /** The same for all streams that stand and fall together. */
  readonly name: string;
  /** Who holds it: a key; undefined for what another party has signed. */
  readonly holder?: string;
  /** What to tell the viewer once the right has ended; undefined while it holds. */
  readonly lapsed: () => JobError | undefined;
}

/** One whose stream can be refused. */
export interface Refusable {
  refuse(error: JobError): void;
}

interface Holders {
  readonly right: Right;
  readonly streams: Set<Refusable>;
}

/** Looks at each right once a round, however many streams it has opened; idle without any. */
export class Rights {
  readonly #clock: Clock;
  readonly #held = new Map<string, Holders>();
  #callOff: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Refuses the stream as soon as the right has ended; the answer takes it off the list. */
  hold(stream: Refusable, right: Right): () => void {
    let holders = this.#held.get(right.name);
    if (!holders) this.#held.set(right.name, holders = { right, streams: new Set() });
    holders.streams.add(stream);
    this.#callOff ??= this.#clock.after(LOOK_MS, () => this.#look());
    return () => {
      holders.streams.delete(stream);
      if (holders.streams.size > 0) return;
      if (this.#held.get(right.name) === holders) this.#held.delete(right.name);
      if (this.#held.size > 0) return;
      this.#callOff?.();
      this.#callOff = undefined;
    };
  }

  /** How many different rights have streams open. */
  get size(): number {
    return this.#held.size;
  }

  #look(): void {
    this.#callOff = undefined;
    for (const { right, streams } of [...this.#held.values()]) {
      const error = right.lapsed();
      if (error) { for (const stream of [...streams]) stream.refuse(error); }
    }
    if (this.#held.size > 0) this.#callOff ??= this.#clock.after(LOOK_MS, () => this.#look());
  }
}
