/** Tells whether a sync starts as often as expected. Times are milliseconds since 1970. */
import { loggerOf } from "../../logger.ts";
import type { Job } from "../../sync/job.ts";
import type { OnOccurrence } from "../occurrence.ts";
import type { ConfiguredSync } from "../sync_config.ts";
import type { SyncNote } from "./remembered.ts";
import { isoTime } from "../../sync/iso_time.ts";
import type { Expectation } from "./timing.ts";

const logger = loggerOf("schedules");

/** When a sync is expected to start. */
export interface Expected {
  /** When its next start is expected, without the grace. */
  readonly atMs: number;
  /** From when on it is overdue. */
  readonly overdueAtMs: number;
  readonly overdue: boolean;
}

/** What is known of a sync at a moment; `last` is its newest job. */
export interface Sight {
  readonly expect: Expectation;
  readonly note: SyncNote;
  readonly last: Job | undefined;
  readonly nowMs: number;
}

/**
 * Whether the sync's newest job in the log was followed by another, which was removed since or is
 * not in the restored backup.
 */
export function isFollowed({ lastJob, lastStartMs = 0 }: SyncNote, last: Job): boolean {
  return last.id !== lastJob && last.createdAtMs < lastStartMs;
}

/** The note, with the start of the sync's newest job in it. */
export function withStart(note: SyncNote, last: Job | undefined, nowMs: number): SyncNote {
  if (last === undefined || last.id === note.lastJob || isFollowed(note, last)) return note;
  const lastStartMs = Math.min(last.createdAtMs, nowMs);
  const { lastStartMs: _before, ...ahead } = note.ahead ?? {};
  const kept = note.ahead && { ahead };
  return { ...note, ...kept, lastJob: last.id, lastStartMs, excusedMs: undefined };
}

/** When the sync is expected, counted from its last start, or from when it was first seen. */
export function expected(
  { everyMs, graceMs }: Expectation,
  note: SyncNote,
  nowMs: number,
): Expected {
  const atMs = (note.lastStartMs ?? note.firstSeenMs) + everyMs;
  const overdueAtMs = atMs + graceMs;
  return { atMs, overdueAtMs, overdue: nowMs >= overdueAtMs };
}

/**
 * Tells once that the sync is overdue, and once that it no longer is.
 *
 * @throws as `onOccurrence`; then the returned note, which would say that it was told, is lost
 */
export function told(
  { tenant, id, name }: ConfiguredSync,
  { expect, note: before, last, nowMs }: Sight,
  onOccurrence: OnOccurrence,
): { readonly note: SyncNote; readonly overdueAtMs: number } {
  const started = withStart(before, last, nowMs);
  const { atMs, overdueAtMs, overdue } = expected(expect, started, nowMs);
  const wasTold = before.overdueMs !== undefined;
  // A start that nobody saw, and the deadline after it has passed: another episode.
  const anew = !wasTold || started !== before;
  let note: SyncNote = {
    ...started,
    overdueMs: overdue ? (anew ? nowMs : before.overdueMs) : undefined,
  };
  const occurrence = { tenant, sync: { id, name }, atMs: nowMs };
  if (overdue && anew) {
    const detail = `a start was expected by ${isoTime(atMs)}; ${lastStartText(note)}`;
    // If the note is lost, as its file cannot be written, this number shows that it is the same
    // occurrence.
    const occasion = note.excusedMs ?? overdueAtMs;
    onOccurrence({ ...occurrence, kind: "overdue", job: undefined, detail, occasion });
    logger.warning("{name} is overdue: {detail}", { name, detail });
  } else if (!overdue && wasTold) {
    // A longer deadline can end it, too, without a job.
    const job = started === before ? undefined : last;
    // A run that has failed by now was told of: "well again" must not come after that.
    const detail = job ? "its overdue run has begun" : "it is no longer overdue";
    if (job?.status !== "failed") onOccurrence({ ...occurrence, kind: "recovered", job, detail });
    logger.info("{name} is no longer overdue", { name });
    if (!job) note = { ...note, excusedMs: nowMs }; // it may be overdue by this moment again
  }
  return { note, overdueAtMs };
}

function lastStartText({ lastStartMs }: SyncNote): string {
  return lastStartMs === undefined
    ? "it has not started yet"
    : `its last start was at ${isoTime(lastStartMs)}`;
}
