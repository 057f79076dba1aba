/** The index in one SQLite file, which anybody may read while it is written. */
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { openVersioned, StoreForeignError, StoreVersionError } from "../log/migrate.ts";
import {
  DestinationError,
  type IndexDestination,
  type IndexedEntity,
  type IndexSession,
} from "./index_destination.ts";

/** "STix" */
const APPLICATION_ID = 0x53546978;
const MIGRATIONS = [
  `CREATE TABLE entities (
     key TEXT PRIMARY KEY,
     type TEXT NOT NULL,
     hash TEXT NOT NULL,
     size INTEGER NOT NULL,
     mtime_ms INTEGER NOT NULL,
     inode INTEGER NOT NULL,
     settled INTEGER NOT NULL
   ) WITHOUT ROWID;
   CREATE TABLE origin (source TEXT NOT NULL);`,
];
/** SQLite's result code for a full disk (https://www.sqlite.org/rescode.html#full). */
const SQLITE_FULL = 13;
/** Rows of one transaction: a few milliseconds' work, so that nobody waits long for the lock. */
const ROWS_MAX = 500;

/** An index in the file at `path`, which is created when it is not there, with its directory. */
export class SqliteIndex implements IndexDestination {
  readonly paths: readonly string[];
  readonly #path: string;
  readonly #opened: (db: DatabaseSync) => void;

  /** @param opened is given the database of each session, to set limits of its own */
  constructor(path: string, opened: (db: DatabaseSync) => void = () => {}) {
    this.#path = path;
    this.#opened = opened;
    this.paths = [path, `${path}-wal`, `${path}-shm`];
  }

  open(source: string): IndexSession {
    const db = this.#database();
    try {
      return translated(this.#path, () => {
        // A commit that a power cut takes back is made again by the next run.
        db.exec("PRAGMA synchronous = NORMAL");
        this.#opened(db);
        this.#claim(db, source);
        return new SqliteIndexSession(db, this.#path);
      });
    } catch (cause) {
      db.close();
      throw cause;
    }
  }

  #database(): DatabaseSync {
    try {
      mkdirSync(dirname(this.#path), { recursive: true });
      const what = "the index";
      return openVersioned(this.#path, {
        applicationId: APPLICATION_ID,
        migrations: MIGRATIONS,
        what,
      });
    } catch (cause) {
      const code = cause instanceof StoreForeignError
        ? "destination_foreign"
        : cause instanceof StoreVersionError
        ? "destination_newer"
        : "destination_unwritable";
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new DestinationError(code, reason, { cause });
    }
  }

  /** The first source to come owns the index. One statement: another process may do the same. */
  #claim(db: DatabaseSync, source: string): void {
    const found = () => db.prepare("SELECT source FROM origin").get()?.source;
    if (found() === undefined) {
      db.prepare("INSERT INTO origin SELECT ? WHERE NOT EXISTS (SELECT 1 FROM origin)").run(source);
    }
    const owner = found();
    if (owner === source) return;
    throw new DestinationError(
      "destination_of_other_source",
      `Cannot write "${source}" into "${this.#path}": it is the index of "${owner}"`,
    );
  }
}

class SqliteIndexSession implements IndexSession {
  readonly #db: DatabaseSync;
  readonly #path: string;
  readonly #after: ReturnType<DatabaseSync["prepare"]>;
  readonly #put: ReturnType<DatabaseSync["prepare"]>;
  readonly #remove: ReturnType<DatabaseSync["prepare"]>;
  /** Rows to write and keys to remove, kept until a transaction can be as short as it may be. */
  #pending: (IndexedEntity | string)[] = [];

  constructor(db: DatabaseSync, path: string) {
    this.#db = db;
    this.#path = path;
    this.#after = db.prepare("SELECT * FROM entities WHERE key > ? ORDER BY key LIMIT ?");
    this.#put = db.prepare("INSERT OR REPLACE INTO entities VALUES (?, ?, ?, ?, ?, ?, ?)");
    this.#remove = db.prepare("DELETE FROM entities WHERE key = ?");
  }

  after(key: string, limit: number): IndexedEntity[] {
    return translated(this.#path, () => this.#after.all(key, limit)).map((row) => ({
      key: String(row.key),
      type: String(row.type),
      hash: String(row.hash),
      size: Number(row.size),
      mtimeMs: Number(row.mtime_ms),
      inode: Number(row.inode),
      settled: row.settled === 1,
    }));
  }

  put(entity: IndexedEntity): void {
    this.#write(entity);
  }

  remove(key: string): void {
    this.#write(key);
  }

  flush(): void {
    if (this.#pending.length === 0) return;
    const rows = this.#pending;
    this.#pending = [];
    translated(this.#path, () => {
      this.#db.exec("BEGIN IMMEDIATE");
      try {
        for (const row of rows) this.#apply(row);
        this.#db.exec("COMMIT");
      } catch (cause) {
        if (this.#db.isTransaction) this.#db.exec("ROLLBACK"); // A full disk has done it already.
        throw cause;
      }
    });
  }

  close(): void {
    try {
      this.flush();
    } catch {
      // Whoever cared for the outcome has called flush; the next run finds what was lost.
    }
    this.#db.close();
  }

  #write(row: IndexedEntity | string): void {
    this.#pending.push(row);
    if (this.#pending.length >= ROWS_MAX) this.flush();
  }

  #apply(row: IndexedEntity | string): void {
    if (typeof row === "string") this.#remove.run(row);
    else {
      const { key, type, hash, size, mtimeMs, inode, settled } = row;
      this.#put.run(key, type, hash, size, mtimeMs, inode, settled ? 1 : 0);
    }
  }
}

/** Runs it, with SQLite's errors put into words for people. */
function translated<T>(path: string, run: () => T): T {
  try {
    return run();
  } catch (cause) {
    if (cause instanceof DestinationError) throw cause;
    const full = cause instanceof Error && "errcode" in cause && cause.errcode === SQLITE_FULL;
    const reason = full ? "the disk is full" : cause instanceof Error ? cause.message : `${cause}`;
    throw new DestinationError(
      full ? "storage_full" : "destination_unwritable",
      `Cannot use the index "${path}": ${reason}`,
      { cause },
    );
  }
}
