/** An EventLog in maps: what the one of the product is held against, and tests that need no file use. */
import type { Clock } from "../../src/clock.ts";
import {
  type Entry,
  levelAtLeast,
  LOG_LEVELS,
  type LogLevel,
  type ProgressEntry,
  type Seq,
} from "../../src/sync/entry.ts";
import {
  type Epoch,
  type JobKey,
  type JobKeyText,
  keyText,
  type TenantId,
} from "../../src/sync/ids.ts";
import { type Job, keyOf, type NewJob, type SyncRef } from "../../src/sync/job.ts";
import type { Producer } from "../../src/sync/producer.ts";
import { isTerminal, type Status } from "../../src/sync/status.ts";
import {
  type Appended,
  type Created,
  type CreateOptions,
  type Decide,
  type EventLog,
  type JobPage,
  type JobQuery,
  type LapsedPage,
  type Page,
  placeOf,
  type PruneQuery,
  type ReadQuery,
  RECENT_STRETCH,
  type RecentPage,
  type RecentQuery,
  type SyncQuery,
  type TrimLimits,
  wanted,
} from "../../src/log/event_log.ts";
import { fold, freshJob } from "../../src/log/fold.ts";
import { TooManyJobsError, UnknownJobError } from "../../src/log/log_errors.ts";
import { trimmed } from "../../src/log/trim.ts";

interface Kept {
  /** Its place in lists: it stays the same when others are removed. */
  readonly place: number;
  job: Job;
  entries: Entry[];
  readonly producers: Map<string, Producer>;
  thinned: boolean;
}

/** Most jobs of an answer. */
const PAGE = 100;

/** Keeps everything in maps; the order of jobs is the order of their creation. */
export class MemoryLog implements EventLog {
  readonly #jobs = new Map<JobKeyText, Kept>();
  readonly #syncs = new Map<string, SyncRef & { readonly tenant: TenantId }>();
  readonly #clock: Clock;
  #places = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  // deno-lint-ignore require-await -- an EventLog is asynchronous whatever it stores in
  async create(job: NewJob, options: CreateOptions = {}): Promise<Created> {
    const known = this.#jobs.get(keyText(job));
    if (known) return { outcome: "exists", job: known.job };
    if (options.oneActive) {
      for (const { job: other } of this.#jobs.values()) {
        if (
          other.tenant === job.tenant && other.sync?.id === job.sync?.id &&
          !isTerminal(other.status)
        ) return { outcome: "busy", job: other };
      }
    }
    const { openMax = Infinity } = options;
    if (openMax < Infinity && this.#openOf(job.tenant) >= openMax) {
      throw new TooManyJobsError(openMax);
    }
    const kept: Kept = {
      place: this.#places++,
      job: freshJob(job, options),
      entries: [],
      producers: new Map(),
      thinned: false,
    };
    this.#jobs.set(keyText(job), kept);
    const { tenant, sync, origin } = job;
    const place = `${tenant}/${sync?.id}`;
    if (sync && origin === "worker" && !this.#syncs.has(place)) {
      this.#syncs.set(place, { ...sync, tenant });
    }
    return { outcome: "created", job: kept.job };
  }

  get(key: JobKey): Promise<Job | undefined> {
    return Promise.resolve(this.#jobs.get(keyText(key))?.job);
  }

  // deno-lint-ignore require-await -- so that a refusal rejects instead of throwing
  async append(key: JobKey, decide: Decide): Promise<Appended> {
    const kept = this.#kept(key);
    const before = kept.job.seq;
    const change = decide(kept.job, (id) => kept.producers.get(id));
    const { job, entries } = fold(kept.job, change, this.#clock.now());
    const { producer } = change;
    kept.job = job;
    for (const entry of entries) kept.entries.push(entry);
    if (producer) kept.producers.set(producer.id, producer);
    return { job, firstSeq: before + 1, lastSeq: job.seq, producer };
  }

  // deno-lint-ignore require-await -- so that an unknown job rejects instead of throwing
  async read(key: JobKey, query: ReadQuery): Promise<Page> {
    const { job, entries } = this.#kept(key);
    const found: Entry[] = [];
    for (const entry of entries) {
      if (found.length === query.limit) break;
      if (entry.seq > query.after && wanted(entry, query)) found.push(entry);
    }
    const full = found.length === query.limit;
    const through = full ? found[found.length - 1].seq : job.seq;
    return { entries: found, through, more: full, job };
  }

  // deno-lint-ignore require-await -- so that an unknown job rejects instead of throwing
  async firstSeq(key: JobKey): Promise<Seq> {
    const { job, entries } = this.#kept(key);
    return entries[0]?.seq ?? job.seq + 1;
  }

  // deno-lint-ignore require-await -- so that a wrong cursor rejects instead of throwing
  async list(query: JobQuery): Promise<JobPage> {
    const all = [...this.#jobs.values()];
    const before = query.cursor === undefined ? Infinity : placeOf(query.cursor);
    const found = all.reverse().filter(({ job, place }) =>
      place < before && job.tenant === query.tenant &&
      (query.statuses?.includes(job.status) ?? true) &&
      (query.syncId === undefined || job.sync?.id === query.syncId)
    );
    const page = found.slice(0, query.limit);
    return {
      items: page.map(({ job }) => job),
      nextCursor: found.length > page.length ? `${page[page.length - 1].place}` : null,
    };
  }

  /** How many jobs of the tenant are on their way. */
  #openOf(tenant: TenantId): number {
    let open = 0;
    for (const { job } of this.#jobs.values()) {
      if (job.tenant === tenant && !isTerminal(job.status)) open++;
    }
    return open;
  }

  lapsed(nowMs: number, after = 0): Promise<LapsedPage> {
    const found = [...this.#jobs.values()].filter(({ job, place }) =>
      place >= after && !isTerminal(job.status) && (job.leaseUntilMs ?? Infinity) < nowMs
    );
    return Promise.resolve({
      items: found.slice(0, PAGE).map(({ job }) => keyOf(job)),
      next: found[PAGE]?.place ?? null,
    });
  }

  ownedByOthers(owner: string): Promise<readonly JobKey[]> {
    const found = [...this.#jobs.values()].filter(({ job }) =>
      !isTerminal(job.status) && job.owner !== null && job.owner !== owner
    );
    return Promise.resolve(found.slice(0, PAGE).map(({ job }) => keyOf(job)));
  }

  registeredSyncs(tenant: TenantId, query: SyncQuery = {}): Promise<readonly SyncRef[]> {
    const { after, limit } = query;
    const isAfter = (a: SyncRef, b: SyncRef) => a.name === b.name ? a.id > b.id : a.name > b.name;
    const found = [...this.#syncs.values()].filter((sync) =>
      sync.tenant === tenant && (query.id ?? sync.id) === sync.id &&
      (query.name ?? sync.name) === sync.name && (!after || isAfter(sync, after))
    );
    found.sort((a, b) => isAfter(a, b) ? 1 : -1);
    return Promise.resolve(found.slice(0, limit).map(({ id, name }) => ({ id, name })));
  }

  forgetSyncs(tenant: TenantId): Promise<void> {
    const used = new Set(
      [...this.#jobs.values()].map(({ job }) => `${job.tenant}/${job.sync?.id}`),
    );
    for (const [place, sync] of this.#syncs) {
      if (sync.tenant === tenant && !used.has(place)) this.#syncs.delete(place);
    }
    return Promise.resolve();
  }

  // deno-lint-ignore require-await -- so that an unknown job rejects instead of throwing
  async beforeLastLogs(
    key: JobKey,
    level: LogLevel,
    count: number,
    through: Seq,
  ): Promise<Seq> {
    const { entries } = this.#kept(key);
    if (count === 0) return through;
    const lines = entries.filter((entry) =>
      entry.kind === "log" && entry.seq <= through && levelAtLeast(entry.level, level)
    );
    return (lines.at(-count)?.seq ?? 1) - 1;
  }

  // deno-lint-ignore require-await -- so that an unknown job rejects instead of throwing
  async newestProgress(key: JobKey, after: Seq, through: Seq): Promise<ProgressEntry | undefined> {
    return this.#kept(key).entries.findLast((entry): entry is ProgressEntry =>
      entry.kind === "progress" && !entry.changesStatus && entry.seq > after && entry.seq <= through
    );
  }

  // deno-lint-ignore require-await -- so that an unknown job rejects instead of throwing
  async trim(key: JobKey, { entriesMax, progressMax }: TrimLimits): Promise<boolean> {
    const kept = this.#kept(key);
    const { job } = kept;
    const through = LOG_LEVELS.map(() => 0);
    let stay = kept.entries;
    if (progressMax !== undefined) {
      const width = Math.ceil(job.progressSeq / progressMax);
      const stretchOf = (entry: Entry) => Math.ceil(entry.seq / width);
      const last = new Map(
        stay.filter((entry) => superseded(entry, job)).map((entry) => [stretchOf(entry), entry]),
      );
      stay = stay.filter((entry) =>
        !superseded(entry, job) || last.get(stretchOf(entry)) === entry
      );
      kept.thinned = true;
    }
    const drop = (test: (entry: Entry) => boolean) => {
      let over = stay.length - entriesMax;
      stay = stay.filter((entry) => over <= 0 || !test(entry) || over-- <= 0);
    };
    drop((entry) => superseded(entry, job));
    drop((entry) => {
      if (entry.kind === "log") through[LOG_LEVELS.indexOf(entry.level)] = entry.seq;
      return entry.kind === "log";
    });
    kept.job = trimmed(job, kept.entries.length - stay.length, through);
    kept.entries = stay;
    return false;
  }

  remove(key: JobKey, epoch?: Epoch, onGone = () => {}): Promise<boolean> {
    const other = epoch !== undefined && this.#jobs.get(keyText(key))?.job.epoch !== epoch;
    const removed = !other && this.#jobs.delete(keyText(key));
    if (removed) onGone();
    return Promise.resolve(removed);
  }

  collect(): Promise<void> {
    return Promise.resolve();
  }

  prunable(query: PruneQuery): Promise<readonly Job[]> {
    const found = [...this.#jobs.values()].filter(({ job, thinned }) => {
      if ("entriesAbove" in query) {
        return !isTerminal(job.status) && job.held > query.entriesAbove;
      }
      if ("untrimmed" in query) return isTerminal(job.status) && !thinned;
      const { endedBeforeMs, endedSinceMs = -Infinity } = query;
      const endedAtMs = job.endedAtMs ?? Infinity;
      return endedAtMs < endedBeforeMs && endedAtMs >= endedSinceMs;
    });
    if ("entriesAbove" in query) found.sort((a, b) => b.job.held - a.job.held);
    if ("endedBeforeMs" in query) {
      found.sort((a, b) => (a.job.endedAtMs ?? 0) - (b.job.endedAtMs ?? 0));
    }
    return Promise.resolve(found.slice(0, PAGE).map(({ job }) => job));
  }

  counts(): Promise<ReadonlyMap<Status, number>> {
    const counts = new Map<Status, number>();
    for (const { job } of this.#jobs.values()) {
      counts.set(job.status, (counts.get(job.status) ?? 0) + 1);
    }
    return Promise.resolve(counts);
  }

  recent({ endedSinceMs, after = 0 }: RecentQuery): Promise<RecentPage> {
    const jobs = [...this.#jobs.values()];
    const items = jobs.slice(after, after + RECENT_STRETCH).map(({ job }) => job)
      .filter(({ endedAtMs }) => endedAtMs === null || endedAtMs >= endedSinceMs);
    const next = after + RECENT_STRETCH;
    return Promise.resolve({ items, next: next < jobs.length ? next : null });
  }

  bytes(): Promise<number> {
    let bytes = 0;
    for (const { entries } of this.#jobs.values()) {
      for (const entry of entries) bytes += JSON.stringify(entry).length;
    }
    return Promise.resolve(bytes);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #kept(key: JobKey): Kept {
    const kept = this.#jobs.get(keyText(key));
    if (!kept) throw new UnknownJobError(`There is no job "${key.id}"`);
    return kept;
  }
}

/** Whether a later progress entry makes this one worth nothing to a viewer. */
function superseded(entry: Entry, job: Job): boolean {
  return entry.kind === "progress" && !entry.changesStatus && entry.seq < job.progressSeq;
}
