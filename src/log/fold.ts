/** What an append makes of a job: the one place where entries change its state. */
import { type Entry, LOG_LEVELS } from "../sync/entry.ts";
import { newEpoch } from "../sync/ids.ts";
import type { Job, NewJob } from "../sync/job.ts";
import { logText } from "../sync/log_text.ts";
import { NO_PROGRESS } from "../sync/progress.ts";
import { isTerminal } from "../sync/status.ts";
import type { Change, CreateOptions } from "./event_log.ts";
import { JobEndedError } from "./log_errors.ts";

/** A job as it stands before its first entry. */
export function freshJob(job: NewJob, options: CreateOptions = {}): Job {
  return {
    ...job,
    leaseUntilMs: options.leaseUntilMs?.() ?? job.leaseUntilMs,
    epoch: newEpoch(),
    seq: 0,
    progressSeq: 0,
    held: 0,
    trimmed: LOG_LEVELS.map(() => 0),
    status: "pending",
    progress: options.progress ?? NO_PROGRESS,
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
  const { facts, leaseUntilMs, lateEnd } = change;
  if (facts.length === 0 && leaseUntilMs === undefined && !lateEnd) return { job, entries: [] };
  const entries: Entry[] = [];
  const next: { -readonly [Name in keyof Job]: Job[Name] } = { ...job };
  if (leaseUntilMs !== undefined) next.leaseUntilMs = leaseUntilMs;
  if (lateEnd) next.lateEnd = lateEnd;
  for (const fact of facts) {
    if (isTerminal(next.status)) throw new JobEndedError(next);
    next.seq++;
    next.held++;
    next.heardAtMs = atMs;
    if (fact.kind === "log") {
      const text = logText(fact, atMs);
      entries.push({ kind: "log", level: fact.level, text, seq: next.seq, atMs });
      continue;
    }
    entries.push({ ...fact, seq: next.seq, atMs, changesStatus: fact.status !== next.status });
    const ended = isTerminal(fact.status);
    next.progressSeq = next.seq;
    next.status = fact.status;
    next.progress = fact.progress;
    next.startedAtMs ??= fact.status === "in_progress" ? atMs : null;
    next.updatedAtMs = atMs;
    next.endedAtMs = ended ? atMs : null;
    next.error = fact.error ?? null;
    if (ended) next.leaseUntilMs = null;
  }
  return { job: next, entries };
}
