/** Reading bodies as they arrive, with a limit on time and on memory. */
import type { Clock } from "../clock.ts";
import { turn } from "../event_loop.ts";
import { TimeSlice } from "../time_slice.ts";
import { Problem } from "./problem.ts";

/** Most bytes of a JSON body, and of one line of NDJSON. */
export const BODY_BYTES_MAX = 1024 * 1024;
/** Most bytes of the body of a sign-in, the only one that strangers may send. */
export const SIGN_IN_BYTES_MAX = 4 * 1024;

/** Chunks that are read in one turn of the event loop: there may be many small ones. */
const CHUNKS_A_TURN = 64;
/** Bytes from which on lines are handed on without a look at whether more have arrived. */
const PIECE_BYTES = 8 * 1024;

const LF = 10;
/** A member's name that is refused: zod and object copies would drop the member. */
const PROTO = "__proto__";
const utf8 = new TextDecoder("utf-8", { fatal: true });

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

/**
 * The lines of a body, in pieces of as many as have arrived. A piece has no line feed at its end.
 *
 * @throws {Problem} body-timeout; stopping; body-too-large for a line over BODY_BYTES_MAX;
 *   invalid-request when the sender goes away
 */
export async function* linesOf(
  body: ReadableStream<Uint8Array>,
  options: BodyOptions,
): AsyncGenerator<Uint8Array, void, void> {
  const rest = new Gathered(); // without a line end
  const deadline = new Deadline(options);
  for await (const chunk of chunksOf(body, deadline, options.clock)) {
    const end = chunk.lastIndexOf(LF);
    let piece: Uint8Array | undefined;
    if (end >= 0) {
      piece = chunk.subarray(0, end);
      if (rest.length > 0) {
        rest.add(piece);
        piece = rest.take();
      }
    }
    rest.add(chunk.subarray(end + 1));
    if (rest.length > BODY_BYTES_MAX || (piece && hasLongLine(piece))) {
      throw new Problem("body-too-large", `A line may have at most ${BODY_BYTES_MAX} bytes`);
    }
    if (!piece) continue;
    deadline.putOff();
    yield piece;
    deadline.putOff();
  }
  if (rest.length > 0) yield rest.take();
}

/** The lines of one piece, without their ends. */
export function splitLines(piece: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = [];
  let start = 0;
  for (let end = piece.indexOf(LF); end >= 0; end = piece.indexOf(LF, start)) {
    lines.push(piece.subarray(start, end));
    start = end + 1;
  }
  lines.push(piece.subarray(start));
  return lines;
}

function hasLongLine(piece: Uint8Array): boolean {
  return piece.length > BODY_BYTES_MAX &&
    splitLines(piece).some(({ length }) => length > BODY_BYTES_MAX);
}

/**
 * The whole body.
 *
 * @param instead words behind the refusal of a larger body, such as how else to send it
 * @throws {Problem} body-timeout; stopping; body-too-large; invalid-request when the sender leaves
 */
export async function wholeBody(
  body: ReadableStream<Uint8Array>,
  options: BodyOptions,
  instead = "",
): Promise<Uint8Array> {
  const whole = new Gathered();
  const { most = BODY_BYTES_MAX } = options;
  for await (const chunk of chunksOf(body, new Deadline(options))) {
    if (whole.length + chunk.length > most) {
      throw new Problem("body-too-large", `A body may have at most ${most} bytes${instead}`);
    }
    whole.add(chunk);
  }
  return whole.take();
}

/** @throws {RangeError} with the reason: not UTF-8, not JSON (RFC 8259), or a member `__proto__` */
export function parseJson(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch (cause) {
    throw new RangeError("it is not UTF-8", { cause });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new RangeError("it is not JSON", { cause });
  }
  if (mayNameProto(text) && namesProto(value)) {
    throw new RangeError(`it has a member named ${PROTO}, which would be lost`);
  }
  return value;
}

/** Whether a member of the JSON may be named `__proto__`: plainly, or with escaped letters. */
export function mayNameProto(text: string): boolean {
  return text.includes(PROTO) || text.includes("\\u00");
}

/** Whether a member at any depth is named `__proto__`. Without recursion: JSON may nest deeply. */
function namesProto(value: unknown): boolean {
  const left = [value];
  while (left.length > 0) {
    const next = left.pop();
    if (typeof next !== "object" || next === null) continue;
    if (Object.hasOwn(next, PROTO)) return true;
    for (const member of Object.values(next)) left.push(member);
  }
  return false;
}

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
class Gathered {
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
