/** One viewer of one job: a position in the log and a flag that says whether it wants more. */
import type { Follower, Tail } from "../hub/tail.ts";
import { joined } from "../hub/ring.ts";
import type { Clock } from "../clock.ts";
import { type EventLog, UnknownJobError } from "../log/event_log.ts";
import { frameBytes } from "../sse/sse_encoder_stream.ts";
import type { JobError, LogLevel, Seq } from "../sync/entry.ts";
import type { Job } from "../sync/job.ts";
import { trimmedThrough } from "./cursor.ts";
import {
  comeBackBytes,
  entryFrames,
  faultBytes,
  HEARTBEAT_BYTES,
  STALLED_BYTES,
} from "./frames.ts";

/** Entries read at a time for a viewer that is behind. */
const PAGE = 500;

export interface SubscriptionOptions {
  readonly job: Job;
  readonly log: EventLog;
  readonly tail: Tail;
  /** The first chunk: connected, and the snapshot if there is one. */
  readonly opening: Uint8Array;
  /** Everything after this position follows. */
  readonly cursor: Seq;
  /** Log lines of at least this level are sent; without it none. */
  readonly logs: LogLevel | undefined;
  /** A viewer further behind than this many entries has superseded progress left out. */
  readonly mergeAfter: number;
  readonly retryMs: number;
  readonly clock: Clock;
  /** Heartbeats tell that the job is stalled when its source has said nothing for so long. */
  readonly stallAfterMs: number;
  /** Called once when the stream is over, however it ended. */
  readonly onEnd: (subscription: Subscription) => void;
  /** Told of a log that could not be read; the viewer is told no more than that. */
  readonly onFault: (cause: unknown) => void;
}

const FAULT: JobError = {
  code: "stream_fault",
  message: "The stream broke inside the server. The job goes on; reconnect to follow it.",
};

const DELETED: JobError = {
  code: "job_deleted",
  message: "The job was removed, with everything known of it.",
};

/**
 * The source of a viewer's ReadableStream. Between two chunks it keeps no queue, no promise and
 * no timer: `pull` takes all that is unseen in one chunk, or says that it wants to be served.
 */
export class Subscription implements Follower, UnderlyingDefaultSource<Uint8Array> {
  readonly #options: SubscriptionOptions;
  readonly #tail: Tail;
  #cursor: Seq;
  #mergeBelow: Seq = 0;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #wants = false;
  #heartbeatDue = false;
  /** What is sent before the connection is broken off, and whether it has been. */
  #farewell: Uint8Array | "sent" | undefined;
  #over = false;

  constructor(options: SubscriptionOptions) {
    this.#options = options;
    this.#tail = options.tail;
    this.#cursor = options.cursor;
  }

  /** The body of the response. */
  stream(): ReadableStream<Uint8Array> {
    return new ReadableStream(this, { highWaterMark: 0 });
  }

  start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.#controller = controller;
    this.#tail.join(this);
    controller.enqueue(this.#options.opening);
    if (this.#atEnd()) this.#close();
  }

  pull(): Promise<void> | void {
    if (this.#over) return;
    if (this.#farewell) return this.#leave(this.#farewell);
    if (this.#heartbeatDue) {
      this.#heartbeatDue = false;
      return this.#controller?.enqueue(this.#heartbeat());
    }
    if (this.#tail.behind(this.#cursor)) return this.#page();
    if (this.#take()) return;
    this.#wants = true;
    this.#tail.want(this);
  }

  cancel(): void {
    this.#end();
  }

  /** Called by the tail when there is more, and only after `want`. */
  serve(): void {
    if (this.#over || !this.#wants) return;
    if (this.#take()) this.#wants = false;
    else this.#tail.want(this);
  }

  /** Sends a heartbeat, now or at the next pull. */
  heartbeat(): void {
    if (this.#wants) this.#send(this.#heartbeat());
    else this.#heartbeatDue = true;
  }

  /** Asks the viewer to come back after `retryMs`, then breaks the connection off. */
  sendAway(retryMs: number): void {
    this.#part(comeBackBytes(retryMs));
  }

  /** Tells the viewer of a fault of this connection, then breaks it off. */
  refuse(error: JobError): void {
    this.#part(faultBytes(this.#options.job, error));
  }

  /** Breaks the connection off at once: the viewer has not read what it was sent. */
  abort(): void {
    if (this.#over) return;
    this.#end();
    this.#controller?.error(new Error("The stream was broken off"));
  }

  fail(cause: unknown): void {
    if (this.#over) return;
    if (cause instanceof UnknownJobError) return this.refuse(DELETED);
    this.#options.onFault(cause);
    this.refuse(FAULT);
  }

  #part(farewell: Uint8Array): void {
    if (this.#over || this.#farewell) return;
    this.#farewell = farewell;
    if (this.#wants) this.#leave(farewell);
  }

  /** The abort waits for the next pull, which shows that the last chunk was taken. */
  #leave(farewell: Uint8Array | "sent"): void {
    if (farewell !== "sent") {
      this.#farewell = "sent";
      return this.#send(farewell);
    }
    setTimeout(() => this.abort(), 0);
  }

  #send(chunk: Uint8Array): void {
    this.#wants = false;
    this.#controller?.enqueue(chunk);
  }

  /** Sends what the tail has after the cursor; false when that is nothing. */
  #take(): boolean {
    const chunk = this.#tail.chunkAfter(this.#cursor, this.#options.logs);
    this.#cursor = Math.max(this.#cursor, this.#tail.last);
    if (chunk) this.#controller?.enqueue(chunk);
    if (this.#atEnd()) {
      this.#close();
      return true;
    }
    return chunk !== undefined;
  }

  /** Reads older entries from the log; one chunk, or on to the tail when nothing is wanted. */
  async #page(): Promise<void> {
    const { job, log, logs, mergeAfter } = this.#options;
    try {
      const now = await log.get(job);
      // What it is owed was removed meanwhile: coming back, it is told of the gap.
      if (now && trimmedThrough(now, logs) > this.#cursor) {
        this.sendAway(this.#options.retryMs);
        return this.pull();
      }
      if (now && now.seq - this.#cursor > mergeAfter) this.#mergeBelow = now.progressSeq;
      const page = await log.read(job, {
        after: this.#cursor,
        limit: PAGE,
        logs,
        mergeBelow: this.#mergeBelow,
      });
      if (this.#over) return;
      this.#cursor = page.through;
      const chunk = joined(page.entries.map((entry) => frameBytes(...entryFrames(job, entry))));
      if (!chunk) return this.pull();
      this.#controller?.enqueue(chunk);
      if (this.#atEnd()) this.#close();
    } catch (cause) {
      this.fail(cause);
      return this.pull();
    }
  }

  #heartbeat(): Uint8Array {
    const { clock, stallAfterMs } = this.#options;
    const silentMs = clock.now() - this.#tail.heardAtMs;
    return silentMs >= stallAfterMs && !this.#tail.ended ? STALLED_BYTES : HEARTBEAT_BYTES;
  }

  #atEnd(): boolean {
    return this.#tail.ended && this.#cursor >= this.#tail.last;
  }

  #close(): void {
    if (this.#over) return;
    this.#end();
    this.#controller?.close();
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#wants = false;
    this.#tail.leave(this);
    this.#options.onEnd(this);
  }
}
