/** Entries as rows of the SQLite event log, there and back. */
import {
  type Entry,
  LOG_LEVELS,
  type LogLevel,
  type ProgressEntry,
  type ProgressFact,
  type Seq,
} from "../sync/entry.ts";
import type { EntityCount, Progress } from "../sync/progress.ts";

/** The kind, which MIGRATIONS describes, of progress that later progress supersedes. */
export const PROGRESS = 0;
const STATUS = 1;
/** The kind of log lines of the least urgent level; those of the others follow. */
export const FIRST_LOG = 10;

/** What only some entries have. */
const MEASURES = Object.keys(
  {
    total: true,
    percent: true,
    bytesDone: true,
    bytesTotal: true,
    ratePerS: true,
    bytesPerS: true,
    etaS: true,
    phase: true,
    current: true,
    warnings: true,
    paced: true,
  } satisfies Record<Measure, true>,
) as Measure[];
type Measure = Exclude<keyof Progress, EntityCount | "encountered">;

/**
 * Most bytes of a row's bodies. With the other columns that is as much as SQLite keeps of a row in
 * its page; more would take pages of its own.
 *
 * @see https://www.sqlite.org/fileformat2.html#cell_payload
 */
const ROW_BYTES_MAX = 950;
/** Most entries of a row. */
export const ROW_ENTRIES_MAX = 24;
const ASCII = /^[\0-\x7f]*$/;
const utf8 = new TextEncoder();
/** Where bodies are encoded to be measured. */
const scratch = new Uint8Array(2 * ROW_BYTES_MAX);

/**
 * Entries that follow one another in the log, of one kind and of one moment: the columns seq (of the
 * last one), at_ms, kind, body (theirs, a line each) and count (how many they are).
 */
export type EntryRow = readonly [
  seq: Seq,
  atMs: number,
  kind: number,
  body: string,
  count: number,
];

/** Inserts a row: the job's key, then the columns of an EntryRow. */
export const INSERT_ROW =
  "INSERT INTO entries (job, seq, at_ms, kind, body, count) VALUES (?, ?, ?, ?, ?, ?)";

/** Finds the newest row of superseded progress of the job ?1 with an entry behind ?2 and up to ?3. */
export const NEWEST_PROGRESS =
  `FROM entries WHERE job = ?1 AND kind = ${PROGRESS} AND seq > ?2 AND seq - count < ?3
   AND seq < ?3 + ${ROW_ENTRIES_MAX} ORDER BY seq DESC LIMIT 1`;

/** The rows of the entries of one append. */
export function rowsOf(entries: readonly Entry[]): EntryRow[] {
  const rows: EntryRow[] = [];
  let room = 0;
  for (const entry of entries) {
    const row = rowOf(entry);
    const bytes = bytesOf(row[3]);
    const joined = bytes < room ? joinedRow(rows[rows.length - 1], row) : undefined;
    if (joined) rows[rows.length - 1] = joined;
    else rows.push(row);
    room = joined ? room - 1 - bytes : ROW_BYTES_MAX - bytes;
  }
  return rows;
}

/** Reads a row that rowsOf made; nobody else writes this table. */
export function entriesOf([last, atMs, kind, body, count]: EntryRow): Entry[] {
  if (count === 1) return [entryOf(last, atMs, kind, body)];
  return body.split("\n").map((line, n) => entryOf(last - count + 1 + n, atMs, kind, line));
}

/** The newest entry of a row of progress up to a position that is not before its first. */
export function progressUpTo(
  [last, atMs, kind, body, count]: EntryRow,
  through: Seq,
): ProgressEntry {
  const seq = Math.min(last, through);
  const line = body.split("\n")[seq - 1 - (last - count)];
  return progressEntry(seq, atMs, kind, line);
}

/** What is left of the row without the entries between two positions, which stay themselves. */
export function withoutBetween(row: EntryRow, after: Seq, before: Seq): EntryRow[] {
  const [last, atMs, kind, body, count] = row;
  const lines = body.split("\n");
  const beforeFirst = last - count;
  const start = lines.slice(0, Math.max(0, after - beforeFirst));
  const end = lines.slice(Math.max(0, before - 1 - beforeFirst));
  const rows: EntryRow[] = [];
  if (start.length > 0) rows.push([after, atMs, kind, start.join("\n"), start.length]);
  if (end.length > 0) rows.push([last, atMs, kind, end.join("\n"), end.length]);
  return rows;
}

function rowOf(entry: Entry): EntryRow {
  const { seq, atMs } = entry;
  if (entry.kind === "log") {
    return [seq, atMs, FIRST_LOG + LOG_LEVELS.indexOf(entry.level), entry.text, 1];
  }
  return [seq, atMs, entry.changesStatus ? STATUS : PROGRESS, progressBody(entry), 1];
}

/** Bytes of a body in the file; of one that is too long to share a row, some number above the most. */
function bytesOf(body: string): number {
  if (body.length >= ROW_BYTES_MAX || ASCII.test(body)) return body.length;
  return utf8.encodeInto(body, scratch).written;
}

/** Both rows as one, where the second may follow the first in a row. */
function joinedRow(
  [, atMs, kind, body, count]: EntryRow,
  [seq, atMsToo, kindToo, added]: EntryRow,
): EntryRow | undefined {
  if (kind !== kindToo || atMs !== atMsToo || count === ROW_ENTRIES_MAX) return undefined;
  return [seq, atMs, kind, `${body}\n${added}`, count + 1];
}

function entryOf(seq: Seq, atMs: number, kind: number, body: string): Entry {
  if (kind >= FIRST_LOG) {
    return { kind: "log", level: LOG_LEVELS[kind - FIRST_LOG], text: body, seq, atMs };
  }
  return progressEntry(seq, atMs, kind, body);
}

function progressEntry(seq: Seq, atMs: number, kind: number, body: string): ProgressEntry {
  return { ...progressOf(body), seq, atMs, changesStatus: kind === STATUS };
}

/** Without the names of what every entry has: they would be more than half of it. */
function progressBody({ status, progress: p, error }: ProgressFact): string {
  // Copied by hand, as it runs for every event: a rest takes twice as long, and keeps what is undefined.
  const measures: Record<string, unknown> = {};
  for (const name of MEASURES) if (p[name] !== undefined) measures[name] = p[name];
  const { inserted, updated, deleted, kept, skipped, encountered } = p;
  const told: unknown[] = [
    status,
    inserted,
    updated,
    deleted,
    kept,
    skipped,
    encountered,
    measures,
  ];
  if (error) told.push(error);
  return JSON.stringify(told);
}

function progressOf(body: string): ProgressFact {
  const [status, inserted, updated, deleted, kept, skipped, encountered, measures, error] = JSON
    .parse(body);
  const progress = { inserted, updated, deleted, kept, skipped, encountered, ...measures };
  return { kind: "progress", status, progress, ...(error && { error }) };
}

/** The kind from which on log lines are read; without a level one that is above all of them. */
export function logKindFrom(least: LogLevel | undefined): number {
  return FIRST_LOG + (least === undefined ? LOG_LEVELS.length : LOG_LEVELS.indexOf(least));
}
