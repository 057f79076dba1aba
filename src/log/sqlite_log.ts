/** The EventLog in one SQLite file, which survives kill -9. */
import type { DatabaseSync } from "node:sqlite";
import type { Clock } from "../clock.ts";
import type { LogLevel, ProgressEntry, Seq } from "../sync/entry.ts";
import type { Epoch, JobKey, TenantId } from "../sync/ids.ts";
import { type Job, keyOf, type NewJob, type SyncRef } from "../sync/job.ts";
import type { Status } from "../sync/status.ts";
import { Checkpoints } from "./checkpoints.ts";
import { LogPlace } from "./disk.ts";
import {
  type Appended,
  type AppendOptions,
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
} from "./event_log.ts";
import { fold, freshJob } from "./fold.ts";
import { FreshEntries } from "./fresh_entries.ts";
import { GroupCommit } from "./group_commit.ts";
import type { JobRow } from "./kept_rows.ts";
import { isUnstored, LogClosedError, TooManyJobsError, UnknownJobError } from "./log_errors.ts";
import { openVersioned, pragma } from "./migrate.ts";
import { reserveOf } from "./reserve.ts";
import { Collection } from "./sqlite_collection.ts";
import { EntryTable } from "./sqlite_entry_table.ts";
import { JobQueries } from "./sqlite_job_queries.ts";
import { JobRows } from "./sqlite_job_rows.ts";
import { SqliteRetention } from "./sqlite_retention.ts";
import { LOG_SCHEMA } from "./sqlite_schema.ts";
import { SyncRows } from "./sqlite_sync_rows.ts";

/** `normal` survives a killed process, `full` also waits until the disk has it (fsync). */
export type Durability = "normal" | "full";

export interface SqliteLogOptions {
  readonly path: string;
  readonly durability: Durability;
  readonly clock: Clock;
  /** Pages of 4 KiB that the file may have; as many as the disk holds when left out. */
  readonly pagesMax?: number;
}

/**
 * Appends of one turn of the event loop share one commit; a promise resolves after it.
 *
 * Only one process may have the file open as a log: the data directory's lock sees to that.
 * Reads run between commits, so that they never meet what is not committed.
 */
export class SqliteLog implements EventLog {
  readonly #db: DatabaseSync;
  readonly #clock: Clock;
  readonly #jobs: JobRows;
  readonly #syncs: SyncRows;
  readonly #queries: JobQueries;
  readonly #entries: EntryTable;
  readonly #checkpoints: Checkpoints;
  readonly #commits: GroupCommit;
  readonly #retention: SqliteRetention;
  /** By the job's row in memory; when that is dropped, as where a commit fails, they go with it. */
  readonly #fresh = new FreshEntries<JobRow>();
  readonly #collection: Collection;

  /** @throws {StoreVersionError | StoreForeignError} when the file is not this schema's to open */
  constructor(options: SqliteLogOptions) {
    this.#clock = options.clock;
    this.#db = openVersioned(options.path, LOG_SCHEMA);
    this.#db.exec(`PRAGMA synchronous = ${options.durability === "full" ? "FULL" : "NORMAL"}`);
    // 16 MiB instead of 2: a thousand jobs on their way write to more pages than that.
    this.#db.exec("PRAGMA cache_size = -16384");
    if (options.pagesMax !== undefined) {
      this.#db.exec(`PRAGMA max_page_count = ${options.pagesMax}`);
    }
    // A removed job's row is deleted before its entries.
    this.#db.exec("PRAGMA foreign_keys = OFF");
    // What is deleted is overwritten with zeros.
    this.#db.exec("PRAGMA secure_delete = ON");
    this.#jobs = new JobRows(this.#db, (row) => this.#fresh.forget(row));
    this.#syncs = new SyncRows(this.#db);
    this.#queries = new JobQueries(this.#db);
    this.#entries = new EntryTable(this.#db);
    this.#checkpoints = new Checkpoints({ db: this.#db, path: options.path });
    this.#commits = new GroupCommit({
      db: this.#db,
      jobs: this.#jobs,
      checkpoints: this.#checkpoints,
      reserve: reserveOf(options.path),
      place: new LogPlace(options.path, options.clock),
      clock: options.clock,
    });
    this.#retention = new SqliteRetention(this.#db, this.#jobs);
    this.#collection = new Collection({
      commits: this.#commits,
      retention: this.#retention,
      checkpoints: this.#checkpoints,
    });
  }

  create(job: NewJob, options: CreateOptions = {}): Promise<Created> {
    return this.#commits.run(() => {
      const known = this.#jobs.get(job);
      if (known) return { outcome: "exists", job: known.job };
      if (options.oneActive && job.sync) {
        const active = this.#jobs.activeOf(job.tenant, job.sync.id);
        if (active) return { outcome: "busy", job: active };
      }
      const { openMax = Infinity } = options;
      if (openMax < Infinity && this.#queries.openOf(job.tenant) >= openMax) {
        throw new TooManyJobsError(openMax);
      }
      const fresh = freshJob(job, options);
      this.#jobs.insert(fresh);
      this.#syncs.register(fresh);
      return { outcome: "created", job: fresh };
    });
  }

  // deno-lint-ignore require-await -- so that a database error rejects instead of throwing
  async get(key: JobKey): Promise<Job | undefined> {
    return this.#jobs.get(key)?.job;
  }

  append(key: JobKey, decide: Decide, options: AppendOptions = {}): Promise<Appended> {
    return this.#commits.run(() => {
      const row = this.#row(key);
      const before = row.job;
      const change = decide(before, (id) => this.#jobs.producerOf(row, id));
      const { job, entries } = fold(before, change, this.#clock.now());
      const length = this.#entries.insert(row.pk, entries);
      if (entries.length > 0) this.#fresh.add(row, entries, length);
      const { producer } = change;
      if (job !== before || producer) this.#jobs.change(row, job, producer);
      return { job, firstSeq: before.seq + 1, lastSeq: job.seq, producer };
    }, options.urgent);
  }

  // deno-lint-ignore require-await -- so that an unknown job rejects instead of throwing
  async read(key: JobKey, query: ReadQuery): Promise<Page> {
    const row = this.#row(key);
    const { pk, job } = row;
    const fresh = this.#fresh.after(row, query.after)?.filter((entry) => wanted(entry, query));
    if (fresh && fresh.length < query.limit) {
      return { entries: fresh, through: job.seq, more: false, job };
    }
    const { entries, more } = this.#entries.read(pk, query);
    return { entries, through: more ? entries[entries.length - 1].seq : job.seq, more, job };
  }

  // deno-lint-ignore require-await -- so that an unknown job rejects instead of throwing
  async firstSeq(key: JobKey): Promise<Seq> {
    const { pk, job } = this.#row(key);
    return this.#entries.firstSeq(pk) ?? job.seq + 1;
  }

  // deno-lint-ignore require-await -- so that a wrong cursor rejects instead of throwing
  async list(query: JobQuery): Promise<JobPage> {
    const before = query.cursor === undefined ? Number.MAX_SAFE_INTEGER : placeOf(query.cursor);
    const { jobs, next } = this.#queries.list(query, before, query.limit);
    return { items: jobs, nextCursor: next === null ? null : `${next}` };
  }

  // deno-lint-ignore require-await -- so that a database error rejects instead of throwing
  async lapsed(nowMs: number, after = 0): Promise<LapsedPage> {
    const { jobs, next } = this.#queries.lapsed(nowMs, after);
    // Some of them have been renewed since they were written.
    const lapsed = jobs.map((job) => this.#jobs.current(job))
      .filter(({ leaseUntilMs }) => (leaseUntilMs ?? Infinity) < nowMs);
    return { items: lapsed.map(keyOf), next };
  }

  // deno-lint-ignore require-await -- so that a database error rejects instead of throwing
  async ownedByOthers(owner: string): Promise<readonly JobKey[]> {
    return this.#queries.ownedByOthers(owner).map(keyOf);
  }

  // deno-lint-ignore require-await -- so that a database error rejects instead of throwing
  async recent({ endedSinceMs, after = 0 }: RecentQuery): Promise<RecentPage> {
    const through = after + RECENT_STRETCH;
    const items = this.#queries.recent(endedSinceMs, after, through);
    return { items, next: through < this.#queries.lastPk() ? through : null };
  }

  // deno-lint-ignore require-await -- so that a database error rejects instead of throwing
  async registeredSyncs(tenant: TenantId, query?: SyncQuery): Promise<readonly SyncRef[]> {
    return this.#syncs.of(tenant, query);
  }

  async forgetSyncs(tenant: TenantId): Promise<void> {
    await this.#commits.run(() => this.#syncs.forget(tenant), true);
    this.#collection.overwrote();
    await this.#collectIfRoom();
  }

  // deno-lint-ignore require-await -- so that an unknown job rejects instead of throwing
  async beforeLastLogs(
    key: JobKey,
    level: LogLevel,
    count: number,
    through: Seq,
  ): Promise<Seq> {
    const { pk } = this.#row(key);
    return count === 0 ? through : this.#entries.beforeLastLogs(pk, level, count, through);
  }

  // deno-lint-ignore require-await -- so that an unknown job rejects instead of throwing
  async newestProgress(key: JobKey, after: Seq, through: Seq): Promise<ProgressEntry | undefined> {
    return this.#entries.newestProgress(this.#row(key).pk, after, through);
  }

  trim(key: JobKey, limits: TrimLimits): Promise<boolean> {
    return this.#commits.run(() => {
      const row = this.#row(key);
      this.#fresh.forget(row);
      return this.#retention.trim(row, limits);
    }, true);
  }

  async remove(key: JobKey, epoch?: Epoch, onGone = () => {}): Promise<boolean> {
    const removed = await this.#commits.run(() => {
      const pk = this.#jobs.numberOf(key, epoch);
      if (pk === undefined) return false;
      this.#jobs.forget(key);
      this.#retention.remove(pk);
      return true;
    }, true);
    if (removed) {
      onGone();
      await this.#collectIfRoom();
    } else await this.collect();
    return removed;
  }

  collect(): Promise<void> {
    return this.#collection.collect();
  }

  // deno-lint-ignore require-await -- so that a database error rejects instead of throwing
  async prunable(query: PruneQuery): Promise<readonly Job[]> {
    return this.#queries.prunable(query);
  }

  // deno-lint-ignore require-await -- so that a database error rejects instead of throwing
  async counts(): Promise<ReadonlyMap<Status, number>> {
    return this.#queries.counts();
  }

  // deno-lint-ignore require-await -- so that a database error rejects instead of throwing
  async bytes(): Promise<number> {
    const pages = pragma(this.#db, "page_count") - pragma(this.#db, "freelist_count");
    return pages * pragma(this.#db, "page_size");
  }

  async close(): Promise<void> {
    await this.#commits.close();
    await this.#checkpoints.close();
    this.#db.close();
  }

  /**
   * What a full or failing disk, or a stop, does not let be collected now is collected later: it is
   * gone already.
   */
  async #collectIfRoom(): Promise<void> {
    try {
      await this.collect();
    } catch (cause) {
      if (!isUnstored(cause) && !(cause instanceof LogClosedError)) throw cause;
    }
  }

  #row(key: JobKey) {
    const row = this.#jobs.get(key);
    if (!row) throw new UnknownJobError(`There is no job "${key.id}"`);
    return row;
  }
}
