/** All open streams of this process: opens them, beats for them, sends them away. */
import { type Clock } from "../clock.ts";
import type { Hub } from "../hub/hub.ts";
import { Tails } from "../hub/tails.ts";
import type { EventLog } from "../log/event_log.ts";
import type { LogEntry, LogLevel } from "../sync/entry.ts";
import type { JobKey } from "../sync/ids.ts";
import type { Job } from "../sync/job.ts";
import { openAt } from "./cursor.ts";
import { comeBackBytes, entryEncoder, openingBytes } from "./frames.ts";
import { HeartbeatWheel } from "./heartbeat_wheel.ts";
import { JobFeed } from "./job_feed.ts";
import { JobsStream, type JobsWish } from "./jobs_stream.ts";
import { type LiveStream, PARTING_MS } from "./live_stream.ts";
import { type Right, Rights } from "./rights.ts";
import { Subscription } from "./subscription.ts";

export interface ViewersOptions {
  readonly log: EventLog;
  readonly hub: Hub;
  readonly clock: Clock;
  readonly heartbeatMs: number;
  /** What clients are told to wait before they reconnect. */
  readonly retryMs: number;
  readonly mergeAfter: number;
  /** A job whose source says nothing for so long is told to be stalled. */
  readonly stallAfterMs: number;
  /** Told when a stream broke inside the server. */
  readonly onFault: (cause: unknown) => void;
}

/** What a viewer asks for. */
export interface Wish {
  /** The Last-Event-ID as sent; undefined for none. */
  readonly cursor: string | undefined;
  readonly logs: LogLevel | undefined;
  /** Without a cursor so many of the last log lines come first. */
  readonly tail?: number;
  /** What it was opened with; without one it is never asked about. */
  readonly right?: Right;
}

export class Viewers {
  readonly #options: ViewersOptions;
  readonly #tails: Tails;
  readonly #wheel: HeartbeatWheel;
  readonly #feed: JobFeed;
  readonly #rights: Rights;
  readonly #open = new Map<LiveStream, () => void>();
  #draining = false;

  constructor(options: ViewersOptions) {
    this.#options = options;
    this.#tails = new Tails(options.log, options.hub, entryEncoder);
    this.#wheel = new HeartbeatWheel(options.clock, options.heartbeatMs);
    this.#feed = new JobFeed(options);
    this.#rights = new Rights(options.clock, options.onFault);
  }

  /** Opens a stream of the job's frames; undefined when the cursor stands at its end (204). */
  async subscribe(job: Job, wish: Wish): Promise<ReadableStream<Uint8Array> | undefined> {
    const opening = openAt(job, wish.cursor, wish.logs);
    if (opening.kind === "over") return undefined;
    if (this.#draining) return once(comeBackBytes(this.#jittered()));
    const gap = opening.resume === "gap";
    const firstSeq = gap && job.seq > 0 ? await this.#options.log.firstSeq(job) : undefined;
    const { log, clock, retryMs, mergeAfter, stallAfterMs, onFault } = this.#options;
    const lines = opening.snapshot ? await this.#lastLines(job, wish) : [];
    const subscription = new Subscription({
      job,
      log,
      tail: this.#tails.of(job),
      opening: openingBytes(job, { ...opening, requested: wish.cursor, firstSeq, lines, retryMs }),
      cursor: opening.cursor,
      logs: wish.logs,
      mergeAfter,
      retryMs,
      clock,
      stallAfterMs,
      onFault,
      onEnd: (ended) => this.#forget(ended),
    });
    return this.#opened(subscription, wish.right);
  }

  /** Opens a stream of many jobs: each that matches as it stands, then whatever changes. */
  subscribeToJobs(wish: JobsWish): ReadableStream<Uint8Array> {
    if (this.#draining) return once(comeBackBytes(this.#jittered()));
    const { log, retryMs, onFault } = this.#options;
    const stream = new JobsStream({
      wish,
      log,
      feed: this.#feed,
      retryMs,
      onFault,
      onEnd: (ended) => this.#forget(ended),
    });
    return this.#opened(stream, wish.right);
  }

  #opened(stream: LiveStream, right: Right | undefined): ReadableStream<Uint8Array> {
    const leaveWheel = this.#wheel.add(stream);
    const letGo = right && this.#rights.hold(stream, right);
    this.#open.set(stream, () => {
      leaveWheel();
      letGo?.();
    });
    return stream.stream();
  }

  /** The last log lines that the viewer asks for, up to the job's present end. */
  async #lastLines(job: Job, { logs, tail = 0 }: Wish): Promise<LogEntry[]> {
    const lines: LogEntry[] = [];
    if (logs === undefined || tail === 0) return lines;
    const { log } = this.#options;
    let after = await log.beforeLastLogs(job, logs, tail);
    for (let more = true; more;) {
      const page = await log.read(job, { after, limit: tail, logs, only: "logs" });
      for (const entry of page.entries) {
        if (entry.kind === "log" && entry.seq <= job.seq) lines.push(entry);
      }
      after = page.through;
      more = page.more && after < job.seq;
    }
    return lines.slice(-tail);
  }

  /** How many watch the job. */
  of(key: JobKey): number {
    return this.#tails.viewers(key);
  }

  /** How many streams are open. */
  get size(): number {
    return this.#open.size;
  }

  /**
   * Asks every viewer to come back and breaks its connection off once it has read that; whoever
   * has not by `graceMs` is broken off unread. Resolves when no stream is open.
   */
  async drain(graceMs: number): Promise<void> {
    this.#draining = true;
    const gone = new Promise<void>((resolve) => this.#onEmpty = resolve);
    for (const stream of [...this.#open.keys()]) stream.sendAway(this.#jittered());
    if (this.#open.size === 0) return;
    const callOff = this.#options.clock.after(graceMs, () => {
      for (const stream of [...this.#open.keys()]) stream.abort();
    });
    await gone;
    callOff();
  }

  #onEmpty: () => void = () => {};

  #forget(stream: LiveStream): void {
    this.#open.get(stream)?.();
    this.#open.delete(stream);
    if (this.#open.size === 0) this.#onEmpty();
  }

  /** From one to two times retryMs, so that those who are sent away together come back apart. */
  #jittered(): number {
    return Math.round(this.#options.retryMs * (1 + Math.random()));
  }
}

/** One chunk, and then the connection breaks off. */
function once(chunk: Uint8Array): ReadableStream<Uint8Array> {
  let sent = false;
  return new ReadableStream({
    pull(controller) {
      if (!sent) {
        sent = true;
        controller.enqueue(chunk);
      } else setTimeout(() => controller.error(new Error("The server is stopping")), PARTING_MS);
    },
  }, { highWaterMark: 0 });
}
