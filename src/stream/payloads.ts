/** The JSON of every frame: the contract's keys first and in its order, extras behind. */
import type { JobError, LogEntry, Seq } from "../sync/entry.ts";
import type { Job } from "../sync/job.ts";
import type { JobId } from "../sync/ids.ts";
import { type Progress } from "../sync/progress.ts";
import { isTerminal, type Status } from "../sync/status.ts";
import type { Resume } from "./cursor.ts";

/** A progress entry, or the job's own state for a snapshot. */
export interface ProgressView {
  readonly seq: Seq;
  readonly atMs: number;
  readonly status: Status;
  readonly progress: Progress;
  readonly error?: JobError | null;
}

/** The first frame of a connection. `requested` and `firstAvailable` are told on a gap. */
export function connectedPayload(
  id: JobId,
  resume: Resume,
  gap: { readonly requested: string; readonly firstAvailable: string | null } | undefined,
) {
  return {
    type: "connected",
    job_id: id,
    resume,
    ...(gap && { requested: gap.requested, first_available: gap.firstAvailable }),
  };
}

/** Running totals and the status; the terminal one says how it ended. */
export function progressPayload(job: Job, view: ProgressView) {
  const { progress: p, status, error } = view;
  return {
    type: "progress",
    job_id: job.id,
    entities_inserted: p.inserted,
    entities_updated: p.updated,
    status,
    entities_deleted: p.deleted,
    entities_kept: p.kept,
    entities_skipped: p.skipped,
    entities_encountered: p.encountered,
    sync_id: job.sync?.id ?? null,
    seq: view.seq,
    last_update_timestamp: new Date(view.atMs).toISOString(),
    inserted: p.inserted,
    updated: p.updated,
    deleted: p.deleted,
    kept: p.kept,
    skipped: p.skipped,
    ...measures(p),
    ...(isTerminal(status) && {
      is_complete: status === "completed",
      is_failed: status === "failed",
      error: error?.message ?? null,
    }),
  };
}

/** A job on a stream of many: its totals, and what a list shows of it. Without a position. */
export function listedPayload(job: Job) {
  return {
    ...progressPayload(job, { ...job, atMs: job.updatedAtMs }),
    sync: job.sync?.name ?? null,
    name: job.name,
    tags: job.tags,
    attempt: job.attempt,
    created_at: new Date(job.createdAtMs).toISOString(),
    started_at: job.startedAtMs === null ? null : new Date(job.startedAtMs).toISOString(),
    ended_at: job.endedAtMs === null ? null : new Date(job.endedAtMs).toISOString(),
    heard_at: new Date(job.heardAtMs).toISOString(),
  };
}

/** What is known besides the counts, under its names on the wire. Unknown ones are left out. */
export function measures(p: Progress) {
  return {
    total: p.total,
    percent: p.percent,
    bytes_done: p.bytesDone,
    bytes_total: p.bytesTotal,
    rate_per_s: p.ratePerS,
    bytes_per_s: p.bytesPerS,
    eta_s: p.etaS,
    phase: p.phase,
    current: p.current,
    warnings: p.warnings,
    paced: p.paced,
  };
}

/** A failed job, or a fault of one connection. */
export function errorPayload(id: JobId | undefined, error: JobError) {
  return { type: "error", job_id: id, code: error.code, message: error.message };
}

/** A log line; only streams that ask for log lines carry it. */
export function logPayload(id: JobId, entry: LogEntry) {
  return {
    type: "log",
    job_id: id,
    level: entry.level,
    message: entry.message,
    source: entry.source,
    fields: entry.fields,
    seq: entry.seq,
    time: new Date(entry.timeMs ?? entry.atMs).toISOString(),
  };
}
