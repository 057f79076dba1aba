/** The destination of runs without one: remembers hashes of records until the end of the run. */
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
 * Counts within one run: a record is `inserted` the first time, `updated` with another content, and
 * `kept` with the same. Each run starts from nothing.
 *
 * Hashes lie in a temporary file that is deleted while it is open, so that many records need no
 * memory and a crash leaves nothing.
 */
export class NoRecords implements RecordDestination {
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
    // Nothing is to outlive a crash, and a journal would be of no use without the file's name.
    db.exec(
      "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE;",
    );
    db.exec(HASH_TABLE);
    return db;
  } finally {
    rmSync(directory, { recursive: true });
  }
}
