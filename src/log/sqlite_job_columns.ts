/** A job as a row of the SQLite event log: its columns, and back. */
import { type Job, keyOf, type NewJob } from "../sync/job.ts";
import { DamagedJobError } from "./log_errors.ts";

/** The SQL condition of rows whose job is not over. */
export const ACTIVE = "status IN ('pending', 'in_progress', 'cancelling')";

/** Members with columns of their own, of the same names. */
type Plain = Pick<Job, "tenant" | "id" | "epoch" | "status" | "seq" | "owner">;
type InColumns = keyof Plain | "progressSeq" | "leaseUntilMs";
/** All that never changes but for what has columns. */
type Fixed = Omit<NewJob, InColumns>;
/** All that changes but for what has columns. */
type State = Omit<Job, InColumns | keyof NewJob>;

/** A row as SQLite gives it; only `JobRows` writes the table. */
export interface JobColumns extends Plain {
  readonly pk: number;
  readonly fixed: string;
  readonly progress_seq: number;
  readonly lease_until_ms: number | null;
  readonly state: string;
}

/** The job of a row. @throws {DamagedJobError} */
export function jobOf(row: JobColumns): Job {
  // Older rows have what is new in these by a migration: see MIGRATIONS.
  const fixed: Fixed = membersOf(row, row.fixed);
  const state: State = membersOf(row, row.state);
  return {
    ...fixed,
    ...state,
    tenant: row.tenant,
    id: row.id,
    epoch: row.epoch,
    status: row.status,
    seq: row.seq,
    progressSeq: row.progress_seq,
    owner: row.owner,
    leaseUntilMs: row.lease_until_ms,
  };
}

function membersOf(row: JobColumns, text: string) {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new DamagedJobError(keyOf(row), { cause });
  }
}

/** The row that a statement has found. */
export function columnsOf(row: unknown): JobColumns | undefined {
  return row as JobColumns | undefined; // only `JobRows` writes the table
}

/** What differs much in length between rows. */
export type Texts = Pick<JobColumns, "fixed" | "state">;

/** Characters of the row, about. */
export function lengthOf({ fixed, state }: Texts): number {
  return fixed.length + state.length;
}

/** What never changes of a job, as it stands in its row. */
export function fixedOf(job: Job): string {
  const { origin, sync, name, tags, meta, retryOf, attempt, createdAtMs, leaseMs } = job;
  const fixed: Fixed = {
    origin,
    sync,
    name,
    tags,
    meta,
    retryOf,
    attempt,
    createdAtMs,
    leaseMs,
  };
  return JSON.stringify(fixed);
}

/** What changes of a job beside its columns, as it stands in its row. */
export function stateOf(job: Job): string {
  const { progress, startedAtMs, updatedAtMs, heardAtMs, endedAtMs, error } = job;
  const { held, trimmed, lateEnd } = job;
  const state: State = {
    progress,
    startedAtMs,
    updatedAtMs,
    heardAtMs,
    endedAtMs,
    error,
    held,
    trimmed,
    lateEnd,
  };
  return JSON.stringify(state);
}
