/** The EventLog in one SQLite file: what survives kill -9. */
import type { DatabaseSync } from "node:sqlite";
import type { Clock } from "../clock.ts";
import type { Entry, Seq } from "../sync/entry.ts";
import type { JobKey } from "../sync/ids.ts";
import { type Job, keyOf, type NewJob } from "../sync/job.ts";
import {
  type Appended,
  type Created,
  CursorError,
  type Decide,
  type EventLog,
  type JobPage,
  type JobQuery,
  type Page,
  READ_BYTES_MAX,
  type ReadQuery,
  UnknownJobError,
} from "./event_log.ts";
import { fold, freshJob } from "./fold.ts";
import { GroupCommit } from "./group_commit.ts";
import { openVersioned } from "./migrate.ts";
import { entryOf, entryRow, logKindFrom, NO_LOGS } from "./sqlite_entry_rows.ts";
import { jobOf, JobRows } from "./sqlite_job_rows.ts";
import { APPLICATION_ID, MIGRATIONS } from "./sqlite_schema.ts";

/** `normal` survives a killed process, `full` also waits until the disk has it (fsync). */
export type Durability = "normal" | "full";

export interface SqliteLogOptions {
  readonly path: string;
  readonly durability: Durability;
  readonly clock: Clock;
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
  readonly #commits: GroupCommit;
  readonly #insert: ReturnType<DatabaseSync["prepare"]>;
  readonly #read: ReturnType<DatabaseSync["prepare"]>;
  readonly #first: ReturnType<DatabaseSync["prepare"]>;

  /** @throws {StoreVersionError | StoreForeignError} when the file is not this schema's to open */
  constructor(options: SqliteLogOptions) {
    this.#clock = options.clock;
    this.#db = openVersioned(options.path, {
      applicationId: APPLICATION_ID,
      migrations: MIGRATIONS,
      what: "the event log",
    });
    this.#db.exec(`PRAGMA synchronous = ${options.durability === "full" ? "FULL" : "NORMAL"}`);
    this.#jobs = new JobRows(this.#db);
    this.#commits = new GroupCommit(this.#db, this.#jobs);
    this.#insert = this.#db.prepare(
      "INSERT INTO entries (job, seq, at_ms, kind, body) VALUES (?, ?, ?, ?, ?)",
    );
    this.#read = this.#db.prepare(
      `SELECT seq, at_ms, kind, body FROM entries WHERE job = ? AND seq > ?
       AND (kind > 0 OR seq >= ?) AND (kind < ${NO_LOGS} OR kind >= ?) ORDER BY seq LIMIT ?`,
    );
    this.#first = this.#db.prepare("SELECT min(seq) AS seq FROM entries WHERE job = ?");
  }

  create(job: NewJob, options: { readonly oneActive?: boolean } = {}): Promise<Created> {
    return this.#commits.run(() => {
      const known = this.#jobs.get(job);
      if (known) return { outcome: "exists", job: known.job };
      if (options.oneActive && job.sync) {
        const active = this.#jobs.activeOf(job.tenant, job.sync.id);
        if (active) return { outcome: "busy", job: active };
      }
      const fresh = freshJob(job);
      this.#jobs.insert(fresh);
      return { outcome: "created", job: fresh };
    });
  }

  // deno-lint-ignore require-await -- so that a database error rejects instead of throwing
  async get(key: JobKey): Promise<Job | undefined> {
    return this.#jobs.get(key)?.job;
  }

  append(key: JobKey, decide: Decide): Promise<Appended> {
    return this.#commits.run(() => {
      const row = this.#row(key);
      const before = row.job;
      const { job, entries } = fold(before, decide(before), this.#clock.now());
      for (const entry of entries) this.#insert.run(row.pk, ...entryRow(entry));
      if (job !== before) this.#jobs.change(row, job);
      return { job, firstSeq: before.seq + 1, lastSeq: job.seq };
    });
  }

  // deno-lint-ignore require-await -- so that an unknown job rejects instead of throwing
  async read(key: JobKey, query: ReadQuery): Promise<Page> {
    const { pk, job } = this.#row(key);
    const entries: Entry[] = [];
    let bytes = 0;
    const rows = this.#read.iterate(
      pk,
      query.after,
      query.mergeBelow ?? 0,
      logKindFrom(query.logs),
      query.limit,
    );
    for (const row of rows) {
      const entry = entryOf(row);
      entries.push(entry);
      bytes += (row.body as string).length; // the column is TEXT NOT NULL
      if (bytes > READ_BYTES_MAX) break;
    }
    const more = entries.length === query.limit || bytes > READ_BYTES_MAX;
    return { entries, through: more ? entries[entries.length - 1].seq : job.seq, more };
  }

  // deno-lint-ignore require-await -- so that an unknown job rejects instead of throwing
  async firstSeq(key: JobKey): Promise<Seq> {
    const { pk, job } = this.#row(key);
    const seq = this.#first.get(pk)?.seq;
    return typeof seq === "number" ? seq : job.seq + 1;
  }

  // deno-lint-ignore require-await -- so that a wrong cursor rejects instead of throwing
  async list(query: JobQuery): Promise<JobPage> {
    const before = query.cursor === undefined ? Number.MAX_SAFE_INTEGER : parsePk(query.cursor);
    const rows = this.#jobs.list(query, before, query.limit + 1);
    const page = rows.slice(0, query.limit);
    return {
      items: page.map(jobOf),
      nextCursor: rows.length > page.length ? `${page[page.length - 1].pk}` : null,
    };
  }

  // deno-lint-ignore require-await -- so that a database error rejects instead of throwing
  async lapsed(nowMs: number): Promise<readonly JobKey[]> {
    return this.#jobs.lapsed(nowMs).map(keyOf);
  }

  // deno-lint-ignore require-await -- so that a database error rejects instead of throwing
  async ownedByOthers(owner: string): Promise<readonly JobKey[]> {
    return this.#jobs.ownedByOthers(owner).map(keyOf);
  }

  async close(): Promise<void> {
    await this.#commits.close();
    this.#db.close();
  }

  #row(key: JobKey) {
    const row = this.#jobs.get(key);
    if (!row) throw new UnknownJobError(`There is no job "${key.id}"`);
    return row;
  }
}

function parsePk(cursor: string): number {
  if (!/^\d{1,15}$/.test(cursor)) {
    throw new CursorError(`Cannot list jobs from cursor "${cursor}": no list gave it`);
  }
  return Number(cursor);
}
