/** The jobs that have changed lately, for all viewers of many jobs. */
import type { Clock } from "../clock.ts";
import { FanOut, type Served } from "../hub/fan_out.ts";
import type { Hub } from "../hub/hub.ts";
import { joined } from "../hub/ring.ts";
import type { EventLog } from "../log/event_log.ts";
import { frameBytes } from "../sse/sse_encoder_stream.ts";
import { type JobKey, type JobKeyText, keyText, type TenantId } from "../sync/ids.ts";
import type { Job } from "../sync/job.ts";
import { DELETED, faultBytes } from "./frames.ts";
import { listedText } from "./payloads.ts";

/** A job that changes often is told of once in this many milliseconds. */
export const FEED_MS = 250;
/** Changes kept; a viewer that is further behind starts anew with a snapshot. */
export const CHANGES_MAX = 10_000;

/** A job as it was at its last change. */
export interface Change {
  readonly key: JobKey;
  /** Undefined when it was removed. */
  readonly job: Job | undefined;
  /** Its frame, the same for everybody. */
  readonly bytes: Uint8Array;
}

/** A tenant's changes after some number; viewers that have seen as much get the same object. */
export interface News {
  readonly changes: readonly Change[];
  /** All of them in one chunk; made when the first viewer takes them all. */
  chunk(): Uint8Array | undefined;
}

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
  #before = 0;
  readonly #numbers = new Map<JobKeyText, number>();
  readonly #news = new Map<string, News>();
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

  /** The tenant's changes after that number; undefined when they are not all kept any more. */
  after(number: number, tenant: TenantId): News | undefined {
    if (number < this.#before) return undefined;
    const place = `${number} ${tenant}`;
    let news = this.#news.get(place);
    if (!news) {
      const changes = this.#changes.slice(number - this.#before)
        .filter((change) => change !== undefined && change.key.tenant === tenant);
      this.#news.set(place, news = newsOf(changes as Change[])); // as filtered
    }
    return news;
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
    const looking = this.#dirty;
    this.#looking = looking;
    this.#dirty = new Map();
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
    if (fault !== undefined) this.#options.onFault(fault);
    this.#looking = new Map();
    this.#callOff = undefined;
    this.#news.clear();
    this.#fanOut.serve({ frames: 0, bytes: 0 });
    if (this.#dirty.size > 0) this.#arm();
  }

  #tell(text: JobKeyText, key: JobKey, job: Job | undefined): void {
    const earlier = this.#numbers.get(text);
    if (earlier !== undefined) {
      const place = earlier - this.#before - 1;
      // An earlier look may have seen the change already that this wake-up is for.
      if (isSame(this.#changes[place]?.job, job)) return;
      this.#changes[place] = undefined;
    }
    this.#news.clear();
    this.#changes.push({ key, job, bytes: job ? listedBytes(job) : faultBytes(key.id, DELETED) });
    this.#numbers.set(text, this.last);
    if (this.#changes.length < 2 * CHANGES_MAX) return;
    for (const change of this.#changes.splice(0, CHANGES_MAX)) {
      if (change) this.#numbers.delete(keyText(change.key));
    }
    this.#before += CHANGES_MAX;
  }
}

function isSame(a: Job | undefined, b: Job | undefined): boolean {
  return a?.epoch === b?.epoch && a?.seq === b?.seq;
}

function newsOf(changes: readonly Change[]): News {
  let made: Uint8Array | undefined;
  return { changes, chunk: () => made ??= joined(changes.map(({ bytes }) => bytes)) };
}

/** The frame of a job on a stream of many; without an id, because it is no position. */
export function listedBytes(job: Job): Uint8Array {
  return frameBytes({ data: listedText(job) });
}
