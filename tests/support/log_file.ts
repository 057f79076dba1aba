/** What the log's file holds, read beside the server. */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { entriesOf, type EntryRow } from "../../src/log/sqlite_entry_rows.ts";
import type { Entry } from "../../src/sync/entry.ts";

/** All entries of a job in their order. @param data the server's data directory */
export function loggedEntries(data: string, jobId: string): Entry[] {
  const db = new DatabaseSync(join(data, "log.db"), { readOnly: true, timeout: 5_000 });
  try {
    const rows = db.prepare(
      `SELECT seq, at_ms, kind, body, count FROM entries
       WHERE job = (SELECT pk FROM jobs WHERE id = ?) ORDER BY seq`,
    ).all(jobId);
    return rows.flatMap(({ seq, at_ms, kind, body, count }) =>
      entriesOf([seq, at_ms, kind, body, count] as unknown as EntryRow)
    );
  } finally {
    db.close();
  }
}
