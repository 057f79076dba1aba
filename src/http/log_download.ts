/** A job's log as the body of an answer, read from the store as the client takes it. */
import { turn } from "../event_loop.ts";
import type { EventLog, Page, ReadQuery } from "../log/event_log.ts";
import { UnknownJobError } from "../log/log_errors.ts";
import type { Reading, WriteDeadline } from "../stream/write_deadline.ts";
import type { Entry, Seq } from "../sync/entry.ts";
import type { Job } from "../sync/job.ts";

/** Entries read at a time. */
const PAGE = 200;

/** Which part of which log, and in what form. */
export interface LogDownloadOptions {
  readonly log: EventLog;
  readonly job: Job;
  readonly query: Omit<ReadQuery, "limit">;
  /** The last entry that is wanted. */
  readonly through: Seq;
  /** Most lines; all when left out. */
  readonly limit?: number;
  readonly lineOf: (entry: Entry) => string;
  /** Cuts off clients that do not read. */
  readonly deadline: WriteDeadline;
  /** Whether the client's right to the log has ended. */
  readonly lapsed: () => boolean;
  /** Called with why the log could not be read; the client gets no reason. */
  readonly onFault: (cause: unknown) => void;
}

/**
 * One line an entry. Breaks off when the right to it ends, and when the job is removed: a job
 * created again under the id has other lines.
 */
export class LogDownload implements UnderlyingDefaultSource<Uint8Array>, Reading {
  readonly #options: LogDownloadOptions;
  readonly #utf8 = new TextEncoder();
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #after: Seq;
  #left: number;
  #pulled = false;

  constructor(options: LogDownloadOptions) {
    this.#options = options;
    this.#after = options.query.after;
    this.#left = options.limit ?? Infinity;
  }

  /** The body. */
  stream(): ReadableStream<Uint8Array> {
    return new ReadableStream(this, { highWaterMark: 0 });
  }

  start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.#controller = controller;
    this.#options.deadline.watch(this);
  }

  async pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    this.#pulled = true;
    const { through, lineOf } = this.#options;
    while (this.#left > 0) {
      // Bun pulls again at once while the client keeps up: nobody else would come to work meanwhile.
      if (this.#after > this.#options.query.after) await turn();
      const page = await this.#page();
      if (!page) return this.abort();
      const entries = page.entries.filter(({ seq }) => seq <= through);
      this.#after = page.through;
      this.#left -= entries.length;
      if (entries.length > 0) {
        const text = entries.map((entry) => `${lineOf(entry)}\n`).join("");
        controller.enqueue(this.#utf8.encode(text));
      }
      if (!page.more || page.through >= through) break;
      if (entries.length > 0) return;
    }
    this.#end();
    controller.close();
  }

  cancel(): void {
    this.#end();
  }

  moved(): boolean {
    const moved = this.#pulled;
    this.#pulled = false;
    return moved;
  }

  abort(): void {
    this.#end();
    this.#controller?.error(); // without a reason, as Bun prints any
  }

  /** The next page; undefined where there is none to be had. */
  async #page(): Promise<Page | undefined> {
    const { log, job, query, lapsed, onFault } = this.#options;
    try {
      if (lapsed()) return undefined;
      const limit = Math.min(PAGE, this.#left);
      const page = await log.read(job, { ...query, after: this.#after, limit });
      return page.job.epoch === job.epoch ? page : undefined;
    } catch (cause) {
      if (!(cause instanceof UnknownJobError)) onFault(cause);
      return undefined;
    }
  }

  #end(): void {
    this.#options.deadline.forget(this);
  }
}
