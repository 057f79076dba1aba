/** One channel of a feed: its messages become events of a job, and after its end of the next. */
import { backoffMs, type Clock, sleep } from "../../clock.ts";
import type { EventLog } from "../../log/event_log.ts";
import { isUnstored, JobEndedError, UnknownJobError } from "../../log/log_errors.ts";
import type { WorkerEvent } from "../../sync/event.ts";
import type { JobId, TenantId } from "../../sync/ids.ts";
import type { Job } from "../../sync/job.ts";
import { isTerminal } from "../../sync/status.ts";
import { wasGivenUp } from "../changes.ts";
import type { OutsideJobs } from "../outside_jobs.ts";
import type { FeedMessage } from "./feed_message.ts";
import { feedEvents, merged, repeatsEnd } from "./feed_totals.ts";

/** The Producer-Id under which the feed posts to a job. */
const PRODUCER = "feed";
/** How many ends may wait for the log. */
const WAITING_MAX = 1_000;
/** The first and the longest wait before storing is tried again, in milliseconds. */
const RETRY_MS = { first: 100, last: 5_000 };

export interface ChannelOptions {
  readonly outside: OutsideJobs;
  readonly log: EventLog;
  readonly clock: Clock;
  readonly tenant: TenantId;
  /** The sync's name. */
  readonly sync: string;
  readonly leaseMs: number;
  /** The key by which the channel's jobs are found again. */
  readonly key: string;
  /** The name of the jobs. */
  readonly name: string;
  /** The only job of a channel that is named by a UUID. */
  readonly id?: JobId;
  /** A job on its way, from an earlier server or from before the channel was forgotten. */
  readonly left?: JobId;
  /** Called once for each kind of error, until messages are taken again. */
  readonly onRefused: (cause: unknown) => void;
}

/**
 * Messages are stored one after another. While one is being appended the others are merged, up to
 * the next end, and what cannot be stored waits with them.
 *
 * A channel that is named by a UUID is that one job. Any other name is used again by the feed: what
 * comes after an end belongs to the next run, a new job.
 */
export class FeedChannel {
  readonly #options: ChannelOptions;
  #waiting: FeedMessage[] = [];
  #busy: Promise<void> | undefined;
  #pause: AbortController | undefined;
  #stopped = false;
  /** The channel's newest job, over or not. */
  #job: Job | undefined;
  /** Whether the job of a channel named by a UUID was removed. */
  #removed = false;
  /** Our own log lines that the job already has. */
  #noted: Set<string> = new Set();
  readonly #refused = new Set<string>();
  #heardAtMs = 0;

  constructor(options: ChannelOptions) {
    this.#options = options;
  }

  take(message: FeedMessage): void {
    const last = this.#waiting.at(-1);
    if (last && !last.end) this.#waiting[this.#waiting.length - 1] = merged(last, message);
    else if (last && this.#options.id) return; // nothing follows the end of its only job
    else this.#waiting.push(message);
    if (this.#waiting.length > WAITING_MAX) {
      this.#waiting.shift();
      this.tellRefused(new RangeError(`More than ${WAITING_MAX} ends wait to be stored`));
    }
    if (message.end) this.#pause?.abort(); // there may be room for it
    this.#busy ??= this.#drain();
  }

  /** The job on its way; undefined without one, or when the channel's name is its id. */
  get left(): JobId | undefined {
    const { id, left } = this.#options;
    if (id) return undefined;
    if (!this.#job) return left;
    return isTerminal(this.#job.status) ? undefined : this.#job.id;
  }

  /** Whether something is being stored, or waits for that. */
  get busy(): boolean {
    return this.#busy !== undefined;
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    await this.#busy;
  }

  /** Stops taking messages. Resolves, when nothing is under way, with whether all is stored. */
  async stop(): Promise<boolean> {
    this.#stopped = true;
    this.#pause?.abort();
    await this.#busy;
    return this.#waiting.length === 0;
  }

  /** Stores the waiting messages. Never rejects: behind a refused message an end may wait. */
  async #drain(): Promise<void> {
    let failures = 0;
    let taken = false;
    while (!this.#stopped) {
      const next = this.#waiting.shift();
      if (!next) break;
      try {
        taken = await this.#append(next);
        failures = 0;
      } catch (cause) {
        taken = false;
        this.tellRefused(cause);
        if (!isUnstored(cause)) continue;
        // A full disk takes an end, though not totals.
        if (this.#putBack(next) || this.#stopped) continue;
        this.#pause = new AbortController();
        await sleep(this.#options.clock, backoffMs(++failures, RETRY_MS), this.#pause.signal);
        this.#pause = undefined;
      }
    }
    if (taken) this.#refused.clear();
    this.#busy = undefined; // in the same turn, so that no message comes between
  }

  /**
   * Puts a message back in front of the others.
   *
   * @returns whether it was merged into an end, which is tried at once
   */
  #putBack(message: FeedMessage): boolean {
    const [next] = this.#waiting;
    if (message.end || !next) this.#waiting.unshift(message);
    else this.#waiting[0] = merged(message, next);
    return !message.end && next?.end !== undefined;
  }

  /** Appends a message. @returns whether there is a job that it belongs to */
  async #append(message: FeedMessage): Promise<boolean> {
    for (;;) {
      const job = await this.#jobOf(message);
      if (!job) return false;
      let events: WorkerEvent[] = [];
      try {
        this.#job = await this.#options.outside.tell(job, PRODUCER, (job, told) => {
          return events = feedEvents(message, job, told, this.#noted);
        }, { urgent: message.end !== undefined });
        for (const event of events) {
          if (event.type === "log") this.#noted.add(event.line.message);
        }
        return true;
      } catch (cause) {
        // It was ended meanwhile, by its lease or by a cancel that nobody here can pass on.
        if (cause instanceof JobEndedError) this.#job = cause.job;
        else if (cause instanceof UnknownJobError) this.#forget();
        else throw cause;
      }
    }
  }

  /** The job on its way, else one that the message begins; undefined when there is neither. */
  async #jobOf(message: FeedMessage): Promise<Job | undefined> {
    const { outside, log, tenant, sync, name, leaseMs, key, id, left } = this.#options;
    if (this.#removed) return undefined;
    if (!this.#job && left) this.#job = await log.get({ tenant, id: left });
    const job = this.#job;
    if (job && !isTerminal(job.status)) return job;
    if (job && message.end && wasGivenUp(job) && !job.lateEnd) return job; // to be its late end
    if (message.empty || (job && (id || this.#belongsTo(job, message)))) return undefined;
    const meta = id ? undefined : { channel: key };
    this.#job = (await outside.create({ tenant, id, sync, name, leaseMs, meta })).job;
    this.#noted = new Set();
    return this.#job;
  }

  /** Whether the message belongs to the job that is over, rather than to the next run. */
  #belongsTo(job: Job, message: FeedMessage): boolean {
    const nowMs = this.#options.clock.now();
    const silentMs = nowMs - Math.max(this.#heardAtMs, job.endedAtMs ?? 0);
    this.#heardAtMs = nowMs;
    if (repeatsEnd(message, job, nowMs)) return true;
    // Its worker did not hear of the cancel, and goes on.
    const goesOn = job.status === "cancelled" && wasGivenUp(job) && !job.lateEnd;
    return goesOn && silentMs < this.#options.leaseMs;
  }

  /** Notes that the job was removed. A channel that is named by a UUID begins no other. */
  #forget(): void {
    this.#job = undefined;
    this.#removed = this.#options.id !== undefined;
  }

  /** Tells why messages are not taken. */
  tellRefused(cause: unknown): void {
    const kind = cause instanceof Error ? cause.name : "";
    if (this.#refused.has(kind)) return;
    this.#refused.add(kind);
    this.#options.onRefused(cause);
  }
}
