/** Bodies as they arrive, in chunks, with a limit on time. */
import type { Clock } from "../clock.ts";
import { turn } from "../event_loop.ts";
import { TimeSlice } from "../time_slice.ts";
import { Problem } from "./problem.ts";

/** Chunks that are read in one turn of the event loop: there may be many small ones. */
const CHUNKS_A_TURN = 64;
/** Bytes from which on lines are handed on without a look at whether more have arrived. */
const PIECE_BYTES = 8 * 1024;

export interface BodyOptions {
  readonly clock: Clock;
  /** Longest wait for a whole line, or for a body that is not read by lines, in milliseconds. */
  readonly idleMs: number;
  /** Most bytes of a body that is read whole; BODY_BYTES_MAX when left out. */
  readonly most?: number;
  /** Fires when the server stops: the rest of a body is not waited for then. */
  readonly stopping?: Stopping;
}

/** The part of an AbortSignal that is used here. */
export type Stopping = Pick<AbortSignal, "aborted" | "addEventListener" | "removeEventListener">;

/** The problem of a body that took too long; its rest is not read. */
export function bodyLate(idleMs: number): Problem {
  const detail = `Nothing whole has arrived for ${idleMs} ms`;
  return new Problem("body-timeout", detail, {}, { Connection: "close" });
}

/** The problem of a body that was cut by the server's stop. */
function bodyStopped(): Problem {
  const detail = "The server stops, and does not wait for the rest of the body";
  return new Problem("stopping", detail, {}, { "Retry-After": "5", Connection: "close" });
}

/** The problem of a body whose sender went away. */
export function bodyCutOff(cause: unknown): Problem {
  return new Problem("invalid-request", "The body was cut off", {}, {}, { cause });
}

/** A time limit that can be put off, and that ends at once when the server stops. */
export class Deadline {
  readonly #options: BodyOptions;
  #atMs = 0;
  #fail: (problem: Problem) => void = () => {};
  readonly #stop = () => this.#fail(bodyStopped());

  constructor(options: BodyOptions) {
    this.#options = options;
    this.putOff();
    options.stopping?.addEventListener("abort", this.#stop);
  }

  /** To be called once the body is done with. */
  letGo(): void {
    this.#options.stopping?.removeEventListener("abort", this.#stop);
  }

  putOff(): void {
    this.#atMs = this.#options.clock.monotonic() + this.#options.idleMs;
  }

  /** What the promise gives. @throws {Problem} body-timeout or stopping, when that comes first */
  async before<Answer>(promise: Promise<Answer>): Promise<Answer> {
    const { clock, idleMs, stopping } = this.#options;
    const late = Promise.withResolvers<never>();
    this.#fail = late.reject;
    if (stopping?.aborted) this.#stop();
    const callOff = clock.after(Math.max(0, this.#atMs - clock.monotonic()), () => {
      late.reject(bodyLate(idleMs));
    });
    try {
      return await Promise.race([promise, late.promise]);
    } finally {
      callOff();
    }
  }
}

/**
 * The body as it arrives.
 *
 * @param together a clock: then what is there already comes as one chunk. Clients may send each line
 *   as a chunk of its own (Python's, of a generator), and Deno gives them one by one
 * @throws {Problem} as wholeBody, but not for its length
 */
export async function* chunksOf(
  body: ReadableStream<Uint8Array>,
  deadline: Deadline,
  together?: Clock,
) {
  const reader = body.getReader();
  const read = () => {
    const reading = reader.read().catch((cause) => {
      throw bodyCutOff(cause);
    });
    reading.catch(() => {}); // where nobody waits for it any more
    return reading;
  };
  let over = false;
  let ahead: ReturnType<typeof read> | undefined;
  try {
    for (let chunks = 0;; chunks++) {
      if (chunks >= CHUNKS_A_TURN) {
        await turn();
        chunks = 0;
      }
      const { done, value } = await deadline.before(ahead ?? read());
      over = done;
      if (done) return;
      ahead = undefined;
      if (!together || value.length >= PIECE_BYTES) {
        yield value;
        continue;
      }
      const all = new Gathered();
      const slice = new TimeSlice(together);
      for (let next: Uint8Array | undefined = value; next; chunks++) {
        all.add(next);
        ahead = read();
        if (all.length >= PIECE_BYTES || slice.over || chunks >= CHUNKS_A_TURN) break;
        next = await arrived(ahead);
      }
      yield all.take();
    }
  } finally {
    deadline.letGo();
    // The rest is not read. `cancel` rejects where the sender is gone, which does not matter.
    if (!over) reader.cancel().catch(() => {});
  }
}

/** The chunk, where it is there within a turn of the event loop; undefined also where none follows. */
function arrived(
  reading: Promise<ReadableStreamReadResult<Uint8Array>>,
): Promise<Uint8Array | undefined> {
  return Promise.race([
    reading.then(({ value }) => value, () => undefined),
    turn().then(() => undefined),
  ]);
}

/** Gathers parts into one array, which doubles when it is full: small parts cost little. */
export class Gathered {
  #bytes = new Uint8Array(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Copies the part. */
  add(part: Uint8Array): void {
    const length = this.#length + part.length;
    if (length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.#bytes.length));
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    this.#bytes.set(part, this.#length);
    this.#length = length;
  }

  /** All bytes, which belong to the caller from then on. */
  take(): Uint8Array {
    const all = this.#bytes.subarray(0, this.#length);
    this.#bytes = new Uint8Array(0);
    this.#length = 0;
    return all;
  }
}
