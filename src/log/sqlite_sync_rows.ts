/** Syncs that workers' jobs have registered, as rows of the SQLite event log. */
import type { DatabaseSync } from "node:sqlite";
import type { TenantId } from "../sync/ids.ts";
import type { Job, SyncRef } from "../sync/job.ts";

/** The table of syncs; seldom asked for, so nothing of it is kept prepared. */
export class SyncRows {
  readonly #db: DatabaseSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** Registers the sync of a worker's job, unless it is known. */
  register({ tenant, sync, origin }: Job): void {
    if (!sync || origin !== "worker") return;
    this.#db.prepare("INSERT OR IGNORE INTO syncs (tenant, id, name) VALUES (?, ?, ?)")
      .run(tenant, sync.id, sync.name);
  }

  /** In the order of their names. */
  of(tenant: TenantId): SyncRef[] {
    const rows = this.#db.prepare("SELECT id, name FROM syncs WHERE tenant = ? ORDER BY name, id")
      .all(tenant) as unknown as SyncRef[]; // written by `register` alone
    return rows.map(({ id, name }) => ({ id, name }));
  }

  /** Forgets the syncs of which no job is left. */
  forget(tenant: TenantId): void {
    this.#db.prepare(
      `DELETE FROM syncs WHERE tenant = ?
       AND NOT EXISTS (SELECT 1 FROM jobs WHERE tenant = syncs.tenant AND sync_id = syncs.id)`,
    ).run(tenant);
  }
}
