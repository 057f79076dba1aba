/** A table of hashes by type and key, in a caller's database. */
import type { DatabaseSync } from "node:sqlite";
import type { RecordChange } from "./record_changes.ts";

/** SQL that creates the table; part of the first schema of each database that has it. */
export const HASH_TABLE =
  `CREATE TABLE hashes (type TEXT NOT NULL, key TEXT NOT NULL, hash TEXT NOT NULL,
     PRIMARY KEY (type, key)) WITHOUT ROWID;`;

/** Reads and writes the table. Transactions are the caller's. */
export class HashTable {
  readonly #get: ReturnType<DatabaseSync["prepare"]>;
  readonly #put: ReturnType<DatabaseSync["prepare"]>;
  readonly #remove: ReturnType<DatabaseSync["prepare"]>;
  readonly #clear: ReturnType<DatabaseSync["prepare"]>;

  constructor(db: DatabaseSync) {
    this.#get = db.prepare("SELECT hash FROM hashes WHERE type = ? AND key = ?");
    this.#put = db.prepare("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?)");
    this.#remove = db.prepare("DELETE FROM hashes WHERE type = ? AND key = ?");
    this.#clear = db.prepare("DELETE FROM hashes");
  }

  hashOf(type: string, key: string): string | undefined {
    const row = this.#get.get(type, key);
    return row && String(row.hash);
  }

  apply(change: RecordChange): void {
    const { type, key } = change.record;
    if (change.op === "deleted") this.#remove.run(type, key);
    else this.#put.run(type, key, change.record.hash);
  }

  clear(): void {
    this.#clear.run();
  }
}
