/** The WAL of a database that the event loop writes to: nobody is waited for long. */
import type { DatabaseSync } from "node:sqlite";

/** How long a statement waits for somebody else's lock, in milliseconds: all others wait with it. */
const BUSY_MS = 100;

/** Has all statements wait no longer than that. */
export function waitLittle(db: DatabaseSync): void {
  db.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
}

/**
 * Moves all of the WAL into the file and leaves nothing in it, not even what was overwritten.
 *
 * @returns false where somebody reads the file meanwhile (a backup), who needs what is in there
 */
export function emptyWal(db: DatabaseSync): boolean {
  try {
    db.exec("PRAGMA busy_timeout = 0"); // a reader may take minutes
    return db.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get()?.busy === 0;
  } finally {
    waitLittle(db);
  }
}
