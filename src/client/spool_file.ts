/** The file of a spool: one SQLite database a job, held by one process. */
import { DatabaseSync } from "node:sqlite";

/** A spool that is gone with its process. */
export const MEMORY = ":memory:";

const SCHEMA = `
  CREATE TABLE job (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    id TEXT NOT NULL, producer TEXT NOT NULL, body TEXT NOT NULL, server TEXT, key_print TEXT,
    created INTEGER NOT NULL, number INTEGER NOT NULL, sending INTEGER,
    lines_dropped INTEGER NOT NULL, progress_dropped INTEGER NOT NULL, over INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE event (
    n INTEGER PRIMARY KEY, kind TEXT NOT NULL, bytes INTEGER NOT NULL, body TEXT NOT NULL
  ) STRICT;
  CREATE INDEX event_kind ON event (kind, n);
`;

/** The job, and whom it is told to. */
export interface SpooledJob {
  readonly id: string;
  /** The Producer-Id. */
  readonly producer: string;
  /** The body that creates the job. */
  readonly body: string;
  /** The server's URL; null for the one of the data directory. */
  readonly server: string | null;
  /** A digest of the key that it is sent with; null when any key will do. */
  readonly keyPrint: string | null;
}

/** How far it has been sent. */
export interface SpoolState {
  /** 1 when the server knows the job. */
  readonly created: number;
  /** The Producer-Seq of the request that is being sent or comes next. */
  readonly number: number;
  /** The last event of the request that is being sent; null when none is. */
  readonly sending: number | null;
  /** How many were dropped for lack of room since the server was last told of that. */
  readonly linesDropped: number;
  readonly progressDropped: number;
  /** 1 when nothing is left to send. */
  readonly over: number;
}

export const NEW_STATE: SpoolState = {
  created: 0,
  number: 0,
  sending: null,
  linesDropped: 0,
  progressDropped: 0,
  over: 0,
};

/**
 * Opens the file and holds SQLite's lock on it; the system releases it however this process ends.
 *
 * @param timeoutMs how long to wait for a process that has it
 * @throws {Error} when another process has it, or it is not a database
 */
export function openSpoolFile(path: string, timeoutMs: number): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: timeoutMs });
  try {
    db.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL");
    db.exec("PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE; COMMIT");
    return db;
  } catch (cause) {
    db.close();
    throw cause;
  }
}

/** Makes the tables of a new spool, and stores its job. */
export function fillSpoolFile(db: DatabaseSync, job: SpooledJob): void {
  db.exec("BEGIN");
  db.exec(SCHEMA);
  db.prepare("INSERT INTO job VALUES (1, ?, ?, ?, ?, ?, 0, 0, NULL, 0, 0, 0)")
    .run(job.id, job.producer, job.body, job.server, job.keyPrint);
  db.exec("COMMIT");
}

/** Reads the job and its state; undefined when the file was never filled. */
export function readSpoolFile(
  db: DatabaseSync,
): { readonly job: SpooledJob; readonly state: SpoolState } | undefined {
  if (!db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'job'").get()) return undefined;
  const row = db.prepare("SELECT * FROM job").get();
  if (!row) return undefined;
  const text = (name: string) => row[name] === null ? null : String(row[name]);
  return {
    job: {
      id: String(row.id),
      producer: String(row.producer),
      body: String(row.body),
      server: text("server"),
      keyPrint: text("key_print"),
    },
    state: {
      created: Number(row.created),
      number: Number(row.number),
      sending: row.sending === null ? null : Number(row.sending),
      linesDropped: Number(row.lines_dropped),
      progressDropped: Number(row.progress_dropped),
      over: Number(row.over),
    },
  };
}

/** Replaces the stored state. */
export function writeSpoolState(db: DatabaseSync, state: SpoolState): void {
  const { created, number, sending, linesDropped, progressDropped, over } = state;
  db.prepare(
    "UPDATE job SET created = ?, number = ?, sending = ?, lines_dropped = ?, " +
      "progress_dropped = ?, over = ?",
  ).run(created, number, sending, linesDropped, progressDropped, over);
}

/** Copies a spool to memory, for when the disk takes nothing more. */
export function copyToMemory(from: DatabaseSync, job: SpooledJob, state: SpoolState): DatabaseSync {
  const db = openSpoolFile(MEMORY, 0);
  fillSpoolFile(db, job);
  writeSpoolState(db, state);
  const insert = db.prepare("INSERT INTO event VALUES (?, ?, ?, ?)");
  for (const { n, kind, bytes, body } of from.prepare("SELECT * FROM event").all()) {
    insert.run(n, kind, bytes, body);
  }
  return db;
}
