/** The tables of the SQLite event log, as the list of steps that leads to them. */

import type { VersionedSchema } from "./migrate.ts";

/** "STlg": tells this file from another application's database. */
export const APPLICATION_ID = 0x53546c67;

/**
 * Step n leads from schema n to n + 1. A step that has been released is never changed. None fails
 * at a damaged row: what it cannot read it leaves, so that a server starts all the same.
 *
 * jobs.thinned: 1 when retention has thinned the job after its end. removed: jobs that are gone,
 * whose entries are being removed.
 * entries: a row holds one or more that follow one another, see EntryRow.
 * entries.kind: 0 progress, 1 progress that changes the status, 10 to 13 log lines by level.
 * entries.body: for progress a JSON array, for a log line the members of a JSON object, without
 * braces.
 */
export const MIGRATIONS: readonly string[] = [
  `CREATE TABLE jobs (
     pk INTEGER PRIMARY KEY AUTOINCREMENT,
     tenant TEXT NOT NULL,
     id TEXT NOT NULL,
     epoch TEXT NOT NULL,
     sync_id TEXT,
     fixed TEXT NOT NULL,
     status TEXT NOT NULL,
     seq INTEGER NOT NULL,
     progress_seq INTEGER NOT NULL,
     trimmed_seq INTEGER NOT NULL,
     owner TEXT,
     lease_until_ms INTEGER,
     state TEXT NOT NULL,
     UNIQUE (tenant, id)
   );
   CREATE INDEX jobs_of_sync ON jobs (tenant, sync_id, pk);
   CREATE INDEX jobs_by_status ON jobs (tenant, status, pk);
   CREATE INDEX jobs_active ON jobs (tenant, sync_id)
     WHERE status IN ('pending', 'in_progress', 'cancelling');
   CREATE TABLE entries (
     job INTEGER NOT NULL REFERENCES jobs (pk),
     seq INTEGER NOT NULL,
     at_ms INTEGER NOT NULL,
     kind INTEGER NOT NULL,
     body TEXT NOT NULL,
     PRIMARY KEY (job, seq)
   ) WITHOUT ROWID;`,
  `ALTER TABLE jobs DROP COLUMN trimmed_seq;
   ALTER TABLE jobs ADD COLUMN thinned INTEGER NOT NULL DEFAULT 0;
   UPDATE jobs SET state = json_set(state,
     '$.held', (SELECT count(*) FROM entries WHERE job = pk),
     '$.trimmed', json('[0,0,0,0]'),
     '$.heardAtMs', json_extract(state, '$.updatedAtMs'),
     '$.lateEnd', json('null')) WHERE json_valid(state);
   UPDATE jobs SET fixed = json_set(fixed, '$.leaseMs', json('null')) WHERE json_valid(fixed);
   CREATE INDEX jobs_by_lease ON jobs (lease_until_ms)
     WHERE status IN ('pending', 'in_progress', 'cancelling');
   CREATE INDEX jobs_unthinned ON jobs (pk)
     WHERE thinned = 0 AND status IN ('completed', 'failed', 'cancelled');
   CREATE TABLE producers (
     job INTEGER NOT NULL,
     id TEXT NOT NULL,
     state TEXT NOT NULL,
     PRIMARY KEY (job, id)
   ) WITHOUT ROWID;
   CREATE TABLE syncs (
     tenant TEXT NOT NULL,
     id TEXT NOT NULL,
     name TEXT NOT NULL,
     PRIMARY KEY (tenant, id)
   ) WITHOUT ROWID;
   CREATE TABLE removed (job INTEGER PRIMARY KEY);`,
  // The words of log lines as text that is sent as it is.
  `UPDATE entries SET body = '{"message":"(this line is damaged in the log)"}'
   WHERE kind >= 10 AND iif(json_valid(body), body -> '$.message', NULL) IS NULL;
   UPDATE entries SET body =
     '"message": ' || (body -> '$.message') ||
     ifnull(', "source": ' || (body -> '$.source'), '') ||
     ifnull(', "fields": ' || (body -> '$.fields'), '') ||
     ', "time": "' || coalesce(
       strftime('%Y-%m-%dT%H:%M:%fZ', (body ->> '$.timeMs') / 1000.0, 'unixepoch'),
       strftime('%Y-%m-%dT%H:%M:%fZ', at_ms / 1000.0, 'unixepoch')) || '"'
   WHERE kind >= 10;`,
  `ALTER TABLE jobs ADD COLUMN ended_at_ms INTEGER;
   UPDATE jobs SET ended_at_ms = json_extract(state, '$.endedAtMs') WHERE json_valid(state);
   CREATE INDEX jobs_by_end ON jobs (ended_at_ms) WHERE ended_at_ms IS NOT NULL;`,
  // Progress as an array: the names of its members were more than half of it.
  `UPDATE entries SET body = json_array(
     body ->> '$.status',
     body -> '$.progress.inserted',
     body -> '$.progress.updated',
     body -> '$.progress.deleted',
     body -> '$.progress.kept',
     body -> '$.progress.skipped',
     body -> '$.progress.encountered',
     json_remove(body -> '$.progress', '$.inserted', '$.updated', '$.deleted', '$.kept',
       '$.skipped', '$.encountered'),
     body -> '$.error')
   WHERE kind < 10 AND json_valid(body);`,
  // A row for several entries.
  `ALTER TABLE entries ADD COLUMN count INTEGER NOT NULL DEFAULT 1;`,
  // Syncs by their names: for a name alone, and for the list in parts.
  `CREATE INDEX syncs_by_name ON syncs (tenant, name);`,
  // A sync's jobs by their status, which few of very many may have, or none.
  `DROP INDEX jobs_of_sync;
   DROP INDEX jobs_active;
   CREATE INDEX jobs_of_sync ON jobs (tenant, sync_id, status, pk);`,
];

/** The event log's file. */
export const LOG_SCHEMA: VersionedSchema = {
  applicationId: APPLICATION_ID,
  migrations: MIGRATIONS,
  what: "the event log",
};
