/** Keeps no record: what a run has met, it knows until its end. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { transaction } from "../log/transaction.ts";
import { HASH_TABLE, HashTable } from "./hash_table.ts";
import { RecordChanges } from "./record_changes.ts";
import type { RecordDestination, RecordSession } from "./record_destination.ts";
import { inWords } from "./sqlite_store.ts";

const WHAT = "the directory for temporary files";

/**
 * Counts within one run: a record that comes first is `inserted`, another content of it later
 * `updated`, the same again `kept`. Each run starts from nothing.
 *
 * Hashes lie in a temporary file without a name, so that many records need no memory and a crash
 * leaves nothing.
 */
export class NoRecords implements RecordDestination {
  readonly paths: readonly string[] = [];

  open(): RecordSession {
    const place = tmpdir();
    const db = inWords(WHAT, place, temporary);
    const hashes = new HashTable(db);
    return new RecordChanges({
      hashOf: (type, key) => inWords(WHAT, place, () => hashes.hashOf(type, key)),
      write: (changes) =>
        inWords(WHAT, place, () => {
          transaction(db, () => changes.forEach((change) => hashes.apply(change)));
        }),
      close: () => db.close(),
    });
  }
}

function temporary(): DatabaseSync {
  const directory = mkdtempSync(join(tmpdir(), "synctail-"));
  try {
    const db = new DatabaseSync(join(directory, "hashes.db"));
    // Nothing of it is to outlive a crash, and a journal could not be found again.
    db.exec(
      "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE;",
    );
    db.exec(HASH_TABLE);
    return db;
  } finally {
    rmSync(directory, { recursive: true });
  }
}
