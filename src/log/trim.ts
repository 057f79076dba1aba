/** What retention takes away from a job's log. */
import { LOG_LEVELS, type Seq } from "../sync/entry.ts";
import type { Job } from "../sync/job.ts";

/** The job without `removed` of its entries, `through` being the highest log line's seq by level. */
export function trimmed(job: Job, removed: number, through: readonly Seq[]): Job {
  return {
    ...job,
    held: job.held - removed,
    trimmed: LOG_LEVELS.map((_, level) => Math.max(job.trimmed[level], through[level] ?? 0)),
  };
}
