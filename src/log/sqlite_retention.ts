/** Removes entries and jobs from the SQLite event log, a bounded part of the work at a time. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { LOG_LEVELS, type Seq } from "../sync/entry.ts";
import type { TrimLimits } from "./event_log.ts";
import type { JobRow } from "./kept_rows.ts";
import { statementsOf } from "./migrate.ts";
import { trimmed } from "./trim.ts";
import type { JobRows } from "./sqlite_job_rows.ts";
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

const ALL: Kinds = [PROGRESS, LINES[1]];

/** Entries behind a position and before another. */
interface Stretch {
  readonly after: Seq;
  readonly below: Seq;
}

/** What a slice may still remove. */
interface Room {
  entries: number;
  bytes: number;
}

/** What slices before have found out of a job. */
interface Seen {
  /** Up to it there is no superseded progress. */
  bare: Seq;
  /** The newest progress, and the limit, with which the job was thinned last. */
  thin: string;
  /** How far. */
  thinned: Seq;
}

/** Most entries that one commit removes: some milliseconds of work. */
const SLICE = 2_000;
/** And most bytes of their bodies: what is removed passes through the WAL, also on a full disk. */
const SLICE_BYTES = 256 * 1024;
/** What a removed job counts for beside its entries' bodies: a page of the file. */
const PER_JOB_BYTES = 4 * 1024;
/** Rows that are looked at first. */
const ROWS = 4;
/** Most producers that one statement removes; each has counts of up to 1,000 entity types. */
const PRODUCERS = 20;

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
    const seen = this.#seen.get(row) ?? { bare: 0, thin: "", thinned: 0 };
    this.#seen.set(row, seen);
    const room = wholeRoom();
    if (progressMax !== undefined) {
      const thin = `${progressSeq} ${progressMax}`;
      if (seen.thin !== thin) Object.assign(seen, { thin, thinned: 0 });
      this.#thin(row, progressMax, seen, room);
      if (isUsedUp(room)) return true;
    }
    const over = row.job.held - entriesMax;
    if (over > 0) {
      room.entries = Math.min(over, room.entries);
      this.#drop(row, SUPERSEDED, { after: seen.bare, below: progressSeq }, room);
      if (!isUsedUp(room)) {
        seen.bare = progressSeq - 1;
        this.#drop(row, LINES, { after: 0, below: Infinity }, room);
      }
      // Changes of status stay whatever the limit is.
      if (isUsedUp(room) && row.job.held > entriesMax) return true;
    }
    if (progressMax !== undefined) {
      this.#sql("UPDATE jobs SET thinned = 1 WHERE pk = ?").run(row.pk);
    }
    return false;
  }

  /** Removes the job; `collect` removes its entries and its producers. */
  remove(pk: number): void {
    this.#sql("DELETE FROM jobs WHERE pk = ?").run(pk);
    this.#sql("INSERT INTO removed (job) VALUES (?)").run(pk);
  }

  /** A slice of the entries and producers of removed jobs; true when there is more to do. */
  collect(): boolean {
    const room = wholeRoom();
    while (!isUsedUp(room)) {
      const found = this.#sql("SELECT job FROM removed LIMIT 1").get();
      if (!found) return room.bytes < SLICE_BYTES;
      this.#collectOf(found.job as number, room); // its own column
    }
    return true;
  }

  /** Removes as many of the job's entries and producers as there is room for. */
  #collectOf(job: number, room: Room): void {
    room.bytes -= PER_JOB_BYTES;
    const last = this.#rows(job, ALL, { after: 0, below: Infinity }, room).at(-1);
    if (last) this.#sql("DELETE FROM entries WHERE job = ? AND seq <= ?").run(job, last.seq);
    const producers = this.#sql(
      `DELETE FROM producers WHERE job = ?1
       AND id IN (SELECT id FROM producers WHERE job = ?1 LIMIT ?2)
       RETURNING octet_length(state) AS size`,
    );
    for (let most = 1, more = true; more && !isUsedUp(room); most = Math.min(2 * most, PRODUCERS)) {
      const sizes = producers.all(job, most) as { size: number }[]; // own table
      more = sizes.length === most;
      room.entries -= sizes.length;
      for (const { size } of sizes) room.bytes -= size;
    }
    if (!isUsedUp(room)) this.#sql("DELETE FROM removed WHERE job = ?").run(job);
  }

  /** Keeps the newest superseded progress entry in each of `most` stretches of the log. */
  #thin(row: JobRow, most: number, seen: Seen, room: Room): void {
    const { pk, job } = row;
    const width = Math.ceil(job.progressSeq / most);
    const newest = this.#sql(`SELECT seq ${NEWEST_PROGRESS}`);
    let removed = 0;
    for (; width > 1 && seen.thinned < job.progressSeq; seen.thinned += width) {
      const after = seen.thinned;
      const through = Math.min(after + width, job.progressSeq - 1);
      const seq = newest.get(pk, after, through)?.seq;
      const below = typeof seq === "number" ? Math.min(seq, through) : 0;
      if (below - after <= 1) continue; // there is one at most
      const last = this.#rows(pk, SUPERSEDED, { after, below }, room).at(-1);
      if (!last) continue;
      removed += this.#cut(pk, SUPERSEDED, after, Math.min(last.seq + 1, below));
      if (isUsedUp(room)) break;
    }
    if (removed > 0) this.#jobs.change(row, trimmed(job, removed, []));
  }

  /** Removes the oldest entries of these kinds between two positions, as many as there is room for. */
  #drop(row: JobRow, kinds: Kinds, stretch: Stretch, room: Room): void {
    const { pk, job } = row;
    const { after, below } = stretch;
    let left = room.entries;
    const rows = this.#rows(pk, kinds, stretch, room);
    const through = LOG_LEVELS.map(() => 0);
    let end = 0;
    for (const { seq, kind, count } of rows) {
      end = Math.min(seq, below - 1, seq - count + left);
      left -= end - (seq - count);
      if (kind >= FIRST_LOG) through[kind - FIRST_LOG] = end;
    }
    const removed = this.#cut(pk, kinds, after, end + 1);
    this.#jobs.change(row, trimmed(job, removed, through));
  }

  /**
   * The rows with entries of these kinds between two positions, oldest first, as many as there is
   * room for; what they have counts as removed. SQLite reads a row whole to step to the next one, so
   * few are looked at first, and twice as many each time: a slice of long rows would else read
   * thousands of them to remove one.
   */
  #rows(job: number, kinds: Kinds, { after, below }: Stretch, room: Room) {
    const next = this.#sql(
      `SELECT seq, kind, count, octet_length(body) AS size FROM entries
       WHERE job = ?1 AND kind BETWEEN ?2 AND ?3 AND seq > ?4
       AND seq - count + 1 < ?5 AND seq < ?5 + ${ROW_ENTRIES_MAX} ORDER BY seq LIMIT ?6`,
    );
    const found: { seq: number; kind: number; count: number; size: number }[] = [];
    for (let most = ROWS, more = true; more && !isUsedUp(room); most *= 2) {
      const asked = Math.min(most, room.entries);
      const rows = next.all(job, ...kinds, found.at(-1)?.seq ?? after, below, asked);
      more = rows.length === asked;
      for (const row of rows as typeof found) { // own columns
        found.push(row);
        room.entries -= row.count;
        room.bytes -= row.size;
        if (isUsedUp(room)) break;
      }
    }
    return found;
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

function wholeRoom(): Room {
  return { entries: SLICE, bytes: SLICE_BYTES };
}

/** Whether nothing more may be removed, so that nobody knows what else there is. */
function isUsedUp({ entries, bytes }: Room): boolean {
  return entries <= 0 || bytes <= 0;
}
