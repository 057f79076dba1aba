/** One channel of a feed: its messages become the events of a job, and then of the next one. */
import { JobEndedError } from "../log/event_log.ts";
import type { WorkerEvent } from "../sync/event.ts";
import { deriveSyncId, type JobId, parseJobId, type TenantId } from "../sync/ids.ts";
import type { Job } from "../sync/job.ts";
import type { Counters } from "../sync/producer.ts";
import { isTerminal } from "../sync/status.ts";
import type { FeedMessage } from "./feed_message.ts";
import type { OutsideJobs } from "./outside_jobs.ts";
import { ENTITY_COUNTS } from "../sync/progress.ts";

const STAMP = { id: "feed", epoch: 0, number: undefined };

export interface ChannelOptions {
  readonly outside: OutsideJobs;
  readonly tenant: TenantId;
  /** The sync's name. */
  readonly sync: string;
  readonly leaseMs: number;
  /** What the pattern's `*` stands for in the channel. */
  readonly name: string;
  readonly onFault: (cause: unknown) => void;
}

/**
 * Messages are taken one after another. While one is being appended only the newest of the others
 * waits, and every end: totals that a later message repeats are nothing lost.
 *
 * A channel that is named by a UUID is that job and no other. Any other name is used again by the
 * feed: what comes after an end is the next run, a job of its own.
 */
export class FeedChannel {
  readonly #options: ChannelOptions;
  readonly #fixed: JobId | undefined;
  #waiting: FeedMessage[] = [];
  #busy: Promise<void> | undefined;
  #job: Job | undefined;
  #run = 1;
  #toldBack = false;

  constructor(options: ChannelOptions) {
    this.#options = options;
    this.#fixed = parseJobId(options.name);
  }

  take(message: FeedMessage): void {
    const last = this.#waiting.at(-1);
    if (last && !last.end) this.#waiting.pop();
    this.#waiting.push(message);
    this.#busy ??= this.#drain().finally(() => {
      this.#busy = undefined;
    });
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    await this.#busy;
  }

  /** Never rejects: what waits behind a message that is refused may be an end, which is not. */
  async #drain(): Promise<void> {
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
      await this.#append(next).catch(this.#options.onFault);
    }
  }

  async #append(message: FeedMessage): Promise<void> {
    const job = await this.#current();
    if (!job) return; // the job of this UUID is over
    const { counters, back } = neverBack(message.counters, job);
    const events: WorkerEvent[] = [
      { type: "progress", delta: false, counters, ...message.measures },
    ];
    if (back && !this.#toldBack) {
      this.#toldBack = true;
      events.push(log("The feed's totals went back; the highest are kept"));
    }
    if (message.end) events.push(message.end);
    try {
      const { outside } = this.#options;
      this.#job = (await outside.post(job, { stamp: STAMP, offset: 0, events })).job;
    } catch (cause) {
      if (!(cause instanceof JobEndedError)) throw cause;
      // Ended by somebody else meanwhile: the lease, or a cancel that nobody here can pass on.
      this.#job = cause.job;
    }
  }

  /** The job that messages belong to now; undefined when there can be none any more. */
  async #current(): Promise<Job | undefined> {
    const { outside, tenant, sync, leaseMs, name } = this.#options;
    for (;;) {
      if (this.#job && !isTerminal(this.#job.status)) return this.#job;
      if (this.#job && this.#fixed) return undefined;
      if (this.#job) this.#run++;
      const id = this.#fixed ?? runId(tenant, sync, name, this.#run);
      this.#job = (await outside.create({ tenant, id, sync, name, leaseMs })).job;
      this.#toldBack = false;
    }
  }
}

/** The same for the same run, so that a server that starts anew finds the job that is on its way. */
function runId(tenant: TenantId, sync: string, name: string, run: number): JobId {
  const text = run === 1 ? `${sync}/${name}` : `${sync}/${name}/${run}`;
  return deriveSyncId(tenant, text) as string as JobId; // a UUID like any other
}

/** Pub/sub loses messages and workers start anew: totals never fall below those of the job. */
function neverBack(counters: Partial<Counters>, { progress }: Job) {
  let back = false;
  const highest = (given: number | undefined, known: number) => {
    if (given === undefined || given >= known) return given;
    back = true;
    return known;
  };
  const kept: { -readonly [Name in keyof Counters]?: Counters[Name] } = {
    bytes: highest(counters.bytes, progress.bytesDone ?? 0),
  };
  for (const name of ENTITY_COUNTS) kept[name] = highest(counters[name], progress[name]);
  if (counters.encountered) {
    kept.encountered = Object.fromEntries(
      Object.entries(counters.encountered).map(([type, count]) => [
        type,
        highest(count, progress.encountered[type] ?? 0) ?? count,
      ]),
    );
  }
  return { counters: kept, back };
}

function log(message: string): WorkerEvent {
  return { type: "log", line: { kind: "log", level: "warning", source: "synctail", message } };
}
