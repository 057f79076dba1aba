/** Ends streams whose right has ended. */
import type { Clock } from "../clock.ts";
import type { JobError } from "../sync/entry.ts";

/**
 * How often rights are looked at, in milliseconds. A key's row is up to a second old (KeyStore), so
 * streams of a key that another process has revoked end within 1.5 s.
 */
const LOOK_MS = 500;
/** How long a viewer gets to take its farewell before it is cut off unread. */
const FAREWELL_MS = 1_000;

/** What a stream was opened with. */
export interface Right {
  /** The same for all streams whose right ends together. */
  readonly name: string;
  /** The id of the key behind it; undefined without a key. */
  readonly holder?: string;
  /** What to tell the viewer once the right has ended; undefined while it holds. */
  readonly lapsed: () => JobError | undefined;
}

/** A stream that can be refused. */
export interface Refusable {
  /** Says why, then breaks off; the same again changes nothing. */
  refuse(error: JobError): void;
  /** Breaks off at once. */
  abort(): void;
}

interface Holders {
  readonly right: Right;
  readonly streams: Set<Refusable>;
  /** When the streams were first refused, by the clock's `monotonic()`. */
  refusedAtMs: number | undefined;
}

/** Looks at each right once a round, however many streams it has opened; idle without any. */
export class Rights {
  readonly #clock: Clock;
  readonly #onFault: (cause: unknown) => void;
  readonly #held = new Map<string, Holders>();
  #callOff: (() => void) | undefined;

  /** @param onFault called when it cannot be told whether a right holds; it is looked at again */
  constructor(clock: Clock, onFault: (cause: unknown) => void) {
    this.#clock = clock;
    this.#onFault = onFault;
  }

  /** Refuses the stream as soon as the right has ended. @returns the right's name, for `release` */
  hold(stream: Refusable, right: Right): string {
    const known = this.#held.get(right.name);
    const holders = known ?? { right, streams: new Set(), refusedAtMs: undefined };
    if (!known) this.#held.set(right.name, holders);
    holders.streams.add(stream);
    this.#callOff ??= this.#clock.after(LOOK_MS, () => this.#look());
    return holders.right.name; // one string for all streams of the right
  }

  /** Forgets the stream, which was opened with the right of that name. */
  release(stream: Refusable, name: string): void {
    const holders = this.#held.get(name);
    if (!holders?.streams.delete(stream) || holders.streams.size > 0) return;
    this.#held.delete(name);
    if (this.#held.size > 0) return;
    this.#callOff?.();
    this.#callOff = undefined;
  }

  #look(): void {
    this.#callOff = undefined;
    let fault: unknown;
    for (const holders of [...this.#held.values()]) {
      try {
        const error = holders.right.lapsed();
        if (error) this.#end(holders, error);
      } catch (cause) {
        fault = cause;
      }
    }
    if (fault !== undefined) this.#onFault(fault);
    if (this.#held.size > 0) this.#callOff ??= this.#clock.after(LOOK_MS, () => this.#look());
  }

  #end(holders: Holders, error: JobError): void {
    const now = this.#clock.monotonic();
    holders.refusedAtMs ??= now;
    const late = now - holders.refusedAtMs >= FAREWELL_MS;
    for (const stream of [...holders.streams]) {
      if (late) stream.abort();
      else stream.refuse(error);
    }
  }
}
