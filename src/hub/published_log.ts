/** A log whose appends wake the hub. */
import { setImmediate } from "../event_loop.ts";
import type { Clock } from "../clock.ts";
import type { LogLevel, ProgressEntry, Seq } from "../sync/entry.ts";
import { type Epoch, type JobKey, type JobKeyText, keyText, type TenantId } from "../sync/ids.ts";
import type { Job, NewJob, SyncRef } from "../sync/job.ts";
import type {
  Appended,
  AppendOptions,
  Created,
  CreateOptions,
  Decide,
  EventLog,
  JobPage,
  JobQuery,
  LapsedPage,
  Page,
  PruneQuery,
  ReadQuery,
  RecentPage,
  RecentQuery,
  SyncQuery,
  TrimLimits,
} from "../log/event_log.ts";
import { isTerminal } from "../sync/status.ts";
import type { Hub } from "./hub.ts";

/** Called once a job, when its terminal entry is committed. */
export type OnEnd = (job: Job, requestId: string | undefined) => void;

/**
 * Passes everything on to a log, and wakes the hub two turns of the event loop after a commit: by
 * then whoever appended has its answer. Waking in the same turn more than halves the fan-out under
 * Deno.
 */
export class PublishedLog implements EventLog {
  readonly #log: EventLog;
  readonly #hub: Hub;
  readonly #clock: Clock;
  readonly #onEnd: OnEnd;
  #grown = new Map<JobKeyText, JobKey>();

  constructor(log: EventLog, hub: Hub, clock: Clock, onEnd: OnEnd = () => {}) {
    this.#log = log;
    this.#hub = hub;
    this.#clock = clock;
    this.#onEnd = onEnd;
  }

  async append(key: JobKey, decide: Decide, options?: AppendOptions): Promise<Appended> {
    const appended = await this.#log.append(key, decide, options);
    if (appended.lastSeq < appended.firstSeq) return appended;
    this.#publish(key);
    // Nothing follows a terminal entry, so this append has written it.
    if (isTerminal(appended.job.status)) this.#onEnd(appended.job, options?.requestId);
    return appended;
  }

  async create(job: NewJob, options?: CreateOptions): Promise<Created> {
    const created = await this.#log.create(job, options);
    if (created.outcome === "created") this.#publish(created.job);
    return created;
  }

  get(key: JobKey): Promise<Job | undefined> {
    return this.#log.get(key);
  }

  read(key: JobKey, query: ReadQuery): Promise<Page> {
    return this.#log.read(key, query);
  }

  firstSeq(key: JobKey): Promise<Seq> {
    return this.#log.firstSeq(key);
  }

  list(query: JobQuery): Promise<JobPage> {
    return this.#log.list(query);
  }

  lapsed(nowMs: number, after?: number): Promise<LapsedPage> {
    return this.#log.lapsed(nowMs, after);
  }

  ownedByOthers(owner: string): Promise<readonly JobKey[]> {
    return this.#log.ownedByOthers(owner);
  }

  recent(query: RecentQuery): Promise<RecentPage> {
    return this.#log.recent(query);
  }

  registeredSyncs(tenant: TenantId, query?: SyncQuery): Promise<readonly SyncRef[]> {
    return this.#log.registeredSyncs(tenant, query);
  }

  forgetSyncs(tenant: TenantId): Promise<void> {
    return this.#log.forgetSyncs(tenant);
  }

  beforeLastLogs(key: JobKey, level: LogLevel, count: number, through: Seq): Promise<Seq> {
    return this.#log.beforeLastLogs(key, level, count, through);
  }

  newestProgress(key: JobKey, after: Seq, through: Seq): Promise<ProgressEntry | undefined> {
    return this.#log.newestProgress(key, after, through);
  }

  trim(key: JobKey, limits: TrimLimits): Promise<boolean> {
    return this.#log.trim(key, limits);
  }

  /** Wakes the job's followers too, which find it gone. */
  remove(key: JobKey, epoch?: Epoch): Promise<boolean> {
    return this.#log.remove(key, epoch, () => this.#publish(key));
  }

  collect(): Promise<void> {
    return this.#log.collect();
  }

  prunable(query: PruneQuery): Promise<readonly Job[]> {
    return this.#log.prunable(query);
  }

  counts(): ReturnType<EventLog["counts"]> {
    return this.#log.counts();
  }

  bytes(): Promise<number> {
    return this.#log.bytes();
  }

  /** Resolves when the hub was woken for all that is committed. */
  async woken(): Promise<void> {
    while (this.#grown.size > 0) await new Promise<void>(setImmediate);
  }

  close(): Promise<void> {
    return this.#log.close();
  }

  #publish({ tenant, id }: JobKey): void {
    const first = this.#grown.size === 0;
    this.#grown.set(keyText({ tenant, id }), { tenant, id });
    if (!first) return;
    const grownMs = this.#clock.monotonic();
    setImmediate(() =>
      setImmediate(() => {
        const grown = this.#grown;
        this.#grown = new Map();
        for (const key of grown.values()) this.#hub.wake(key, grownMs);
      })
    );
  }
}
