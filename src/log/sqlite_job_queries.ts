/** What is asked of the table of jobs as a whole. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { loggerOf } from "../logger.ts";
import { reasonOf } from "../reason.ts";
import type { TenantId } from "../sync/ids.ts";
import type { Job } from "../sync/job.ts";
import { type Status, STATUSES } from "../sync/status.ts";
import type { JobQuery, PruneQuery } from "./event_log.ts";
import { DamagedJobError } from "./log_errors.ts";
import { statementsOf } from "./migrate.ts";
import { ACTIVE, type JobColumns, jobOf, lengthOf } from "./sqlite_job_columns.ts";

/** Named, as for the order of `pk` SQLite would look through all jobs, also those that are over. */
const ON_THEIR_WAY = `jobs INDEXED BY jobs_by_lease WHERE ${ACTIVE}`;
const ENDED = "status IN ('completed', 'failed', 'cancelled')";
const HELD = "iif(json_valid(state), json_extract(state, '$.held'), 0)";
/** Most jobs that a sweep is given at a time. */
const SWEEP_MAX = 100;
/**
 * Characters of rows above which a page of a list ends: a job's `meta` may have a million. A job
 * takes several times as much in memory, and so do the answers made of it.
 */
const PAGE_LENGTH_MAX = 4 * 1024 * 1024;
/** Rows of a list that are fetched at a time; the last of them may be long, too. */
const ROWS = 20;
/** Most damaged rows that are logged. */
const DAMAGED_MAX = 1_000;

/**
 * Reads rows as they were committed; `JobRows` may know a newer state of a job in use. A damaged
 * row is logged once and left out: one bad row must not keep all others from being read.
 */
export class JobQueries {
  readonly #sql: (text: string) => StatementSync;
  readonly #open: StatementSync;
  readonly #lapsed: StatementSync;
  readonly #others: StatementSync;
  readonly #damaged = new Set<number>();

  constructor(db: DatabaseSync) {
    this.#sql = statementsOf(db);
    this.#open = db.prepare(`SELECT count(*) AS n FROM jobs WHERE tenant = ? AND ${ACTIVE}`);
    this.#lapsed = db.prepare(
      `SELECT * FROM ${ON_THEIR_WAY} AND lease_until_ms < ? AND pk > ?
       ORDER BY pk LIMIT ${SWEEP_MAX}`,
    );
    this.#others = db.prepare(
      `SELECT * FROM ${ON_THEIR_WAY} AND owner IS NOT NULL AND owner <> ?
       ORDER BY pk LIMIT ${SWEEP_MAX}`,
    );
  }

  /** How many jobs of the tenant are on their way; one that ends in the commit under way counts. */
  openOf(tenant: TenantId): number {
    return Number(this.#open.get(tenant)?.n);
  }

  /**
   * At most `limit` jobs, newest first, fewer where they are long; `next` is the next page's
   * `beforePk`, null at the end.
   */
  list(
    query: JobQuery,
    beforePk: number,
    limit: number,
  ): { readonly jobs: Job[]; readonly next: number | null } {
    // Each status is named where all are asked for, too: else SQLite would sort them for a page.
    const statuses = new Set(query.statuses ?? STATUSES); // so that there are few texts
    const values: (string | number)[] = [query.tenant, beforePk, ...statuses];
    const where = [
      "tenant = ?",
      "pk < ?",
      `status IN (${[...statuses].map(() => "?").join(", ")})`,
    ];
    if (query.syncId !== undefined) {
      where.push("sync_id = ?");
      values.push(query.syncId);
    }
    const sql = `SELECT * FROM jobs WHERE ${where.join(" AND ")} ORDER BY pk DESC LIMIT ?`;
    const list = this.#sql(sql);
    const jobs: Job[] = [];
    let length = 0;
    let last = beforePk;
    // Not `iterate`: in Deno 2.9.6 that ends without an error when the file cannot be read.
    for (;;) {
      const asked = Math.min(ROWS, limit + 1 - jobs.length);
      values[1] = last;
      const rows = list.all(...values, asked) as unknown as JobColumns[]; // own table
      for (const row of rows) {
        if (jobs.length === limit || length > PAGE_LENGTH_MAX) return { jobs, next: last };
        last = row.pk;
        for (const job of this.#jobsOf([row])) {
          jobs.push(job);
          length += lengthOf(row);
        }
      }
      if (rows.length < asked) return { jobs, next: null };
    }
  }

  /** Jobs of the next rows whose stored lease has run out; it may have been renewed in memory. */
  lapsed(nowMs: number, afterPk: number): { readonly jobs: Job[]; readonly next: number | null } {
    const rows = this.#lapsed.all(nowMs, afterPk) as unknown as JobColumns[]; // own table
    const next = rows.length === SWEEP_MAX ? rows[SWEEP_MAX - 1].pk : null;
    return { jobs: this.#jobsOf(rows), next };
  }

  ownedByOthers(owner: string): Job[] {
    return this.#jobsOf(this.#others.all(owner));
  }

  /** How many jobs there are in each status, of all tenants. */
  counts(): Map<Status, number> {
    // In the order of the index at first: to sort all jobs by their status takes three times as long.
    const sql = `SELECT status, sum(n) AS jobs FROM
      (SELECT status, count(*) AS n FROM jobs GROUP BY tenant, status) GROUP BY status`;
    const rows = this.#sql(sql).all() as { status: Status; jobs: number }[]; // own table
    return new Map(rows.map(({ status, jobs }) => [status, jobs]));
  }

  /** Jobs after one row up to another that are not over, or ended at that moment or later. */
  recent(endedSinceMs: number, afterPk: number, throughPk: number): Job[] {
    const rows = this.#sql(
      `SELECT * FROM jobs WHERE pk > ? AND pk <= ?
       AND (${ACTIVE} OR ended_at_ms >= ?) ORDER BY pk`,
    ).all(afterPk, throughPk, endedSinceMs);
    return this.#jobsOf(rows);
  }

  /** `pk` of the newest row; 0 for none. */
  lastPk(): number {
    return Number(this.#sql("SELECT max(pk) AS pk FROM jobs").get()?.pk ?? 0);
  }

  /** Jobs for retention to look at. */
  prunable(query: PruneQuery): Job[] {
    const most = Number.MAX_SAFE_INTEGER; // SQLite has no Infinity
    const [where, order, ...values] = "entriesAbove" in query
      ? [`${ACTIVE} AND ${HELD} > ?`, `${HELD} DESC`, query.entriesAbove] as const
      : "untrimmed" in query
      ? [`thinned = 0 AND ${ENDED}`, "pk"] as const
      : [
        "ended_at_ms < ? AND ended_at_ms >= ?",
        "ended_at_ms, pk",
        query.endedBeforeMs,
        query.endedSinceMs ?? -most,
      ] as const;
    const sql = `SELECT * FROM jobs WHERE ${where} ORDER BY ${order} LIMIT ${SWEEP_MAX}`;
    return this.#jobsOf(this.#sql(sql).all(...values.map((value) => Math.min(value, most))));
  }

  #jobsOf(rows: readonly unknown[]): Job[] {
    return (rows as readonly JobColumns[]).flatMap((row) => { // own table
      try {
        return [jobOf(row)];
      } catch (cause) {
        if (!(cause instanceof DamagedJobError)) throw cause;
        this.#tellDamaged(row, cause);
        return [];
      }
    });
  }

  #tellDamaged({ pk, id, tenant }: JobColumns, { cause }: DamagedJobError): void {
    if (this.#damaged.has(pk) || this.#damaged.size >= DAMAGED_MAX) return;
    this.#damaged.add(pk);
    loggerOf("log").error(
      "job {job_id} of tenant {tenant} is left out: its row in the log is damaged ({reason})",
      { job_id: id, tenant, reason: reasonOf(cause) },
    );
  }
}
