/** Entries as rows of the SQLite event log, there and back. */
import { type Entry, LOG_LEVELS, type LogLevel, type ProgressFact } from "../sync/entry.ts";

/** The kind of the first log level: kinds from here on are log lines. */
export const NO_LOGS = 10;
const PROGRESS = 0;
const STATUS = 1;

/** The columns seq, at_ms, kind, body. */
export type EntryRow = readonly [number, number, number, string];

/** The columns of the entry. */
export function entryRow(entry: Entry): EntryRow {
  if (entry.kind === "log") {
    const { seq, atMs, level, text } = entry;
    return [seq, atMs, NO_LOGS + LOG_LEVELS.indexOf(level), text];
  }
  const { seq, atMs, changesStatus } = entry;
  return [seq, atMs, changesStatus ? STATUS : PROGRESS, progressBody(entry)];
}

/** Reads a row that entryRow wrote; nobody else writes this table. */
export function entryOf([seq, atMs, kind, body]: EntryRow): Entry {
  if (kind >= NO_LOGS) {
    return { kind: "log", level: LOG_LEVELS[kind - NO_LOGS], text: body, seq, atMs };
  }
  return { ...progressOf(body), seq, atMs, changesStatus: kind === STATUS };
}

/** Without the names of what each entry has: they would be more than half of it. */
function progressBody({ status, progress, error }: ProgressFact): string {
  const { inserted, updated, deleted, kept, skipped, encountered, ...measures } = progress;
  const told = [status, inserted, updated, deleted, kept, skipped, encountered, measures];
  return JSON.stringify(error ? [...told, error] : told);
}

function progressOf(body: string): ProgressFact {
  const [status, inserted, updated, deleted, kept, skipped, encountered, measures, error] = JSON
    .parse(body);
  const progress = { inserted, updated, deleted, kept, skipped, encountered, ...measures };
  return { kind: "progress", status, progress, ...(error && { error }) };
}

/** The kind from which on log lines are read; without a level one that is above all of them. */
export function logKindFrom(least: LogLevel | undefined): number {
  return NO_LOGS + (least === undefined ? LOG_LEVELS.length : LOG_LEVELS.indexOf(least));
}
