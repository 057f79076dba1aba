/** Removes entries and jobs from the SQLite event log, a bounded part of the work at a time. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { LOG_LEVELS } from "../sync/entry.ts";
import type { TrimLimits } from "./event_log.ts";
import { trimmed } from "./trim.ts";
import type { JobRow, JobRows } from "./sqlite_job_rows.ts";
import { NO_LOGS } from "./sqlite_entry_rows.ts";

/** Most entries that one commit removes: some milliseconds of work. */
const SLICE = 2_000;
/** And most bytes of their bodies: what is removed passes through the WAL, also on a full disk. */
const SLICE_BYTES = 256 * 1024;
/** What a removed job counts for beside its entries' bodies: a page of the file. */
const PER_JOB_BYTES = 4 * 1024;

/** Every method is to be called inside a commit. */
export class SqliteRetention {
  readonly #db: DatabaseSync;
  readonly #jobs: JobRows;
  readonly #prepared = new Map<string, StatementSync>();

  constructor(db: DatabaseSync, jobs: JobRows) {
    this.#db = db;
    this.#jobs = jobs;
  }

  /** A slice of EventLog.trim; true when there is more to do. */
  trim(row: JobRow, { entriesMax, progressMax }: TrimLimits): boolean {
    if (progressMax !== undefined) {
      if (this.#thin(row, progressMax) >= SLICE) return true;
    }
    const over = row.job.held - entriesMax;
    if (over > 0) {
      const room = Math.min(over, SLICE);
      const removed = this.#dropProgress(row, room);
      const lines = removed < room ? this.#dropLogs(row, room - removed) : 0;
      // Changes of status stay whatever the limit is.
      if (removed + lines === room && over > room) return true;
    }
    if (progressMax !== undefined) {
      this.#sql("UPDATE jobs SET thinned = 1 WHERE pk = ?").run(row.pk);
    }
    return false;
  }

  /** Removes the job; `collect` removes its entries. */
  remove(pk: number): void {
    this.#sql("DELETE FROM producers WHERE job = ?").run(pk);
    this.#sql("DELETE FROM jobs WHERE pk = ?").run(pk);
    this.#sql("INSERT INTO removed (job) VALUES (?)").run(pk);
  }

  /** A slice of the entries of removed jobs; true when there is more to do. */
  collect(): boolean {
    const room = { entries: SLICE, bytes: SLICE_BYTES };
    while (room.entries > 0 && room.bytes > 0) {
      const found = this.#sql("SELECT job FROM removed LIMIT 1").get();
      if (!found) return room.bytes < SLICE_BYTES;
      this.#collectOf(found.job as number, room); // its own column
    }
    return true;
  }

  /** Removes at least one of the job's entries, and as many as there is room for. */
  #collectOf(job: number, room: { entries: number; bytes: number }): void {
    const rows = this.#sql(
      "SELECT seq, length(body) AS size FROM entries WHERE job = ? ORDER BY seq LIMIT ?",
    ).all(job, room.entries) as unknown as { seq: number; size: number }[]; // own table
    const all = rows.length < room.entries;
    room.bytes -= PER_JOB_BYTES;
    const last = rows.findIndex(({ size }) => (room.bytes -= size) <= 0);
    room.entries -= rows.length;
    const end = last < 0 ? rows.length - 1 : last;
    if (end >= 0) {
      this.#sql("DELETE FROM entries WHERE job = ? AND seq <= ?").run(job, rows[end].seq);
    }
    if (all && end === rows.length - 1) this.#sql("DELETE FROM removed WHERE job = ?").run(job);
  }

  /** Keeps the newest superseded progress entry in each of `most` stretches of the log. */
  #thin(row: JobRow, most: number): number {
    const { pk, job } = row;
    const width = Math.ceil(job.progressSeq / most);
    const newest = this.#sql(
      "SELECT max(seq) AS seq FROM entries WHERE job = ? AND kind = 0 AND seq > ? AND seq <= ?",
    );
    const older = this.#sql(
      "DELETE FROM entries WHERE job = ? AND kind = 0 AND seq > ? AND seq < ?",
    );
    let removed = 0;
    for (let after = 0; width > 1 && after < job.progressSeq && removed < SLICE; after += width) {
      const through = Math.min(after + width, job.progressSeq - 1);
      const seq = newest.get(pk, after, through)?.seq;
      if (typeof seq === "number") removed += Number(older.run(pk, after, seq).changes);
    }
    if (removed > 0) this.#jobs.change(row, trimmed(job, removed, []));
    return removed;
  }

  #dropProgress(row: JobRow, most: number): number {
    const { pk, job } = row;
    const { changes } = this.#sql(
      `DELETE FROM entries WHERE job = ?1 AND seq IN
       (SELECT seq FROM entries WHERE job = ?1 AND kind = 0 AND seq < ?2 ORDER BY seq LIMIT ?3)`,
    ).run(pk, job.progressSeq, most);
    this.#jobs.change(row, trimmed(job, Number(changes), []));
    return Number(changes);
  }

  #dropLogs(row: JobRow, most: number): number {
    const lines = this.#sql(
      `SELECT seq, kind FROM entries WHERE job = ? AND kind >= ${NO_LOGS} ORDER BY seq LIMIT ?`,
    ).all(row.pk, most) as unknown as { seq: number; kind: number }[]; // own table
    const last = lines.at(-1);
    if (!last) return 0;
    const through = LOG_LEVELS.map(() => 0);
    for (const { seq, kind } of lines) through[kind - NO_LOGS] = seq;
    this.#sql(`DELETE FROM entries WHERE job = ? AND kind >= ${NO_LOGS} AND seq <= ?`)
      .run(row.pk, last.seq);
    this.#jobs.change(row, trimmed(row.job, lines.length, through));
    return lines.length;
  }

  #sql(text: string): StatementSync {
    let statement = this.#prepared.get(text);
    if (!statement) this.#prepared.set(text, statement = this.#db.prepare(text));
    return statement;
  }
}
