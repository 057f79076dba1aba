/** Syncs that workers' jobs have registered, as rows of the SQLite event log. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { TenantId } from "../sync/ids.ts";
import type { Job, SyncRef } from "../sync/job.ts";
import type { SyncQuery } from "./event_log.ts";
import { statementsOf } from "./migrate.ts";

/** The table of syncs. A statement is prepared at its first use, as a server may never need it. */
export class SyncRows {
  readonly #sql: (text: string) => StatementSync;

  constructor(db: DatabaseSync) {
    this.#sql = statementsOf(db);
  }

  /** Registers the sync of a worker's job, unless it is known. */
  register({ tenant, sync, origin }: Job): void {
    if (!sync || origin !== "worker") return;
    this.#sql("INSERT OR IGNORE INTO syncs (tenant, id, name) VALUES (?, ?, ?)")
      .run(tenant, sync.id, sync.name);
  }

  /** In the order of their names, then of their ids. */
  of(tenant: TenantId, { after, limit = -1, ...named }: SyncQuery = {}): SyncRef[] {
    const where = ["tenant", ...Object.keys(named)].map((column) => `${column} = ?`);
    const values = [tenant, ...Object.values(named)];
    if (after) {
      where.push("(name, id) > (?, ?)");
      values.push(after.name, after.id);
    }
    const sql = `SELECT id, name FROM syncs WHERE ${where.join(" AND ")} ORDER BY name, id LIMIT ?`;
    const rows = this.#sql(sql).all(...values, limit) as unknown as SyncRef[]; // written by `register` alone
    return rows.map(({ id, name }) => ({ id, name }));
  }

  /** Forgets the syncs of which no job is left. */
  forget(tenant: TenantId): void {
    this.#sql(
      `DELETE FROM syncs WHERE tenant = ?
       AND NOT EXISTS (SELECT 1 FROM jobs WHERE tenant = syncs.tenant AND sync_id = syncs.id)`,
    ).run(tenant);
  }
}
