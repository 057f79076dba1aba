/** Jobs as rows of the SQLite event log, the ones in use kept in memory. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { JobKey, SyncId, TenantId } from "../sync/ids.ts";
import type { Job } from "../sync/job.ts";
import type { Producer } from "../sync/producer.ts";
import { type Indexed, type JobRow, KeptRows } from "./kept_rows.ts";
import {
  ACTIVE,
  columnsOf,
  fixedOf,
  jobOf,
  lengthOf,
  stateOf,
  type Texts,
} from "./sqlite_job_columns.ts";

/**
 * A renewed lease is written only once it has moved by this share of its length: writing its index
 * costs as much as all else of a post. The sweep goes by the job in memory; after a crash the lease
 * is at most that much shorter than its worker was told.
 */
const LEASE_SHARE = 1 / 8;
/** Most producers of a job kept in memory; then all that are written are forgotten. */
const PRODUCERS_MAX = 100;

/**
 * The table of jobs. A commit writes each changed job once, however many appends it holds; when it
 * fails all of its changes are forgotten.
 */
export class JobRows {
  readonly #kept: KeptRows;
  readonly #changed = new Set<JobRow>();
  readonly #byKey: StatementSync;
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #updateState: StatementSync;
  readonly #producer: StatementSync;
  readonly #keepProducer: StatementSync;
  readonly #active: StatementSync;

  /** @param onDropped called with each row that is no longer in memory; a later look makes another */
  constructor(db: DatabaseSync, onDropped: (row: JobRow) => void = () => {}) {
    const mayGo = (row: JobRow) => !this.#changed.has(row) && this.#leaseWritten(row);
    this.#kept = new KeptRows(mayGo, onDropped);
    this.#byKey = db.prepare("SELECT * FROM jobs WHERE tenant = ? AND id = ?");
    this.#insert = db.prepare(
      `INSERT INTO jobs (tenant, id, epoch, sync_id, fixed, status, seq, progress_seq,
         owner, lease_until_ms, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#update = db.prepare(
      `UPDATE jobs SET status = ?, seq = ?, progress_seq = ?, owner = ?,
         lease_until_ms = ?, ended_at_ms = ?, state = ? WHERE pk = ?`,
    );
    this.#updateState = db.prepare(
      "UPDATE jobs SET seq = ?, progress_seq = ?, state = ? WHERE pk = ?",
    );
    this.#producer = db.prepare("SELECT state FROM producers WHERE job = ? AND id = ?");
    this.#keepProducer = db.prepare(
      `INSERT INTO producers (job, id, state) VALUES (?, ?, ?)
       ON CONFLICT DO UPDATE SET state = excluded.state`,
    );
    this.#active = db.prepare(
      `SELECT * FROM jobs WHERE tenant = ? AND sync_id = ? AND ${ACTIVE} LIMIT 1`,
    );
  }

  get(key: JobKey): JobRow | undefined {
    const kept = this.#kept.use(key);
    if (kept) return kept;
    const row = columnsOf(this.#byKey.get(key.tenant, key.id));
    return row && this.#kept.add(rowOf(row.pk, jobOf(row), row));
  }

  insert(job: Job): void {
    const fixed = fixedOf(job);
    const state = stateOf(job);
    const { lastInsertRowid } = this.#insert.run(
      job.tenant,
      job.id,
      job.epoch,
      job.sync?.id ?? null,
      fixed,
      job.status,
      job.seq,
      job.progressSeq,
      job.owner,
      job.leaseUntilMs,
      state,
    );
    // Marked as changed so that a failed commit forgets it.
    this.#changed.add(this.#kept.add(rowOf(Number(lastInsertRowid), job, { fixed, state })));
  }

  change(row: JobRow, job: Job, producer?: Producer): void {
    row.job = job;
    if (producer) {
      row.producers.set(producer.id, producer);
      row.posted.add(producer.id);
    }
    this.#changed.add(row);
  }

  /** The job as it is now, where it is in use; else as it was found. */
  current(found: Job): Job {
    return this.#kept.get(found)?.job ?? found;
  }

  /** The job's producer of that name. */
  producerOf(row: JobRow, id: string): Producer | undefined {
    let producer = row.producers.get(id);
    if (producer === undefined) {
      if (row.producers.size >= PRODUCERS_MAX && row.posted.size === 0) {
        for (const known of row.lengths.keys()) this.#measure(row, known, 0);
        row.lengths.clear();
        row.producers.clear();
      }
      const found = this.#producer.get(row.pk, id) as { state: string } | undefined; // own table
      producer = found ? JSON.parse(found.state) as Producer : null;
      row.producers.set(id, producer);
      this.#measure(row, id, found?.state.length ?? 0);
    }
    return producer ?? undefined;
  }

  /** The number of the job's row, also of a damaged one; of a job of that epoch, where it is given. */
  numberOf(key: JobKey, epoch?: Job["epoch"]): number | undefined {
    const row = this.#kept.get(key) ?? columnsOf(this.#byKey.get(key.tenant, key.id));
    const { epoch: found } = row && "job" in row ? row.job : row ?? {};
    return epoch === undefined || epoch === found ? row?.pk : undefined;
  }

  /** Forgets a job that is removed. */
  forget(key: JobKey): void {
    const row = this.#kept.drop(key);
    if (row) this.#changed.delete(row);
  }

  /** Writes what has changed; called just before the commit. */
  flush(): void {
    for (const row of this.#changed) {
      const { pk, job } = row;
      for (const id of row.posted) {
        const text = JSON.stringify(row.producers.get(id));
        this.#keepProducer.run(pk, id, text);
        this.#measure(row, id, text.length);
      }
      const state = stateOf(job);
      const more = state.length - row.stateLength;
      row.stateLength += more;
      this.#kept.grow(row, more);
      if (row.stored && !indexesChange(row.stored, job)) {
        this.#updateState.run(job.seq, job.progressSeq, state, pk);
        continue;
      }
      const { status, seq, progressSeq, owner, leaseUntilMs, endedAtMs } = job;
      this.#update.run(status, seq, progressSeq, owner, leaseUntilMs, endedAtMs, state, pk);
      row.stored = job;
    }
  }

  /** Has the next commit write all leases that are newer than their rows; false for none. */
  markLeases(): boolean {
    for (const row of this.#kept.all()) this.#leaseWritten(row);
    return this.#changed.size > 0;
  }

  /** Whether the row has the newest lease; else the next commit writes it. */
  #leaseWritten(row: JobRow): boolean {
    if (row.stored?.leaseUntilMs === row.job.leaseUntilMs) return true;
    row.stored = undefined;
    this.#changed.add(row);
    return false;
  }

  committed(): void {
    for (const row of this.#changed) row.posted.clear();
    this.#changed.clear();
  }

  rolledBack(): void {
    for (const row of this.#changed) this.#kept.drop(row.job);
    this.#changed.clear();
  }

  /** A job of the sync that is not over. Called inside a commit; writes its changed rows first. */
  activeOf(tenant: TenantId, syncId: SyncId): Job | undefined {
    this.flush();
    const row = columnsOf(this.#active.get(tenant, syncId));
    return row && jobOf(row);
  }

  /** Counts what a producer takes: it may have as much as the job, and there are many. */
  #measure(row: JobRow, id: string, length: number): void {
    const more = length - (row.lengths.get(id) ?? 0);
    row.lengths.set(id, length);
    this.#kept.grow(row, more);
  }
}

/** @param job as it is in the file @param texts how it stands there */
function rowOf(pk: number, job: Job, texts: Texts): JobRow {
  const kept = {
    producers: new Map(),
    stored: job,
    posted: new Set<string>(),
    lengths: new Map<string, number>(),
  };
  return { pk, job, ...kept, length: lengthOf(texts), stateLength: texts.state.length };
}

function indexesChange(stored: Indexed, job: Job): boolean {
  if (stored.status !== job.status || stored.owner !== job.owner) return true;
  const was = stored.leaseUntilMs;
  const is = job.leaseUntilMs;
  if (was === null || is === null) return was !== is;
  return is < was || is - was > (job.leaseMs ?? 0) * LEASE_SHARE;
}
