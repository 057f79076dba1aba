/** Writes to a SQLite file that belong together. */
import type { DatabaseSync } from "node:sqlite";

/** Runs it in one transaction; where it throws, or cannot be committed, nothing of it is kept. */
export function transaction(db: DatabaseSync, run: () => void): void {
  db.exec("BEGIN IMMEDIATE");
  try {
    run();
    db.exec("COMMIT");
  } catch (cause) {
    if (db.isTransaction) db.exec("ROLLBACK"); // a full disk may have done it already
    throw cause;
  }
}
