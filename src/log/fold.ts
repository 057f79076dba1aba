/** What an append makes of a job: the one place where entries change its state. */
import { type Entry, LOG_LEVELS } from "../sync/entry.ts";
import { newEpoch } from "../sync/ids.ts";
import type { Job, NewJob } from "../sync/job.ts";
import { NO_PROGRESS, type Progress } from "../sync/progress.ts";
import { isTerminal } from "../sync/status.ts";
import { type Change, JobEndedError } from "./event_log.ts";

/** A job as it stands before its first entry. */
export function freshJob(job: NewJob, progress: Progress = NO_PROGRESS): Job {
  return {
    ...job,
    epoch: newEpoch(),
    seq: 0,
    progressSeq: 0,
    held: 0,
    trimmed: LOG_LEVELS.map(() => 0),
    status: "pending",
    progress,
    startedAtMs: null,
    updatedAtMs: job.createdAtMs,
    heardAtMs: job.createdAtMs,
    endedAtMs: null,
    error: null,
    lateEnd: null,
  };
}

/**
 * The job after the change, and the change's facts as entries.
 *
 * @throws {JobEndedError} when a fact would follow the terminal entry
 */
export function fold(job: Job, change: Change, atMs: number): { job: Job; entries: Entry[] } {
  const entries: Entry[] = [];
  let next = job;
  if (change.leaseUntilMs !== undefined) next = { ...next, leaseUntilMs: change.leaseUntilMs };
  if (change.lateEnd) next = { ...next, lateEnd: change.lateEnd };
  for (const fact of change.facts) {
    if (isTerminal(next.status)) throw new JobEndedError(next);
    const seq = next.seq + 1;
    if (fact.kind === "log") {
      entries.push({ ...fact, seq, atMs });
      next = { ...next, seq, heardAtMs: atMs, held: next.held + 1 };
      continue;
    }
    entries.push({ ...fact, seq, atMs, changesStatus: fact.status !== next.status });
    const ended = isTerminal(fact.status);
    next = {
      ...next,
      seq,
      progressSeq: seq,
      held: next.held + 1,
      heardAtMs: atMs,
      status: fact.status,
      progress: fact.progress,
      startedAtMs: next.startedAtMs ?? (fact.status === "in_progress" ? atMs : null),
      updatedAtMs: atMs,
      endedAtMs: ended ? atMs : null,
      error: fact.error ?? null,
      leaseUntilMs: ended ? null : next.leaseUntilMs,
    };
  }
  return { job: next, entries };
}
