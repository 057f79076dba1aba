/** The table of entries: what is written to it, and what is asked of it. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { type Entry, LOG_LEVELS, type LogLevel, type Seq } from "../sync/entry.ts";
import { READ_BYTES_MAX, type ReadQuery } from "./event_log.ts";
import { entryOf, type EntryRow, entryRow, logKindFrom, NO_LOGS } from "./sqlite_entry_rows.ts";

/** Rows that are fetched at a time; their bodies may be large. */
const ROWS = 100;

/** Entries by their job's key in the table of jobs. */
export class EntryTable {
  readonly #insert: StatementSync;
  readonly #read: StatementSync;
  readonly #first: StatementSync;
  readonly #lastLogs: StatementSync;

  constructor(db: DatabaseSync) {
    this.#insert = db.prepare(
      "INSERT INTO entries (job, seq, at_ms, kind, body) VALUES (?, ?, ?, ?, ?)",
    );
    this.#read = db.prepare(
      `SELECT seq, at_ms, kind, body FROM entries WHERE job = ? AND seq > ?
       AND (kind > 0 OR seq >= ?) AND (kind < ${NO_LOGS} OR kind >= ?) AND kind >= ?
       ORDER BY seq LIMIT ?`,
    );
    asArrays(this.#read);
    this.#first = db.prepare("SELECT min(seq) AS seq FROM entries WHERE job = ?");
    this.#lastLogs = db.prepare(
      "SELECT seq FROM entries WHERE job = ? AND seq <= ? AND kind >= ? " +
        "ORDER BY seq DESC LIMIT 1 OFFSET ?",
    );
  }

  /** Inserts entries. @returns the characters of their bodies */
  insert(job: number, entries: readonly Entry[]): number {
    let length = 0;
    for (const entry of entries) {
      const columns = entryRow(entry);
      this.#insert.run(job, ...columns);
      length += columns[3].length;
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
    for (let asked = ROWS, got = ROWS; got === asked && !more; last = entries.at(-1)?.seq ?? last) {
      asked = Math.min(ROWS, query.limit - entries.length);
      const rows = this.#read.all(
        job,
        last,
        query.mergeBelow ?? 0,
        logKindFrom(query.logs),
        query.only === "logs" ? NO_LOGS : 0,
        asked,
      ) as unknown as EntryRow[]; // nobody else writes this table
      got = rows.length;
      for (const row of rows) {
        entries.push(entryOf(row));
        bytes += row[3].length;
        if (bytes > READ_BYTES_MAX) break;
      }
      more = entries.length === query.limit || bytes > READ_BYTES_MAX;
    }
    return { entries, more };
  }

  /** Seq of the job's oldest entry; undefined when it has none. */
  firstSeq(job: number): Seq | undefined {
    const seq = this.#first.get(job)?.seq;
    return typeof seq === "number" ? seq : undefined;
  }

  /** As EventLog.beforeLastLogs; 0 where there are fewer lines than `count`. */
  beforeLastLogs(job: number, level: LogLevel, count: number, through: Seq): Seq {
    const kind = NO_LOGS + LOG_LEVELS.indexOf(level);
    const row = this.#lastLogs.get(job, through, kind, count - 1);
    return typeof row?.seq === "number" ? row.seq - 1 : 0;
  }
}

/** Has a statement give each row as an array: under Deno an object takes half as long again. */
function asArrays(statement: StatementSync): void {
  // Both runtimes have it; the types that Deno brings do not name it.
  (statement as unknown as { setReturnArrays(on: boolean): void }).setReturnArrays(true);
}
