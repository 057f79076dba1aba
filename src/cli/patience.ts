/** Notices that a connection is dead: no error tells of it where the network has gone. */
import type { Clock } from "../clock.ts";

/** A stream is dead after so many milliseconds without a frame: heartbeats come every 30 s. */
const SILENCE_MS = 90_000;
/** A look that comes later than this was held up, as what has come meanwhile was. */
const LATE_MS = 1_000;
/** The reason in words. */
export const SILENCE = `nothing has come for ${SILENCE_MS / 1000} s`;

/** Nothing has come for SILENCE_MS. */
export class SilentError extends Error {
  override readonly name = "SilentError";

  constructor() {
    super(SILENCE);
  }
}

/**
 * What the work gives. It is called off, and not waited for any longer, when that takes too long,
 * or when the given signal fires.
 *
 * @throws {SilentError}; what the work throws; the given signal's reason
 */
export async function patiently<Given>(
  clock: Clock,
  given: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<Given>,
): Promise<Given> {
  given?.throwIfAborted();
  const patience = new Patience(clock, given);
  const left = Promise.withResolvers<never>();
  const leave = () => left.reject(patience.over ? new SilentError() : given?.reason);
  patience.signal.addEventListener("abort", leave);
  try {
    return await Promise.race([left.promise, work(patience.signal)]);
  } finally {
    patience.end();
  }
}

/**
 * The chunks of a body.
 *
 * @throws {SilentError} when the next one does not come; as `patiently` for the rest
 */
export async function* chunksOf(
  clock: Clock,
  given: AbortSignal | undefined,
  body: ReadableStream<Uint8Array>,
): AsyncGenerator<Uint8Array, void, void> {
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await patiently(clock, given, () => reader.read());
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {}); // it may be broken off already
  }
}

/** Calls a connection off when it says nothing for too long, or when the given signal fires. */
export class Patience {
  readonly #clock: Clock;
  readonly #given: AbortSignal | undefined;
  readonly #controller = new AbortController();
  readonly #leave = () => this.#controller.abort();
  #renewedMs: number;
  #callOff = () => {};
  #over = false;

  constructor(clock: Clock, given: AbortSignal | undefined) {
    this.#clock = clock;
    this.#given = given;
    this.#renewedMs = clock.monotonic();
    given?.addEventListener("abort", this.#leave);
    this.#look();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Whether it was called off because it said nothing. */
  get over(): boolean {
    return this.#over;
  }

  renew(): void {
    this.#renewedMs = this.#clock.monotonic();
  }

  end(): void {
    this.#callOff();
    this.#given?.removeEventListener("abort", this.#leave);
  }

  #look(): void {
    const leftMs = this.#renewedMs + SILENCE_MS - this.#clock.monotonic();
    if (leftMs < -LATE_MS) return this.#halted();
    this.#over = leftMs <= 0;
    if (this.#over) this.#controller.abort();
    else this.#callOff = this.#clock.after(leftMs, () => this.#look());
  }

  /** Ctrl-Z, or a reader of the output that rests: frames may wait to be read. */
  #halted(): void {
    this.#renewedMs = this.#clock.monotonic() + LATE_MS - SILENCE_MS;
    this.#look();
  }
}
