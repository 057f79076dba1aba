/** What jobs and the log refuse, as problems. */
import { NotOutsideError } from "../jobs/batch.ts";
import { ProducerFencedError, ProducerOrderError } from "../jobs/producers.ts";
import {
  CounterTooLargeError,
  CounterWentBackError,
  TooManyTypesError,
} from "../jobs/worker_totals.ts";
import {
  JobEndedError,
  LogClosedError,
  StorageFaultError,
  StorageFullError,
  UnknownJobError,
} from "../log/log_errors.ts";
import { isDiskFull, isUnreadable } from "../log/sqlite_faults.ts";
import { notFound, Problem } from "./problem.ts";

/** The problem that a refused post is answered with; any other cause is returned as it is. */
export function problemOf(cause: unknown): unknown {
  if (cause instanceof JobEndedError) {
    const detail = `Job "${cause.job.id}" has ended as ${cause.job.status}: nothing can follow`;
    return new Problem("job-ended", detail, { job_status: cause.job.status });
  }
  if (cause instanceof ProducerOrderError) {
    return new Problem("producer-out-of-order", cause.message, { expected_seq: cause.expected });
  }
  if (cause instanceof ProducerFencedError) return new Problem("producer-fenced", cause.message);
  if (cause instanceof CounterWentBackError) return new Problem("counter-went-back", cause.message);
  if (cause instanceof CounterTooLargeError || cause instanceof TooManyTypesError) {
    return new Problem("invalid-request", cause.message);
  }
  if (cause instanceof NotOutsideError) return new Problem("not-outside", cause.message);
  if (cause instanceof UnknownJobError) return notFound();
  return storageProblem(cause) ?? cause;
}

/**
 * The problem where the log, or a file beside it, cannot be read, or such a file not be written for
 * want of room; undefined for any other cause.
 */
export function fileProblem(cause: unknown): Problem | undefined {
  if (isDiskFull(cause)) {
    const detail = "There is no room left where the server stores what it knows; try again later";
    return new Problem("storage-full", detail, {}, { "Retry-After": "5" });
  }
  if (!isUnreadable(cause)) return undefined;
  const detail = "What the server stores cannot be read: its disk fails, or the file is damaged. " +
    "The server's log says more, by X-Request-Id";
  return new Problem("storage-fault", detail, {}, { "Retry-After": "5" }, { cause });
}

/** The problem where nothing can be stored; undefined for any other cause. */
export function storageProblem(cause: unknown): Problem | undefined {
  if (cause instanceof StorageFaultError) {
    const detail =
      "What the log is stored on has failed; nothing of this was kept, try again later";
    return new Problem("storage-fault", detail, {}, { "Retry-After": "5" }, { cause });
  }
  if (cause instanceof LogClosedError) {
    const detail = "The server is stopping, and nothing of this was kept; send it again later";
    return new Problem("stopping", detail, {}, { "Retry-After": "5" });
  }
  if (!(cause instanceof StorageFullError)) return undefined;
  const detail = "There is no room left where the log is stored; nothing was lost, try again later";
  return new Problem("storage-full", detail, {}, { "Retry-After": "5" });
}
