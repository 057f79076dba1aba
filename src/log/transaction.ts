/** What every SQLite file is written and read with. */
import type { DatabaseSync, StatementSync } from "node:sqlite";

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

/** Has a statement give each row as an array: under Deno an object takes twice as long. */
export function asArrays(statement: StatementSync): void {
  // Both runtimes have it; the types that Deno brings do not name it.
  (statement as unknown as { setReturnArrays(on: boolean): void }).setReturnArrays(true);
}
