/** The JSON of every frame: the contract's keys first and in its order, extras behind. */
import type { FollowedJob } from "../hub/tail.ts";
import type { JobError, LogEntry, Seq } from "../sync/entry.ts";
import type { Job } from "../sync/job.ts";
import type { JobId } from "../sync/ids.ts";
import { type Progress } from "../sync/progress.ts";
import { isTerminal, type Status } from "../sync/status.ts";
import type { Resume } from "./cursor.ts";
import { isoTime } from "../sync/iso_time.ts";
import { spacedJson } from "../sync/json.ts";

/** A progress entry, or the job's own state for a snapshot. */
export interface ProgressView {
  readonly seq: Seq;
  readonly atMs: number;
  readonly status: Status;
  readonly progress: Progress;
  readonly error?: JobError | null;
}

/** The first frame of a connection. `gap` is given where the viewer has missed entries. */
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

/**
 * Running totals and the status; a terminal one says how the job ended. Written out: `spacedJson`
 * takes twice as long, and a replay writes every entry.
 */
export function progressText(job: FollowedJob, view: ProgressView): string {
  const { progress: p, status, error } = view;
  return `{"type": "progress", "job_id": "${job.id}", "entities_inserted": ${p.inserted}, ` +
    `"entities_updated": ${p.updated}, "status": "${status}", "entities_deleted": ${p.deleted}, ` +
    `"entities_kept": ${p.kept}, "entities_skipped": ${p.skipped}, ` +
    `"entities_encountered": ${countsText(p.encountered)}, ` +
    `"sync_id": ${JSON.stringify(job.sync?.id ?? null)}, "seq": ${view.seq}, ` +
    `"last_update_timestamp": "${isoTime(view.atMs)}", "inserted": ${p.inserted}, ` +
    `"updated": ${p.updated}, "deleted": ${p.deleted}, "kept": ${p.kept}, "skipped": ${p.skipped}` +
    measuresText(p) + (isTerminal(status) ? endText(status, error) : "") + "}";
}

/** A job on a stream of many: its totals, and what a list shows of it. */
export function listedText(job: Job): string {
  return extended(progressText(job, { ...job, atMs: job.updatedAtMs }), {
    sync: job.sync?.name ?? null,
    name: job.name,
    tags: job.tags,
    attempt: job.attempt,
    created_at: isoTime(job.createdAtMs),
    started_at: isoTime(job.startedAtMs),
    ended_at: isoTime(job.endedAtMs),
    heard_at: isoTime(job.heardAtMs),
  });
}

/** What is known besides the counts, under its names on the wire; undefined for what is not. */
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
export function lineText(id: JobId, { level, text, seq }: LogEntry): string {
  return `{"type": "log", "job_id": "${id}", "level": "${level}", ${text}, "seq": ${seq}}`;
}

/** The text of a JSON object with more members at its end. */
function extended(text: string, members: object): string {
  return `${text.slice(0, -1)}, ${spacedJson(members).slice(1)}`;
}

function measuresText(p: Progress): string {
  const known: Readonly<Record<string, string | number | boolean | undefined>> = measures(p);
  let text = "";
  for (const name in known) {
    const value = known[name];
    if (value === undefined) continue;
    text += `, "${name}": ${typeof value === "string" ? JSON.stringify(value) : value}`;
  }
  return text;
}

function endText(status: Status, error: JobError | null | undefined): string {
  return `, "is_complete": ${status === "completed"}, "is_failed": ${status === "failed"}, ` +
    `"error": ${JSON.stringify(error?.message ?? null)}`;
}

function countsText(counts: Readonly<Record<string, number>>): string {
  let text = "";
  for (const name of Object.keys(counts)) {
    text += `${text === "" ? "" : ", "}${JSON.stringify(name)}: ${counts[name]}`;
  }
  return `{${text}}`;
}
