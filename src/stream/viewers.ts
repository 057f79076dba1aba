/** All open streams of this process: opens them, beats for them, sends them away. */
import type { Clock } from "../clock.ts";
import type { Hub } from "../hub/hub.ts";
import { Tails } from "../hub/tails.ts";
import type { EventLog } from "../log/event_log.ts";
import type { LogLevel } from "../sync/entry.ts";
import type { JobKey } from "../sync/ids.ts";
import type { Job } from "../sync/job.ts";
import {
  Admission,
  type Applicant,
  type Limit,
  NO_LIMITS,
  type ViewerLimits,
} from "./admission.ts";
import { type Beginning, openAt } from "./cursor.ts";
import { entryEncoder, openingBytes } from "./frames.ts";
import { HeartbeatWheel } from "./heartbeat_wheel.ts";
import { JobFeed } from "./job_feed.ts";
import { JobPages, type JobsWish } from "./job_pages.ts";
import { JobsStream } from "./jobs_stream.ts";
import { lastLines } from "./last_lines.ts";
import type { LiveStream } from "./live_stream.ts";
import { ReplayPages } from "./replay_pages.ts";
import { type Right, Rights } from "./rights.ts";
import { sendAway, turnedAway } from "./send_away.ts";
import { Subscription, type SubscriptionOptions } from "./subscription.ts";
import { WriteDeadline } from "./write_deadline.ts";

export interface ViewersOptions {
  readonly log: EventLog;
  readonly hub: Hub;
  readonly clock: Clock;
  readonly heartbeatMs: number;
  /** How long clients are told to wait before they reconnect, in milliseconds. */
  readonly retryMs: number;
  readonly mergeAfter: number;
  /** Heartbeats call a job stalled once nothing was appended to it for this long. */
  readonly stallAfterMs: number;
  /** A viewer that reads nothing for this long is cut off; 0 or left out for no limit. */
  readonly writeTimeoutMs?: number;
  readonly limits?: ViewerLimits;
  /** Called when a stream broke inside the server. */
  readonly onFault: (cause: unknown) => void;
  /** Called with how old an entry was when its frames were handed to the viewers. */
  readonly onServed?: (lagMs: number) => void;
  /** Called with how late some heartbeats were. */
  readonly onHeartbeats?: (lateMs: number) => void;
}

/** What a viewer asks for. */
export interface Wish {
  /** The Last-Event-ID as sent; undefined for none. */
  readonly cursor: string | undefined;
  readonly logs: LogLevel | undefined;
  /** How many of the last log lines come before a snapshot; none when left out. */
  readonly tail?: number;
  /** The right that it is opened with; without one the stream is never refused for it. */
  readonly right?: Right;
}

/** Totals since the start. */
export interface ViewerTotals {
  /** Streams opened, by the `resume` of `connected`; streams of many jobs are `jobs`. */
  readonly opened: Readonly<Record<string, number>>;
  /** Viewers cut off because they did not read. */
  readonly cut: number;
  /** Viewers there was no place for, by the limit that was reached. */
  readonly refused: Readonly<Record<string, number>>;
  /** Reads of the log in which superseded progress was left out for a viewer far behind. */
  readonly merged: number;
}

/** What an open stream has to give back. No closures: there are many of them. */
interface Place extends Applicant {
  /** Its slot on the heartbeat wheel. */
  readonly slot: number;
  /** Name of the right that it was opened with. */
  readonly right: string | undefined;
}

/** Opens streams while there are places, until `closeDoors` or `drain`. */
export class Viewers {
  readonly #options: ViewersOptions;
  readonly #tails: Tails;
  readonly #pages: ReplayPages;
  readonly #wheel: HeartbeatWheel;
  readonly #feed: JobFeed;
  readonly #jobPages: JobPages;
  readonly #rights: Rights;
  readonly #deadline: WriteDeadline;
  readonly #admission: Admission;
  readonly #subscriptions: SubscriptionOptions;
  readonly #open = new Map<LiveStream, Place>();
  readonly #opened: Record<string, number> = {};
  /** All from 0: Prometheus sees no increase in a total that appears with its first count. */
  readonly #refused: Record<Limit, number> = { all: 0, tenant: 0, job: 0, key: 0 };
  #merged = 0;
  #draining = false;
  #onEmpty: () => void = () => {};

  constructor(options: ViewersOptions) {
    const { log, clock, onServed } = options;
    this.#options = options;
    this.#tails = new Tails({
      ...options,
      encoderOf: entryEncoder,
      onServed: onServed && ((atMs) => onServed(clock.now() - atMs)),
    });
    this.#pages = new ReplayPages(log);
    this.#wheel = new HeartbeatWheel(clock, options.heartbeatMs, Math.random, options.onHeartbeats);
    this.#feed = new JobFeed(options);
    this.#jobPages = new JobPages(log);
    this.#rights = new Rights(clock, options.onFault);
    this.#deadline = new WriteDeadline(clock, options.writeTimeoutMs ?? 0);
    this.#admission = new Admission(options.limits ?? NO_LIMITS);
    this.#subscriptions = {
      ...options,
      pages: this.#pages,
      onMerged: () => this.#merged++,
      onEnd: (ended) => this.#forget(ended),
    };
  }

  /**
   * Opens a stream of the job's frames; undefined when the cursor stands at the job's end (204).
   * Where there is no place, the stream only asks the viewer to come back.
   */
  async subscribe(job: Job, wish: Wish): Promise<ReadableStream<Uint8Array> | undefined> {
    const opening = openAt(job, wish.cursor, wish.logs);
    if (opening.kind === "over") return undefined;
    const applicant = { tenant: job.tenant, job, key: wish.right?.holder };
    if (!this.#admit(applicant)) return this.turnAway();
    const bytes = await this.#openingBytes(job, wish, opening).catch((cause) => {
      this.#admission.leave(applicant);
      throw cause;
    });
    const tail = this.#tails.of(job);
    const followed = { job, tail, cursor: opening.cursor, logs: wish.logs };
    const subscription = new Subscription(bytes, followed, this.#subscriptions);
    return this.#begun(subscription, wish.right, { ...applicant, job: tail.job }, opening.resume);
  }

  async #openingBytes(job: Job, wish: Wish, opening: Beginning): Promise<Uint8Array> {
    const { log, retryMs } = this.#options;
    const gap = opening.resume === "gap";
    const firstSeq = gap && job.seq > 0 ? await log.firstSeq(job) : undefined;
    const { logs, tail = 0 } = wish;
    const lines = opening.snapshot && logs !== undefined && tail > 0
      ? await lastLines(log, job, logs, tail)
      : [];
    return openingBytes(job, {
      ...opening,
      requested: wish.cursor,
      firstSeq,
      lines,
      retryMs,
    });
  }

  /** Opens a stream of many jobs: each that matches as it stands, then whatever changes. */
  subscribeToJobs(wish: JobsWish): ReadableStream<Uint8Array> {
    const applicant = { tenant: wish.tenant, job: undefined, key: wish.right?.holder };
    if (!this.#admit(applicant)) return this.turnAway();
    const { retryMs, onFault } = this.#options;
    const stream = new JobsStream({
      wish,
      pages: this.#jobPages,
      feed: this.#feed,
      retryMs,
      onFault,
      onEnd: (ended) => this.#forget(ended),
    });
    return this.#begun(stream, wish.right, applicant, "jobs");
  }

  /** A stream that asks its viewer to come back, and breaks off. */
  turnAway(): ReadableStream<Uint8Array> {
    return turnedAway(this.#options.retryMs, this.#open.size);
  }

  #admit(applicant: Applicant): boolean {
    if (this.#draining) return false;
    const limit = this.#admission.admit(applicant);
    if (limit === undefined) return true;
    this.#refused[limit]++;
    return false;
  }

  #begun(
    stream: LiveStream,
    right: Right | undefined,
    applicant: Applicant,
    how: string,
  ): ReadableStream<Uint8Array> {
    const { tenant, job, key } = applicant;
    const slot = this.#wheel.add(stream);
    this.#open.set(stream, {
      tenant,
      job,
      key,
      slot,
      right: right && this.#rights.hold(stream, right),
    });
    this.#deadline.watch(stream);
    this.#opened[how] = (this.#opened[how] ?? 0) + 1;
    return stream.stream();
  }

  /** How many viewers follow the job. */
  of(key: JobKey): number {
    return this.#tails.viewers(key);
  }

  /** How many streams are open. */
  get size(): number {
    return this.#open.size;
  }

  /** How many jobs are followed. */
  get followed(): number {
    return this.#tails.size;
  }

  /** Whether viewers are no longer let in. */
  get draining(): boolean {
    return this.#draining;
  }

  get totals(): ViewerTotals {
    const { cut } = this.#deadline;
    return { opened: this.#opened, cut, refused: this.#refused, merged: this.#merged };
  }

  /** As in WriteDeadline. */
  get quietMs(): number {
    return this.#deadline.quietMs;
  }

  /** From now on new viewers are asked to come back; open streams go on. */
  closeDoors(): void {
    this.#draining = true;
  }

  /**
   * Shows every viewer of a job what there is for it. Then asks those that are left to come back,
   * some at a time, and breaks their connections off once they have read that, or after `graceMs`.
   * Resolves when no stream is open.
   */
  async drain(graceMs: number): Promise<void> {
    this.closeDoors();
    if (this.#open.size === 0) return;
    const { clock, retryMs } = this.#options;
    const gone = new Promise<void>((resolve) => this.#onEmpty = resolve);
    const over = new AbortController();
    const callOff = clock.after(graceMs, () => {
      over.abort();
      for (const stream of [...this.#open.keys()]) stream.abort();
    });
    await Promise.race([this.#tails.hurry(), gone]); // not a log that does not answer
    await sendAway([...this.#open.keys()], retryMs, clock, over.signal);
    if (this.#open.size > 0) await gone;
    callOff();
  }

  #forget(stream: LiveStream): void {
    const place = this.#open.get(stream);
    if (!place) return;
    this.#open.delete(stream);
    this.#admission.leave(place);
    this.#wheel.remove(stream, place.slot);
    this.#deadline.forget(stream);
    if (place.right !== undefined) this.#rights.release(stream, place.right);
    if (this.#open.size === 0) this.#onEmpty();
  }
}
