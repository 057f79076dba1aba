/** Which jobs have changed lately, for all who watch many jobs at once. */
import type { Clock } from "../clock.ts";
import type { Hub } from "../hub/hub.ts";
import type { EventLog } from "../log/event_log.ts";
import { frameBytes } from "../sse/sse_encoder_stream.ts";
import { type JobKey, type JobKeyText, keyText } from "../sync/ids.ts";
import type { Job } from "../sync/job.ts";
import { faultBytes } from "./frames.ts";
import { listedPayload } from "./payloads.ts";
import { spacedJson } from "./spaced_json.ts";

/** A job that changes often is told of once in so many milliseconds. */
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

export interface JobFeedOptions {
  readonly log: EventLog;
  readonly hub: Hub;
  readonly clock: Clock;
  readonly onFault: (cause: unknown) => void;
}

/**
 * Numbers the changes of all jobs and keeps the newest ones, each job's last one only. Works while
 * somebody watches; viewers hold the number up to which they have seen.
 */
export class JobFeed {
  readonly #options: JobFeedOptions;
  readonly #watchers = new Set<() => void>();
  #dirty = new Map<JobKeyText, JobKey>();
  /** The change of number n is at n - #before - 1; undefined once the job has changed again. */
  #changes: (Change | undefined)[] = [];
  #before = 0;
  readonly #numbers = new Map<JobKeyText, number>();
  #callOff: (() => void) | undefined;
  #stop: (() => void) | undefined;

  constructor(options: JobFeedOptions) {
    this.#options = options;
  }

  /** Number of the newest change. */
  get last(): number {
    return this.#before + this.#changes.length;
  }

  /** Calls `onChange` after changes until the answer is called. */
  watch(onChange: () => void): () => void {
    this.#watchers.add(onChange);
    this.#stop ??= this.#options.hub.listenToAll((key) => this.#mark(key));
    return () => {
      if (!this.#watchers.delete(onChange) || this.#watchers.size > 0) return;
      this.#stop?.();
      this.#stop = undefined;
      this.#callOff?.();
      this.#callOff = undefined;
      this.#before = this.last;
      this.#changes = [];
      this.#numbers.clear();
      this.#dirty.clear();
    };
  }

  /** The changes after that number; undefined when they are not all kept any more. */
  after(number: number): readonly Change[] | undefined {
    if (number < this.#before) return undefined;
    return this.#changes.slice(number - this.#before).filter((change) => change !== undefined);
  }

  /** Whether a change of the job is still to be told to somebody. */
  knows(key: JobKey): boolean {
    const text = keyText(key);
    return this.#numbers.has(text) || this.#dirty.has(text);
  }

  #mark(key: JobKey): void {
    this.#dirty.set(keyText(key), key);
    this.#callOff ??= this.#options.clock.after(FEED_MS, () => void this.#flush());
  }

  async #flush(): Promise<void> {
    const dirty = this.#dirty;
    this.#dirty = new Map();
    try {
      for (const [text, key] of dirty) {
        const job = await this.#options.log.get(key);
        if (!this.#stop) return; // everybody has left meanwhile
        this.#tell(text, key, job);
      }
    } catch (cause) {
      this.#options.onFault(cause);
      for (const [text, key] of dirty) this.#dirty.set(text, key); // they are looked at again
    }
    this.#callOff = undefined;
    for (const onChange of [...this.#watchers]) onChange();
    if (this.#dirty.size > 0) {
      this.#callOff = this.#options.clock.after(FEED_MS, () => void this.#flush());
    }
  }

  #tell(text: JobKeyText, key: JobKey, job: Job | undefined): void {
    const earlier = this.#numbers.get(text);
    if (earlier !== undefined) this.#changes[earlier - this.#before - 1] = undefined;
    this.#changes.push({ key, job, bytes: job ? listedBytes(job) : faultBytes(key.id, REMOVED) });
    this.#numbers.set(text, this.last);
    if (this.#changes.length < 2 * CHANGES_MAX) return;
    for (const change of this.#changes.splice(0, CHANGES_MAX)) {
      if (change) this.#numbers.delete(keyText(change.key));
    }
    this.#before += CHANGES_MAX;
  }
}

/** The frame of a job on a stream of many; without an id, because it is no position. */
export function listedBytes(job: Job): Uint8Array {
  return frameBytes({ data: spacedJson(listedPayload(job)) });
}

const REMOVED = {
  code: "job_deleted",
  message: "The job was removed, with everything known of it.",
};
