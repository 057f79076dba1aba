/** The newest frames of a followed job, already encoded, shared by all who follow it. */
import { LOG_LEVELS, type LogLevel, type Seq } from "../sync/entry.ts";

/** Most frames kept; a viewer that is further behind reads from the log. */
export const RING_FRAMES_MAX = 1_000;
/** Most bytes kept. */
export const RING_BYTES_MAX = 1024 * 1024;
/**
 * Most bytes of a chunk, unless it is a single frame. A viewer that does not read holds two or
 * three chunks: the runtime's copy of the one that waits for its socket, and the next one.
 */
export const CHUNK_BYTES_MAX = 128 * 1024;

/** Most chunks that are kept for other viewers; the oldest goes first. */
export const CHUNKS_MAX = 16;

/** An encoded entry. */
interface Encoded {
  readonly seq: Seq;
  /** Index of a log line's level; infinite for progress, which everybody gets. */
  readonly urgency: number;
  readonly bytes: Uint8Array;
}

/** What a viewer is sent next. */
export interface Chunk {
  /** Undefined when nothing up to `through` is for this viewer. */
  readonly bytes: Uint8Array | undefined;
  /** The position that the viewer has reached with it. */
  readonly through: Seq;
}

/** Frames in the order of the log, with the chunks that viewers at one position share. */
export class Ring {
  readonly #frames: Encoded[] = [];
  readonly #chunks = new Map<string, Chunk>();
  /** The chunk that was asked for last: nearly all viewers ask for the same one. */
  #lastAsked: {
    readonly cursor: Seq;
    readonly logs: LogLevel | undefined;
    readonly chunk: Chunk;
  } | undefined;
  #bytes = 0;
  #before: Seq;
  #last: Seq;

  /** @param after the position before the first frame to come */
  constructor(after: Seq) {
    this.#before = after;
    this.#last = after;
  }

  /** Cursors from here on are served from the ring; lower ones have to read the log first. */
  get before(): Seq {
    return this.#before;
  }

  /** Seq of the newest frame. */
  get last(): Seq {
    return this.#last;
  }

  push(seq: Seq, level: LogLevel | undefined, bytes: Uint8Array): void {
    this.#forgetChunks();
    const urgency = level === undefined ? Infinity : LOG_LEVELS.indexOf(level);
    this.#frames.push({ seq, urgency, bytes });
    this.#bytes += bytes.byteLength;
    this.#last = seq;
    let over = 0;
    while (
      this.#frames.length - over > RING_FRAMES_MAX ||
      (this.#bytes > RING_BYTES_MAX && this.#frames.length - over > 1)
    ) {
      this.#bytes -= this.#frames[over].bytes.byteLength;
      this.#before = this.#frames[over].seq;
      over++;
    }
    if (over > 0) this.#frames.splice(0, over);
  }

  /** Forgets all frames; viewers before `after` read from the log what is left there. */
  restart(after: Seq): void {
    this.#frames.length = 0;
    this.#forgetChunks();
    this.#bytes = 0;
    this.#before = after;
    this.#last = after;
  }

  /**
   * The frames after the cursor, as many as fit a chunk; undefined for none. Viewers with the same
   * cursor and level get the same object. `logs` is the least level of log lines asked for.
   */
  chunkAfter(cursor: Seq, logs: LogLevel | undefined): Chunk | undefined {
    if (cursor >= this.#last) return undefined;
    const asked = this.#lastAsked;
    if (asked && asked.cursor === cursor && asked.logs === logs) return asked.chunk;
    const key = `${cursor} ${logs}`;
    let chunk = this.#chunks.get(key);
    if (!chunk) {
      this.#chunks.set(key, chunk = this.#joinedAfter(cursor, logs));
      const [oldest] = this.#chunks.keys();
      if (this.#chunks.size > CHUNKS_MAX) this.#chunks.delete(oldest);
    }
    this.#lastAsked = { cursor, logs, chunk };
    return chunk;
  }

  #joinedAfter(cursor: Seq, logs: LogLevel | undefined): Chunk {
    const least = logs === undefined ? LOG_LEVELS.length : LOG_LEVELS.indexOf(logs);
    let place = this.#frames.length;
    while (place > 0 && this.#frames[place - 1].seq > cursor) place--;
    const parts: Uint8Array[] = [];
    let through = this.#last;
    let length = 0;
    for (; place < this.#frames.length; place++) {
      const frame = this.#frames[place];
      if (frame.urgency < least) continue;
      length += frame.bytes.byteLength;
      if (length > CHUNK_BYTES_MAX && parts.length > 0) {
        through = this.#frames[place - 1].seq;
        break;
      }
      parts.push(frame.bytes);
    }
    return { bytes: joined(parts), through };
  }

  #forgetChunks(): void {
    this.#chunks.clear();
    this.#lastAsked = undefined;
  }
}

/** The parts as one array; undefined for none. */
export function joined(parts: readonly Uint8Array[]): Uint8Array | undefined {
  if (parts.length < 2) return parts[0];
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}
