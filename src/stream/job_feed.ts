/** The jobs that have changed lately, for all viewers of many jobs. */
import type { Clock } from "../clock.ts";
import { FanOut, type Served } from "../hub/fan_out.ts";
import type { Hub } from "../hub/hub.ts";
import type { EventLog } from "../log/event_log.ts";
import { type JobKey, type JobKeyText, keyText } from "../sync/ids.ts";
import type { Job } from "../sync/job.ts";
import { DELETED, faultBytes, listedBytes } from "./frames.ts";
import {
  type Change,
  type ChangedJob,
  type JobsFilter,
  type News,
  newsOf,
  NO_NEWS,
} from "./job_news.ts";

/** A job that changes often is told of once in this many milliseconds. */
export const FEED_MS = 250;
/** Changes kept; a viewer that is further behind starts anew with a snapshot. */
export const CHANGES_MAX = 10_000;
/** Bytes of their frames above which fewer are kept: a frame may have 200 KB. */
export const CHANGES_BYTES_MAX = 64 * 1024 * 1024;
/** Most filters' news that are kept for other viewers; what was asked for longest ago goes first. */
const NEWS_MAX = 256;

export interface JobFeedOptions {
  readonly log: EventLog;
  readonly hub: Hub;
  readonly clock: Clock;
  readonly onFault: (cause: unknown) => void;
}

/**
 * Numbers the changes of all jobs and keeps the newest ones, of each job only the last. Works while
 * somebody watches; a viewer keeps the number of the last change that it has seen.
 */
export class JobFeed {
  readonly #options: JobFeedOptions;
  readonly #watchers = new Set<Served>();
  readonly #fanOut: FanOut<Served>;
  #dirty = new Map<JobKeyText, JobKey>();
  /** Jobs that are being looked up. */
  #looking: ReadonlyMap<JobKeyText, JobKey> = new Map();
  /** The change of number n is at n - #before - 1; undefined once the job has changed again. */
  #changes: (Change | undefined)[] = [];
  #bytes = 0;
  #before = 0;
  readonly #numbers = new Map<JobKeyText, number>();
  /** The one that was asked for last comes last. */
  readonly #news = new Map<string, News>();
  /** Looks that were begun, and the last one of them that left no job over. */
  #looks = 0;
  #whole = 0;
  #callOff: (() => void) | undefined;
  #stop: (() => void) | undefined;

  constructor(options: JobFeedOptions) {
    this.#options = options;
    this.#fanOut = new FanOut({ onFault: options.onFault, clock: options.clock });
  }

  /** Number of the newest change. */
  get last(): number {
    return this.#before + this.#changes.length;
  }

  /** Works for the watcher until the returned function is called. */
  watch(watcher: Served): () => void {
    this.#watchers.add(watcher);
    this.#stop ??= this.#options.hub.listenToAll((key) => this.#mark(key));
    return () => {
      this.#fanOut.forget(watcher);
      if (!this.#watchers.delete(watcher) || this.#watchers.size > 0) return;
      this.#stop?.();
      this.#stop = undefined;
      this.#callOff?.();
      this.#callOff = undefined;
      this.#before = this.last;
      this.#changes = [];
      this.#bytes = 0;
      this.#numbers.clear();
      this.#news.clear();
      this.#dirty = new Map();
      this.#looking = new Map();
    };
  }

  /** Serves the watcher after the next changes. */
  wait(watcher: Served): void {
    this.#fanOut.wait(watcher);
  }

  /** The filter's changes after that number; undefined when they are not all kept any more. */
  after(number: number, filter: JobsFilter): News | undefined {
    if (number < this.#before) return undefined;
    if (number === this.last) return NO_NEWS;
    const place = `${number} ${filter.tenant} ${filter.name}`;
    let news = this.#news.get(place);
    if (news) this.#news.delete(place);
    else news = newsOf(this.#changes.slice(number - this.#before), number, filter);
    this.#news.set(place, news);
    const [oldest] = this.#news.keys();
    if (this.#news.size > NEWS_MAX) this.#news.delete(oldest);
    return news;
  }

  /** How many looks at what has changed were begun. */
  get looks(): number {
    return this.#looks;
  }

  /** Whether what had changed when so many looks were begun has been numbered. */
  hasTold(looks: number): boolean {
    return this.#whole > looks;
  }

  /** Whether viewers that have seen up to that number are still to be told of the job. */
  owes(key: JobKey, number: number): boolean {
    const text = keyText(key);
    return (this.#numbers.get(text) ?? 0) > number || this.#dirty.has(text) ||
      this.#looking.has(text);
  }

  #mark(key: JobKey): void {
    this.#dirty.set(keyText(key), key);
    this.#arm();
  }

  #arm(): void {
    this.#callOff ??= this.#options.clock.after(FEED_MS, () => void this.#flush());
  }

  async #flush(): Promise<void> {
    const begun = this.#stop;
    const look = ++this.#looks;
    const looking = this.#dirty;
    this.#looking = looking;
    this.#dirty = new Map();
    this.#makeRoom();
    let fault: unknown;
    for (const [text, key] of looking) {
      try {
        const job = await this.#options.log.get(key);
        if (this.#stop !== begun) return; // everybody has left meanwhile
        this.#tell(text, key, job);
      } catch (cause) {
        if (this.#stop !== begun) return;
        fault = cause;
        this.#dirty.set(text, key); // it is looked at again
      }
    }
    if (fault === undefined) this.#whole = look;
    else this.#options.onFault(fault);
    this.#looking = new Map();
    this.#callOff = undefined;
    this.#news.clear();
    this.#fanOut.serve({ frames: 0, bytes: 0 });
    if (this.#dirty.size > 0) this.#arm();
  }

  #tell(text: JobKeyText, key: JobKey, job: Job | undefined): void {
    const number = this.#numbers.get(text);
    let before: Change["before"];
    if (number !== undefined) {
      const place = number - this.#before - 1;
      const { job: was, bytes: shown } = this.#changes[place] ?? {};
      // An earlier look may have seen the change already that this wake-up is for.
      if (isSame(was, job)) return;
      if (was) before = { number, epoch: was.epoch, status: was.status };
      this.#changes[place] = undefined;
      this.#bytes -= shown?.length ?? 0;
    }
    this.#news.clear();
    const bytes = job ? listedBytes(job) : faultBytes(key.id, DELETED);
    this.#changes.push({ key, job: job && changedJob(job), bytes, before });
    this.#bytes += bytes.length;
    this.#numbers.set(text, this.last);
    if (this.#changes.length === 2 * CHANGES_MAX) this.#drop(CHANGES_MAX);
  }

  /** Before a look, as all that one look finds is kept: nobody is told of it before its end. */
  #makeRoom(): void {
    let bytes = this.#bytes;
    let count = 0;
    while (bytes > CHANGES_BYTES_MAX) bytes -= this.#changes[count++]?.bytes.length ?? 0;
    this.#drop(count);
  }

  /** Keeps the oldest changes no longer. */
  #drop(count: number): void {
    for (const change of this.#changes.splice(0, count)) {
      if (!change) continue;
      this.#numbers.delete(keyText(change.key));
      this.#bytes -= change.bytes.length;
    }
    this.#before += count;
  }
}

function changedJob({ tenant, id, epoch, seq, status, sync, tags }: Job): ChangedJob {
  return { tenant, id, epoch, seq, status, sync, tags };
}

function isSame(a: ChangedJob | undefined, b: ChangedJob | undefined): boolean {
  return a?.epoch === b?.epoch && a?.seq === b?.seq;
}
