/** Records in one SQLite file, which other programs may read while it is written. */
import type { DatabaseSync } from "node:sqlite";
import { transaction } from "../log/transaction.ts";
import { type RecordChange, RecordChanges } from "./record_changes.ts";
import type { RecordDestination, RecordSession } from "./record_destination.ts";
import { inWords, openStore, ORIGIN_TABLE, placeOf } from "./sqlite_store.ts";

/** "STrc" */
const APPLICATION_ID = 0x53547263;
const MIGRATIONS = [
  `CREATE TABLE records (
     type TEXT NOT NULL,
     key TEXT NOT NULL,
     hash TEXT NOT NULL,
     payload TEXT NOT NULL,
     PRIMARY KEY (type, key)
   );
   ${ORIGIN_TABLE}`,
];
const WHAT = "the record file";

/** The table `records` of the file at `path`, which is created when it is not there. */
export class SqliteRecords implements RecordDestination {
  readonly #path: string;
  readonly #opened: ((db: DatabaseSync) => void) | undefined;

  /** @param opened is given the database of each session, to set limits of its own */
  constructor(path: string, opened?: (db: DatabaseSync) => void) {
    this.#path = path;
    this.#opened = opened;
  }

  open(source: string): RecordSession {
    const path = this.#path;
    const db = openStore(path, {
      applicationId: APPLICATION_ID,
      migrations: MIGRATIONS,
      what: WHAT,
      source,
      opened: this.#opened,
    });
    const get = db.prepare("SELECT hash FROM records WHERE type = ? AND key = ?");
    const put = db.prepare("INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?)");
    const remove = db.prepare("DELETE FROM records WHERE type = ? AND key = ?");
    const apply = ({ op, record }: RecordChange) => {
      if (op === "deleted") remove.run(record.type, record.key);
      else put.run(record.type, record.key, record.hash, record.payload);
    };
    return new RecordChanges({
      hashOf(type, key) {
        const row = inWords(WHAT, path, () => get.get(type, key));
        return row && String(row.hash);
      },
      write: (changes) => inWords(WHAT, path, () => transaction(db, () => changes.forEach(apply))),
      check: placeOf(WHAT, path),
      close: () => db.close(),
    });
  }
}
