/** The index in one SQLite file, which other programs may read while it is written. */
import type { DatabaseSync } from "node:sqlite";
import { asArrays, transaction } from "../log/transaction.ts";
import type {
  IndexDestination,
  IndexedEntity,
  IndexSession,
  KnownEntity,
} from "./index_destination.ts";
import { sqliteFiles } from "./sqlite_files.ts";
import { inWords, openStore, ORIGIN_TABLE, placeOf } from "./sqlite_store.ts";
import { Unwritten } from "./unwritten.ts";

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
   ${ORIGIN_TABLE}`,
];
const WHAT = "the index";
/** Rows of one transaction: a few milliseconds' work, so that nobody waits long for the lock. */
const ROWS_MAX = 500;

/** An index in the file at `path`, which is created with its directory when it is not there. */
export class SqliteIndex implements IndexDestination {
  readonly #path: string;
  readonly #opened: (db: DatabaseSync) => void;

  /** @param opened is given the database of each session, to set limits of its own */
  constructor(path: string, opened: (db: DatabaseSync) => void = () => {}) {
    this.#path = path;
    this.#opened = opened;
  }

  get paths(): readonly string[] {
    return sqliteFiles(this.#path);
  }

  open(source: string): IndexSession {
    const db = openStore(this.#path, {
      applicationId: APPLICATION_ID,
      migrations: MIGRATIONS,
      what: WHAT,
      source,
      opened: this.#opened,
    });
    return new SqliteIndexSession(db, this.#path);
  }
}

/** The columns of our own table, in the order in which they are asked for. */
type Row = readonly [
  key: string,
  type: string,
  size: number,
  mtimeMs: number,
  inode: number,
  settled: number,
];

class SqliteIndexSession implements IndexSession {
  readonly #db: DatabaseSync;
  readonly #path: string;
  readonly #after: ReturnType<DatabaseSync["prepare"]>;
  readonly #hash: ReturnType<DatabaseSync["prepare"]>;
  readonly #put: ReturnType<DatabaseSync["prepare"]>;
  readonly #remove: ReturnType<DatabaseSync["prepare"]>;
  /** Rows to write and keys to remove, kept so that each transaction is short. */
  readonly #unwritten = new Unwritten<IndexedEntity | string>((rows) => this.#commit(rows));
  readonly #check: () => void;

  constructor(db: DatabaseSync, path: string) {
    this.#check = placeOf(WHAT, path);
    this.#db = db;
    this.#path = path;
    this.#after = db.prepare(
      `SELECT key, type, size, mtime_ms, inode, settled FROM entities
       WHERE key > ? ORDER BY key LIMIT ?`,
    );
    asArrays(this.#after);
    this.#hash = db.prepare("SELECT hash FROM entities WHERE key = ?");
    this.#put = db.prepare("INSERT OR REPLACE INTO entities VALUES (?, ?, ?, ?, ?, ?, ?)");
    this.#remove = db.prepare("DELETE FROM entities WHERE key = ?");
  }

  after(key: string, limit: number): KnownEntity[] {
    const rows = inWords(WHAT, this.#path, () => this.#after.all(key, limit));
    // By their places: to take an array apart into names takes Bun twice as long.
    return (rows as unknown as Row[]).map((row) => ({
      key: row[0],
      type: row[1],
      size: row[2],
      mtimeMs: row[3],
      inode: row[4],
      settled: row[5] === 1,
    }));
  }

  hashOf(key: string): string | undefined {
    const row = inWords(WHAT, this.#path, () => this.#hash.get(key));
    return row && String(row.hash);
  }

  put(entity: IndexedEntity): void {
    this.#write(entity);
  }

  remove(key: string): void {
    this.#write(key);
  }

  flush(): void {
    this.#unwritten.flush();
    this.#check();
  }

  close(): void {
    try {
      this.flush();
    } catch {
      // A caller that needs the outcome has called flush; the next run finds what was lost.
    }
    this.#db.close();
  }

  #write(row: IndexedEntity | string): void {
    this.#unwritten.add(row);
    if (this.#unwritten.count >= ROWS_MAX) this.#unwritten.relieve();
  }

  #commit(rows: readonly (IndexedEntity | string)[]): void {
    inWords(WHAT, this.#path, () => {
      transaction(this.#db, () => {
        for (const row of rows) this.#apply(row);
      });
    });
  }

  #apply(row: IndexedEntity | string): void {
    if (typeof row === "string") this.#remove.run(row);
    else {
      const { key, type, hash, size, mtimeMs, inode, settled } = row;
      this.#put.run(key, type, hash, size, mtimeMs, inode, settled ? 1 : 0);
    }
  }
}
