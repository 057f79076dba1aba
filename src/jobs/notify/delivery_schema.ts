/** The schema of the queue of notifications. */
import type { VersionedSchema } from "../../log/migrate.ts";

/** "STnt": tells this file from another application's database. */
const APPLICATION_ID = 0x53546e74;
/**
 * Step n leads from schema n to n + 1. A step that has been released is never changed.
 *
 * A row is one occurrence (kind, subject, occasion) for one target. subject: the job's id, else the
 * sync's. occasion: 0 when a job can meet it only once, else a number that tells one time from
 * another. message: empty once the delivery is done.
 */
const MIGRATIONS = [
  `CREATE TABLE deliveries (
     pk INTEGER PRIMARY KEY AUTOINCREMENT,
     id TEXT NOT NULL UNIQUE,
     target TEXT NOT NULL,
     kind TEXT NOT NULL,
     tenant TEXT NOT NULL,
     subject TEXT NOT NULL,
     occasion INTEGER NOT NULL,
     job TEXT,
     sync TEXT,
     at_ms INTEGER NOT NULL,
     created_at_ms INTEGER NOT NULL,
     message TEXT NOT NULL,
     state TEXT NOT NULL,
     tries INTEGER NOT NULL,
     next_at_ms INTEGER NOT NULL,
     result TEXT,
     done_at_ms INTEGER,
     UNIQUE (target, kind, tenant, subject, occasion)
   );
   CREATE INDEX deliveries_waiting ON deliveries (target, pk) WHERE state = 'waiting';
   CREATE INDEX deliveries_of_job ON deliveries (tenant, job, pk);
   CREATE TABLE targets (
     name TEXT NOT NULL PRIMARY KEY,
     filter TEXT NOT NULL,
     since_ms INTEGER NOT NULL
   ) WITHOUT ROWID;
   CREATE TABLE position (id INTEGER PRIMARY KEY CHECK (id = 1), at_ms INTEGER NOT NULL);`,
];

export const DELIVERY_SCHEMA: VersionedSchema = {
  applicationId: APPLICATION_ID,
  migrations: MIGRATIONS,
  what: "the queue of notifications",
};
