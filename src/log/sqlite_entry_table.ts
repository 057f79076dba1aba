/** The table of entries: what is written to it, and what is asked of it. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import {
  type Entry,
  LOG_LEVELS,
  type LogLevel,
  type ProgressEntry,
  type Seq,
} from "../sync/entry.ts";
import { READ_BYTES_MAX, type ReadQuery, wanted } from "./event_log.ts";
import {
  entriesOf,
  type EntryRow,
  FIRST_LOG,
  INSERT_ROW,
  logKindFrom,
  NEWEST_PROGRESS,
  PROGRESS,
  progressUpTo,
  ROW_ENTRIES_MAX,
  rowsOf,
} from "./sqlite_entry_rows.ts";
import { asArrays } from "./transaction.ts";

/** Rows that are fetched at a time; their bodies may be large. */
const ROWS = 100;
/** Entries that a row is taken to hold until some were read. */
const ENTRIES_A_ROW = 8;

/** Entries by their job's key in the table of jobs. */
export class EntryTable {
  readonly #insert: StatementSync;
  readonly #read: StatementSync;
  readonly #first: StatementSync;
  readonly #lastLogs: StatementSync;
  readonly #newest: StatementSync;

  constructor(db: DatabaseSync) {
    this.#insert = db.prepare(INSERT_ROW);
    // Rows are found by their last entries, so the first one may begin before what is asked for.
    this.#read = db.prepare(
      `SELECT seq, at_ms, kind, body, count FROM entries WHERE job = ? AND seq > ?
       AND (kind > ${PROGRESS} OR seq >= ?) AND (kind < ${FIRST_LOG} OR kind >= ?) AND kind >= ?
       ORDER BY seq LIMIT ?`,
    );
    asArrays(this.#read);
    // Not `AS seq`: ORDER BY would take that for the column, and sort all rows of the job.
    this.#first = db.prepare(
      "SELECT seq - count + 1 AS first FROM entries WHERE job = ? ORDER BY seq LIMIT 1",
    );
    this.#lastLogs = db.prepare(
      `SELECT seq, count FROM entries WHERE job = ? AND seq - count < ? AND seq < ?
       AND kind >= ? ORDER BY seq DESC LIMIT ?`,
    );
    this.#newest = db.prepare(`SELECT seq, at_ms, kind, body, count ${NEWEST_PROGRESS}`);
    asArrays(this.#newest);
    asArrays(this.#lastLogs);
  }

  /** Inserts entries. @returns the characters of their bodies */
  insert(job: number, entries: readonly Entry[]): number {
    let length = 0;
    for (const row of rowsOf(entries)) {
      this.#insert.run(job, ...row);
      length += row[3].length;
    }
    return length;
  }

  /** What the query asks for, and whether it was cut off by a limit, of entries or of bytes. */
  read(job: number, query: ReadQuery): { readonly entries: Entry[]; readonly more: boolean } {
    const entries: Entry[] = [];
    let bytes = 0;
    let last = query.after;
    let more = false;
    // Not `iterate`: in Deno 2.9.6 that ends without an error when the file cannot be read.
    for (let asked = 1, got = 1, aRow = ENTRIES_A_ROW; got === asked && !more;) {
      asked = Math.min(ROWS, Math.ceil((query.limit - entries.length) / aRow));
      const rows = this.#read.all(
        job,
        last,
        query.mergeBelow ?? 0,
        logKindFrom(query.logs),
        query.only === "logs" ? FIRST_LOG : PROGRESS,
        asked,
      ) as unknown as EntryRow[]; // nobody else writes this table
      got = rows.length;
      aRow = rows.reduce((held, row) => held + row[4], 0) / got;
      for (const row of rows) {
        for (const entry of entriesOf(row)) {
          if (entry.seq > query.after && wanted(entry, query)) entries.push(entry);
        }
        last = row[0];
        bytes += row[3].length;
        if (bytes > READ_BYTES_MAX || entries.length >= query.limit) break;
      }
      more = entries.length >= query.limit || bytes > READ_BYTES_MAX;
    }
    entries.splice(query.limit);
    return { entries, more };
  }

  /** Seq of the job's oldest entry; undefined when it has none. */
  firstSeq(job: number): Seq | undefined {
    const first = this.#first.get(job)?.first;
    return typeof first === "number" ? first : undefined;
  }

  /** As EventLog.newestProgress. */
  newestProgress(job: number, after: Seq, through: Seq): ProgressEntry | undefined {
    const row = this.#newest.get(job, after, through) as unknown as EntryRow | undefined; // own columns
    return row && progressUpTo(row, through);
  }

  /** As EventLog.beforeLastLogs; 0 where there are fewer lines than `count`. */
  beforeLastLogs(job: number, level: LogLevel, count: number, through: Seq): Seq {
    const kind = FIRST_LOG + LOG_LEVELS.indexOf(level);
    let left = count;
    for (let below = through + ROW_ENTRIES_MAX, asked = 1, got = 1; got === asked;) {
      asked = Math.min(ROWS, left);
      const rows = this.#lastLogs.all(job, through, below, kind, asked) as unknown as [
        seq: Seq,
        count: number,
      ][]; // own columns
      for (const [seq, held] of rows) {
        const last = Math.min(seq, through);
        const lines = last - (seq - held);
        if (left <= lines) return last - left;
        left -= lines;
        below = seq;
      }
      got = rows.length;
    }
    return 0;
  }
}
