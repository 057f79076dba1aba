/** Syncs that workers' jobs have registered, as rows of the SQLite event log. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { TenantId } from "../sync/ids.ts";
import type { Job, SyncRef } from "../sync/job.ts";
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

  /** In the order of their names: all, or those of that id or name. */
  of(tenant: TenantId, asked: Partial<SyncRef> = {}): SyncRef[] {
    const named = Object.entries(asked);
    const where = ["tenant", ...named.map(([column]) => column)].map((column) => `${column} = ?`);
    const sql = `SELECT id, name FROM syncs WHERE ${where.join(" AND ")} ORDER BY name, id`;
    const values = named.map(([, value]) => value);
    const rows = this.#sql(sql).all(tenant, ...values) as unknown as SyncRef[]; // written by `register` alone
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
