/** One viewer of one job: a position in the log and a flag that says whether it wants more. */
import type { Follower, Tail } from "../hub/tail.ts";
import type { Clock } from "../clock.ts";
import { UnknownJobError } from "../log/log_errors.ts";
import type { JobError, LogLevel, Seq } from "../sync/entry.ts";
import type { Job } from "../sync/job.ts";
import { isTerminal } from "../sync/status.ts";
import { trimmedThrough } from "./cursor.ts";
import { DELETED, faultBytes, HEARTBEAT_BYTES, STALLED_BYTES } from "./frames.ts";
import { LiveStream } from "./live_stream.ts";
import type { ReplayPages } from "./replay_pages.ts";

/** What one viewer follows. */
export interface Followed {
  readonly job: Job;
  readonly tail: Tail;
  /** Everything after this position follows. */
  readonly cursor: Seq;
  /** Log lines of at least this level are sent; without it none. */
  readonly logs: LogLevel | undefined;
}

/** What all viewers share; one object, as there are many of them. */
export interface SubscriptionOptions {
  /** Entries that a tail no longer has. */
  readonly pages: ReplayPages;
  /** A viewer further behind than this many entries has superseded progress left out. */
  readonly mergeAfter: number;
  readonly retryMs: number;
  readonly clock: Clock;
  /** Heartbeats say that the job is stalled once nothing was appended for this long. */
  readonly stallAfterMs: number;
  /** Called once when the stream is over, however it ended. */
  readonly onEnd: (stream: LiveStream) => void;
  /** Called for a page on which superseded progress was left out. */
  readonly onMerged: () => void;
  /** Called with why the log could not be read; the viewer gets `stream_fault` and no reason. */
  readonly onFault: (cause: unknown) => void;
}

const FAULT: JobError = {
  code: "stream_fault",
  message: "The stream broke inside the server. The job goes on; reconnect to follow it.",
};

/** Reads from the job's tail; what the tail no longer has it reads page by page from the log. */
export class Subscription extends LiveStream implements Follower {
  readonly #options: SubscriptionOptions;
  readonly #tail: Tail;
  readonly #logs: LogLevel | undefined;
  #cursor: Seq;
  #mergeBelow: Seq = 0;
  /** Seq of the terminal entry, where the log had it before the tail. */
  #endSeq = Infinity;

  /** @param opening the first chunk: connected, and the snapshot if there is one */
  constructor(opening: Uint8Array, followed: Followed, options: SubscriptionOptions) {
    super(opening, options.onEnd);
    this.#options = options;
    this.#tail = followed.tail;
    this.#logs = followed.logs;
    this.#cursor = followed.cursor;
    this.#noteEnd(followed.job);
  }

  /** Called by the tail when there is more, after `want`. */
  serve(): void {
    if (this.over || !this.wants) return;
    if (this.#tail.behind(this.#cursor)) {
      // More came at once than the tail keeps.
      this.served();
      void this.#page();
    } else if (this.#take()) this.served();
    else this.#tail.want(this);
  }

  fail(cause: unknown): void {
    if (this.over) return;
    this.refuse(cause instanceof UnknownJobError ? DELETED : FAULT);
  }

  override refuse(error: JobError): void {
    this.part(faultBytes(this.#tail.job.id, error));
  }

  protected override began(): void {
    this.#tail.join(this);
  }

  protected override opened(): void {
    if (this.#atEnd()) this.close();
  }

  protected override ended(): void {
    this.#tail.leave(this);
  }

  protected override next(): Promise<void> | void {
    if (this.#tail.behind(this.#cursor)) return this.#page();
    if (this.#take()) return;
    this.want();
    this.#tail.want(this);
  }

  /** Sends the next chunk of the tail, or ends the stream; false when there is nothing for it. */
  #take(): boolean {
    const chunk = this.#tail.chunkAfter(this.#cursor, this.#logs);
    if (chunk) this.#cursor = chunk.through;
    if (chunk?.bytes) this.enqueue(chunk.bytes);
    if (this.#atEnd()) {
      this.close();
      return true;
    }
    return chunk?.bytes !== undefined;
  }

  /** Sends older entries from the log; skips pages without any for this viewer. Never rejects. */
  async #page(): Promise<void> {
    const { mergeAfter, pages } = this.#options;
    const { job } = this.#tail;
    const logs = this.#logs;
    try {
      if (this.#tail.last - this.#cursor > mergeAfter) this.#mergeBelow = this.#tail.progressSeq;
      const page = await pages.next({
        job,
        after: this.#cursor,
        logs,
        mergeBelow: this.#mergeBelow,
        over: () => this.over,
      });
      if (!page || this.over) return;
      if (page.job.epoch !== job.epoch) {
        throw new UnknownJobError(`Job "${job.id}" was removed and created again`);
      }
      // Entries that it is owed were removed meanwhile: when it comes back it is told of the gap.
      if (trimmedThrough(page.job, logs) > this.#cursor) {
        this.sendAway(this.#options.retryMs);
        return this.pull();
      }
      if (this.#mergeBelow > this.#cursor) this.#options.onMerged();
      this.#cursor = page.through;
      this.#noteEnd(page.job);
      if (!page.bytes) return this.pull();
      this.enqueue(page.bytes);
      if (this.#atEnd()) this.close();
    } catch (cause) {
      if (!this.over && !(cause instanceof UnknownJobError)) this.#options.onFault(cause);
      this.fail(cause);
      return this.pull();
    }
  }

  protected override heartbeatBytes(): Uint8Array {
    const { clock, stallAfterMs } = this.#options;
    const silentMs = clock.now() - this.#tail.heardAtMs;
    return silentMs >= stallAfterMs && !this.#tail.ended ? STALLED_BYTES : HEARTBEAT_BYTES;
  }

  #noteEnd({ status, seq }: Pick<Job, "status" | "seq">): void {
    if (isTerminal(status)) this.#endSeq = seq;
  }

  #atEnd(): boolean {
    return this.#cursor >= this.#endSeq || this.#tail.ended && this.#cursor >= this.#tail.last;
  }
}
