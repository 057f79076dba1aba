/** The WAL of a database that the event loop writes to: no statement may wait long. */
import type { DatabaseSync } from "node:sqlite";

/** How long a statement waits for another's lock, in milliseconds: the event loop waits with it. */
const BUSY_MS = 100;

/** Has all statements wait at most BUSY_MS. */
export function waitLittle(db: DatabaseSync): void {
  db.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
}

/**
 * Moves all of the WAL into the file and empties it: what was overwritten is gone from it too.
 *
 * @returns false where a reader (a backup) still needs what is in it
 */
export function emptyWal(db: DatabaseSync): boolean {
  try {
    db.exec("PRAGMA busy_timeout = 0"); // a reader may take minutes
    return db.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get()?.busy === 0;
  } finally {
    waitLittle(db);
  }
}
