/** One line of the server's log for each job that ends. */
import { loggerOf } from "../logger.ts";
import type { Job } from "../sync/job.ts";

const logger = loggerOf("jobs");

/**
 * Logs that the job has ended: its counts, the milliseconds since it began (`ms`; null when it
 * never began), and the code of its error without its words.
 *
 * @param requestId of the request that ended it, as in `X-Request-Id`; undefined when none did
 */
export function tellEnd(job: Job, requestId?: string): void {
  const { tenant, id, sync, origin, status, progress, startedAtMs, endedAtMs, error } = job;
  const { inserted, updated, deleted, kept, skipped } = progress;
  logger.info("job {job_id} {status}", {
    job_id: id,
    tenant,
    sync: sync?.name,
    origin,
    status,
    code: error?.code,
    inserted,
    updated,
    deleted,
    kept,
    skipped,
    ms: startedAtMs === null || endedAtMs === null ? null : endedAtMs - startedAtMs,
    request_id: requestId,
  });
}
