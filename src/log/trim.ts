/** What retention takes away from a job's log. */
import { type Entry, LOG_LEVELS, type Seq } from "../sync/entry.ts";
import type { Job } from "../sync/job.ts";

/** Whether a later progress entry makes this one worth nothing to a viewer. */
export function superseded(entry: Entry, job: Job): boolean {
  return entry.kind === "progress" && !entry.changesStatus && entry.seq < job.progressSeq;
}

/** The job without `removed` of its entries, `through` being the highest log line's seq by level. */
export function trimmed(job: Job, removed: number, through: readonly Seq[]): Job {
  return {
    ...job,
    held: job.held - removed,
    trimmed: LOG_LEVELS.map((_, level) => Math.max(job.trimmed[level], through[level] ?? 0)),
  };
}
