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

/** An index in the file at `path`. */
export class SqliteIndex implements IndexDestination {
  readonly paths: readonly string[];
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
    this.paths = [path, `${path}-wal`, `${path}-shm`];
  }

  open(source: string): IndexSession {
    const db = this.#database();
    const known = db.prepare("SELECT source FROM origin").get()?.source;
    if (known === undefined) db.prepare("INSERT INTO origin (source) VALUES (?)").run(source);
    else if (known !== source) {
      db.close();
      throw new DestinationError(
        "destination_of_other_source",
        `Cannot write "${source}" into "${this.#path}": it is the index of "${known}"`,
      );
    }
    return new SqliteIndexSession(db, this.#path);
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
}

class SqliteIndexSession implements IndexSession {
  readonly #db: DatabaseSync;
  readonly #path: string;
  readonly #after: ReturnType<DatabaseSync["prepare"]>;
  readonly #put: ReturnType<DatabaseSync["prepare"]>;
  readonly #remove: ReturnType<DatabaseSync["prepare"]>;
  #open = false;

  constructor(db: DatabaseSync, path: string) {
    this.#db = db;
    this.#path = path;
    this.#after = db.prepare("SELECT * FROM entities WHERE key > ? ORDER BY key LIMIT ?");
    this.#put = db.prepare("INSERT OR REPLACE INTO entities VALUES (?, ?, ?, ?, ?, ?, ?)");
    this.#remove = db.prepare("DELETE FROM entities WHERE key = ?");
  }

  after(key: string, limit: number): IndexedEntity[] {
    return this.#after.all(key, limit).map((row) => ({
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
    const { key, type, hash, size, mtimeMs, inode, settled } = entity;
    this.#write(() => this.#put.run(key, type, hash, size, mtimeMs, inode, settled ? 1 : 0));
  }

  remove(key: string): void {
    this.#write(() => this.#remove.run(key));
  }

  flush(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#told(() => this.#db.exec("COMMIT"));
  }

  close(): void {
    try {
      this.flush();
    } finally {
      this.#db.close();
    }
  }

  #write(run: () => void): void {
    this.#told(() => {
      if (!this.#open) this.#db.exec("BEGIN IMMEDIATE");
      this.#open = true;
      run();
    });
  }

  #told(run: () => void): void {
    try {
      run();
    } catch (cause) {
      const full = cause instanceof Error && "errcode" in cause && cause.errcode === SQLITE_FULL ||
        /disk is full/.test(String(cause));
      const reason = full
        ? "the disk is full"
        : cause instanceof Error
        ? cause.message
        : String(cause);
      throw new DestinationError(
        full ? "storage_full" : "destination_unwritable",
        `Cannot write to the index "${this.#path}": ${reason}`,
        { cause },
      );
    }
  }
}
