/** What is told of one job, on disk until the server has it. */
import { closeSync, openSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { droppedWords, type SpoolRow } from "./spool_row.ts";

/** Bytes of events that a spool holds when nothing else is said. */
export const SPOOL_BYTES_MAX = 16 * 1024 * 1024;
/** Making room goes down to this share of the limit, so that it is seldom done. */
const ROOM_SHARE = 0.9;
/** Events of one request, and their bytes. */
const BATCH_MAX = 500;
const BATCH_BYTES_MAX = 256 * 1024;
/** A spool that is being made or looked at is somebody's for as long, in milliseconds. */
const BUSY_MS = 2_000;

const SCHEMA = `
  CREATE TABLE job (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    id TEXT NOT NULL, producer TEXT NOT NULL, body TEXT NOT NULL,
    server TEXT, key_print TEXT,
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
  /** What tells its key from others; null where any will do. */
  readonly keyPrint: string | null;
}

/** What an event says, which is how much it is worth when there is no room. */
export type SpooledKind = "progress" | "log" | "end";

/** A request that is to be sent until it is answered, each time with the same number and body. */
export interface SpooledRequest {
  readonly number: number;
  readonly body: string;
  /** Whether the end of the job is in it, and whether nothing else is. */
  readonly last: boolean;
  readonly endOnly: boolean;
}

/** A spool that cannot be read: a fault of the disk, or a file that is none of ours. */
export class SpoolBrokenError extends Error {
  override readonly name = "SpoolBrokenError";
}

/**
 * One job's events in the order in which they were told. The process that has it holds SQLite's
 * lock on the file, which the system lets go of however that process ends.
 *
 * Where there is no room the oldest progress goes first (never the newest), then the oldest log
 * lines, never the end and never what is being sent; how much went is told in the next request.
 */
export class Spool {
  readonly path: string;
  readonly job: SpooledJob;
  readonly #db: DatabaseSync;
  readonly #bytesMax: number;
  #bytes: number;
  #row: SpoolRow;
  /** The end, where the disk would not take it. */
  #endInMemory: string | undefined;

  /** Makes a new one. @param path `:memory:` for one that is gone with the process */
  static create(path: string, job: SpooledJob, bytesMax = SPOOL_BYTES_MAX): Spool {
    // SQLite gives the files beside it the same mode.
    if (path !== MEMORY) closeSync(openSync(path, "wx", 0o600));
    const db = opened(path, BUSY_MS);
    try {
      db.exec(SCHEMA);
      const { id, producer, body, server, keyPrint } = job;
      db.prepare("INSERT INTO job VALUES (1, ?, ?, ?, ?, ?, 0, 0, NULL, 0, 0, 0)")
        .run(id, producer, body, server, keyPrint);
      return new Spool(path, db, bytesMax);
    } catch (cause) {
      db.close();
      throw cause;
    }
  }

  /**
   * Takes over one that its process has left: unless somebody is `busy` with it, or it is `empty`.
   *
   * @throws {SpoolBrokenError}
   */
  static open(path: string, bytesMax = SPOOL_BYTES_MAX): Spool | "busy" | "empty" {
    let db: DatabaseSync | undefined;
    try {
      db = opened(path, 0);
      const table = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'job'").get();
      const row = table && db.prepare("SELECT over FROM job").get();
      if (row && row.over === 0) return new Spool(path, db, bytesMax);
      db.close();
      return "empty";
    } catch (cause) {
      db?.close();
      if (/locked|busy/.test(String(cause))) return "busy";
      throw new SpoolBrokenError(`Cannot read the spool "${path}": ${String(cause)}`, { cause });
    }
  }

  private constructor(path: string, db: DatabaseSync, bytesMax: number) {
    this.path = path;
    this.#db = db;
    this.#bytesMax = bytesMax;
    const row = db.prepare("SELECT * FROM job").get() ?? {};
    const text = (name: string) => row[name] === null ? null : String(row[name]);
    this.job = {
      id: String(row.id),
      producer: String(row.producer),
      body: String(row.body),
      server: text("server"),
      keyPrint: text("key_print"),
    };
    this.#row = {
      created: Number(row.created),
      number: Number(row.number),
      sending: row.sending === null ? undefined : Number(row.sending),
      linesDropped: Number(row.lines_dropped),
      progressDropped: Number(row.progress_dropped),
      over: Number(row.over),
    };
    this.#bytes = Number(db.prepare("SELECT coalesce(sum(bytes), 0) AS n FROM event").get()?.n);
  }

  /** Whether the server knows the job. */
  get created(): boolean {
    return this.#row.created === 1;
  }

  /** Whether there is nothing to tell. */
  get empty(): boolean {
    return this.#bytes === 0 && this.#endInMemory === undefined;
  }

  /** Bytes of events that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether the end of the job is in it. */
  get ended(): boolean {
    return this.#endInMemory !== undefined ||
      this.#db.prepare("SELECT 1 FROM event WHERE kind = 'end'").get() !== undefined;
  }

  /** Events that wait. */
  get waiting(): number {
    return Number(this.#db.prepare("SELECT count(*) AS n FROM event").get()?.n);
  }

  /** Keeps an event, on disk when this returns. Never throws: one that cannot be kept is counted. */
  append(kind: SpooledKind, body: string): void {
    const bytes = Buffer.byteLength(body);
    try {
      if (this.#bytes + bytes > this.#bytesMax) this.#makeRoom(bytes);
      this.#insert(kind, bytes, body);
    } catch {
      // The disk is full, or broken. It goes on without what can be done without.
      if (kind === "end") this.#appendEndSomehow(bytes, body);
      else this.#countDropped(kind, 1);
    }
  }

  /** What is to be sent next, and is until `delivered` or `refused`; undefined when nothing is. */
  take(): SpooledRequest | undefined {
    if (this.empty) return undefined;
    if (this.#row.sending === undefined) this.#choose();
    const rows = this.#db.prepare("SELECT kind, body FROM event WHERE n <= ? ORDER BY n")
      .all(this.#row.sending ?? 0);
    const bodies = rows.map(({ body }) => String(body));
    const rest = this.#db.prepare("SELECT 1 FROM event WHERE n > ?").get(this.#row.sending ?? 0);
    let last = rows.some(({ kind }) => kind === "end");
    if (this.#endInMemory !== undefined && !rest) {
      bodies.push(this.#endInMemory);
      last = true;
    }
    const { number } = this.#row;
    return { number, body: `[${bodies.join(",")}]`, last, endOnly: last && bodies.length === 1 };
  }

  /** The server has the job. */
  wasCreated(): void {
    this.#save({ created: 1 });
  }

  /** The server has what was taken. */
  delivered({ last }: SpooledRequest): void {
    this.#forget("n <= ?", this.#row.sending ?? 0);
    if (last) this.#endInMemory = undefined;
    this.#save({ sending: undefined, number: this.#row.number + 1, over: last ? 1 : 0 });
  }

  /** The server would never take what was taken: it goes, but for the end of the job. */
  refused(): void {
    this.#forget("n <= ? AND kind <> 'end'", this.#row.sending ?? 0);
    this.#save({ sending: undefined });
  }

  /** Only the end of the job can still be told. */
  onlyEnd(): void {
    this.#forget("kind <> ?", "end");
    this.#save({ sending: undefined, linesDropped: 0, progressDropped: 0 });
  }

  /** The server counts requests otherwise. */
  renumber(number: number): void {
    this.#save({ number });
  }

  /** Leaves out all that can be done without, on disk too. */
  shrink(): void {
    this.#makeRoom(0, 0);
    this.#db.exec("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)");
  }

  /** Lets go of it; the next process may take it over. */
  close(): void {
    this.#db.close();
  }

  /** Nothing is left to tell. */
  remove(): void {
    this.#save({ over: 1 });
    // Whoever opens the file from now on finds no name for it, or that it is over.
    if (this.path !== MEMORY) rmSync(this.path, { force: true });
    this.#db.close();
    if (this.path !== MEMORY) rmSync(`${this.path}-wal`, { force: true });
  }

  #insert(kind: SpooledKind, bytes: number, body: string): void {
    this.#db.prepare("INSERT INTO event (kind, bytes, body) VALUES (?, ?, ?)").run(
      kind,
      bytes,
      body,
    );
    this.#bytes += bytes;
  }

  #appendEndSomehow(bytes: number, body: string): void {
    try {
      this.#makeRoom(this.#bytesMax);
      this.#insert("end", bytes, body);
    } catch {
      // This process at least can still tell it.
      this.#endInMemory = body;
    }
  }

  /** Chooses what the next request holds, the word on what was dropped first. */
  #choose(): void {
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      this.#tellDropped();
      const rows = this.#db.prepare("SELECT n, bytes FROM event ORDER BY n LIMIT ?").all(BATCH_MAX);
      let sending = 0;
      let bytes = 0;
      for (const row of rows) {
        if (bytes >= BATCH_BYTES_MAX) break;
        bytes += Number(row.bytes);
        sending = Number(row.n);
      }
      this.#save({ sending });
      this.#db.exec("COMMIT");
    } catch (cause) {
      this.#db.exec("ROLLBACK");
      throw cause;
    }
  }

  #tellDropped(): void {
    const { linesDropped, progressDropped } = this.#row;
    const message = droppedWords(linesDropped, progressDropped);
    if (message === undefined) return;
    const body = JSON.stringify({ type: "log", level: "warning", source: "synctail", message });
    const bytes = Buffer.byteLength(body);
    // Before all others: what went was the oldest. Rows count from 1 upwards, so there is room.
    const first = Number(this.#db.prepare("SELECT min(n) AS n FROM event").get()?.n ?? 1);
    this.#db.prepare("INSERT INTO event (n, kind, bytes, body) VALUES (?, 'log', ?, ?)")
      .run(first - 1, bytes, body);
    this.#bytes += bytes;
    this.#save({ linesDropped: 0, progressDropped: 0 });
  }

  #makeRoom(bytes: number, bytesMax = this.#bytesMax): void {
    const wanted = Math.max(0, bytesMax * ROOM_SHARE - bytes);
    const newest = Number(
      this.#db.prepare("SELECT max(n) AS n FROM event WHERE kind = 'progress'").get()?.n ?? 0,
    );
    this.#drop("progress", wanted, newest);
    this.#drop("log", wanted, Number.MAX_SAFE_INTEGER);
  }

  /** Drops the oldest of a kind before a row, until there are no more bytes than wanted. */
  #drop(kind: "progress" | "log", wanted: number, before: number): void {
    let over = this.#bytes - wanted;
    if (over <= 0) return;
    let upTo: number | undefined;
    const rows = this.#db.prepare(
      "SELECT n, bytes FROM event WHERE kind = ? AND n > ? AND n < ? ORDER BY n",
    );
    for (const row of rows.all(kind, this.#row.sending ?? -1, before)) {
      upTo = Number(row.n);
      over -= Number(row.bytes);
      if (over <= 0) break;
    }
    if (upTo === undefined) return;
    const gone = this.#forget(
      "kind = ? AND n > ? AND n <= ?",
      kind,
      this.#row.sending ?? -1,
      upTo,
    );
    this.#countDropped(kind, gone);
  }

  #countDropped(kind: "progress" | "log", count: number): void {
    const { linesDropped, progressDropped } = this.#row;
    this.#row = kind === "log"
      ? { ...this.#row, linesDropped: linesDropped + count }
      : { ...this.#row, progressDropped: progressDropped + count };
    try {
      this.#save({});
    } catch {
      // Counted in memory: the next time that something can be saved, this is.
    }
  }

  /** @returns how many rows went */
  #forget(where: string, ...values: (string | number)[]): number {
    const sum = this.#db.prepare(`SELECT coalesce(sum(bytes), 0) AS n FROM event WHERE ${where}`);
    const bytes = Number(sum.get(...values)?.n);
    const { changes } = this.#db.prepare(`DELETE FROM event WHERE ${where}`).run(...values);
    this.#bytes -= bytes;
    return Number(changes);
  }

  #save(changed: Partial<SpoolRow>): void {
    this.#row = { ...this.#row, ...changed };
    const { created, number, sending = null, linesDropped, progressDropped, over } = this.#row;
    this.#db.prepare(
      "UPDATE job SET created = ?, number = ?, sending = ?, lines_dropped = ?, " +
        "progress_dropped = ?, over = ?",
    ).run(created, number, sending, linesDropped, progressDropped, over);
  }
}

const MEMORY = ":memory:";

/** @throws when somebody has it, or it is no database */
function opened(path: string, timeout: number): DatabaseSync {
  const db = new DatabaseSync(path, { timeout });
  try {
    db.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL");
    db.exec("PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE; COMMIT");
    return db;
  } catch (cause) {
    db.close();
    throw cause;
  }
}
