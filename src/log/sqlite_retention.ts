/** Removes entries and jobs from the SQLite event log, a bounded part of the work at a time. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { LOG_LEVELS, type Seq } from "../sync/entry.ts";
import type { TrimLimits } from "./event_log.ts";
import { statementsOf } from "./migrate.ts";
import { trimmed } from "./trim.ts";
import type { JobRow, JobRows } from "./sqlite_job_rows.ts";
import {
  type EntryRow,
  FIRST_LOG,
  INSERT_ROW,
  NEWEST_PROGRESS,
  PROGRESS,
  ROW_ENTRIES_MAX,
  withoutBetween,
} from "./sqlite_entry_rows.ts";

/** Kinds of entries that may be removed, as the lowest and the highest one. */
type Kinds = readonly [number, number];
const SUPERSEDED: Kinds = [PROGRESS, PROGRESS];
const LINES: Kinds = [FIRST_LOG, FIRST_LOG + LOG_LEVELS.length - 1];

/** Entries behind a position and before another. */
interface Stretch {
  readonly after: Seq;
  readonly below: Seq;
}

/** What slices before have found out of a job. */
interface Seen {
  /** Up to it there is no superseded progress. */
  bare: Seq;
  /** The newest progress, and the limit, with which the job was thinned last. */
  thin: string;
}

/** Most entries that one commit removes: some milliseconds of work. */
const SLICE = 2_000;
/** And most bytes of their bodies: what is removed passes through the WAL, also on a full disk. */
const SLICE_BYTES = 256 * 1024;
/** What a removed job counts for beside its entries' bodies: a page of the file. */
const PER_JOB_BYTES = 4 * 1024;

/** Every method is to be called inside a commit. */
export class SqliteRetention {
  readonly #jobs: JobRows;
  readonly #sql: (text: string) => StatementSync;
  /**
   * So that no slice looks through all lines of a job for progress again. When a commit fails, the
   * rows in memory that it changed are dropped, and this with them.
   */
  readonly #seen = new WeakMap<JobRow, Seen>();

  constructor(db: DatabaseSync, jobs: JobRows) {
    this.#sql = statementsOf(db);
    this.#jobs = jobs;
  }

  /** A slice of EventLog.trim; true when there is more to do. */
  trim(row: JobRow, { entriesMax, progressMax }: TrimLimits): boolean {
    const { progressSeq } = row.job;
    const seen = this.#seen.get(row) ?? { bare: 0, thin: "" };
    this.#seen.set(row, seen);
    const thin = `${progressSeq} ${progressMax}`;
    if (progressMax !== undefined && seen.thin !== thin) {
      if (this.#thin(row, progressMax) >= SLICE) return true;
      seen.thin = thin;
    }
    const over = row.job.held - entriesMax;
    if (over > 0) {
      const room = Math.min(over, SLICE);
      const removed = this.#drop(row, SUPERSEDED, { after: seen.bare, below: progressSeq }, room);
      if (removed < room) seen.bare = progressSeq - 1;
      const lines = removed < room
        ? this.#drop(row, LINES, { after: 0, below: Infinity }, room - removed)
        : 0;
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

  /**
   * Removes as many of the job's entries as there is room for. SQLite reads a row whole to step to
   * the next one, so few are looked at first, and twice as many each time: a slice of long rows
   * would else read thousands of them to remove one.
   */
  #collectOf(job: number, room: { entries: number; bytes: number }): void {
    const next = this.#sql(
      `SELECT seq, octet_length(body) AS size FROM entries WHERE job = ? AND seq > ?
       ORDER BY seq LIMIT ?`,
    );
    room.bytes -= PER_JOB_BYTES;
    let last = 0;
    let more = true;
    for (let most = 1; more && room.entries > 0 && room.bytes > 0; most *= 2) {
      const asked = Math.min(most, room.entries);
      const rows = next.all(job, last, asked) as unknown as { seq: number; size: number }[]; // own table
      more = rows.length === asked;
      for (const { seq, size } of rows) {
        last = seq;
        room.entries--;
        room.bytes -= size;
        if (room.bytes > 0) continue;
        more = true;
        break;
      }
    }
    this.#sql("DELETE FROM entries WHERE job = ? AND seq <= ?").run(job, last);
    if (!more) this.#sql("DELETE FROM removed WHERE job = ?").run(job);
  }

  /** Keeps the newest superseded progress entry in each of `most` stretches of the log. */
  #thin(row: JobRow, most: number): number {
    const { pk, job } = row;
    const width = Math.ceil(job.progressSeq / most);
    const newest = this.#sql(`SELECT seq ${NEWEST_PROGRESS}`);
    let removed = 0;
    for (let after = 0; width > 1 && after < job.progressSeq && removed < SLICE; after += width) {
      const through = Math.min(after + width, job.progressSeq - 1);
      const seq = newest.get(pk, after, through)?.seq;
      if (typeof seq === "number") {
        removed += this.#cut(pk, SUPERSEDED, after, Math.min(seq, through));
      }
    }
    if (removed > 0) this.#jobs.change(row, trimmed(job, removed, []));
    return removed;
  }

  /** Removes the oldest entries of these kinds between two positions, at most so many. */
  #drop(row: JobRow, kinds: Kinds, { after, below }: Stretch, most: number): number {
    const { pk, job } = row;
    const rows = this.#sql(
      `SELECT seq, kind, count FROM entries WHERE job = ?1 AND kind BETWEEN ?2 AND ?3 AND seq > ?4
       AND seq - count + 1 < ?5 AND seq < ?5 + ${ROW_ENTRIES_MAX} ORDER BY seq LIMIT ?6`,
    ).all(pk, ...kinds, after, below, most) as unknown as // own columns
    { seq: number; kind: number; count: number }[];
    const through = LOG_LEVELS.map(() => 0);
    let end = 0;
    let left = most;
    for (const { seq, kind, count } of rows) {
      if (left === 0) break;
      end = Math.min(seq, below - 1, seq - count + left);
      left -= end - (seq - count);
      if (kind >= FIRST_LOG) through[kind - FIRST_LOG] = end;
    }
    const removed = this.#cut(pk, kinds, after, end + 1);
    this.#jobs.change(row, trimmed(job, removed, through));
    return removed;
  }

  /** Removes entries of these kinds between two positions. @returns how many */
  #cut(job: number, kinds: Kinds, after: Seq, before: Seq): number {
    if (before - after <= 1) return 0;
    // Bodies may be large, and only those of rows that reach beyond the two positions are needed.
    const rows = this.#sql(
      `DELETE FROM entries WHERE job = ?1 AND kind BETWEEN ?2 AND ?3 AND seq > ?4
       AND seq - count + 1 < ?5 AND seq < ?5 + ${ROW_ENTRIES_MAX}
       RETURNING seq, at_ms, kind, iif(seq - count < ?4 OR seq >= ?5, body, NULL) AS body, count`,
    ).all(job, ...kinds, after, before);
    let removed = 0;
    for (const { seq, at_ms, kind, body, count } of rows) {
      const row = [seq, at_ms, kind, body, count] as unknown as EntryRow; // own columns
      removed += row[4];
      if (body === null) continue;
      for (const left of withoutBetween(row, after, before)) {
        this.#sql(INSERT_ROW).run(job, ...left);
        removed -= left[4];
      }
    }
    return removed;
  }
}
