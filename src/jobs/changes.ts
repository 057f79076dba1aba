/** Changes of a job, as decisions on its state at the moment of the append. */
import { type Change, type Decide, RESTORED } from "../log/event_log.ts";
import { StorageFaultError, StorageFullError } from "../log/log_errors.ts";
import type { JobError } from "../sync/entry.ts";
import type { Job } from "../sync/job.ts";
import type { Progress } from "../sync/progress.ts";
import { isTerminal, type TerminalStatus } from "../sync/status.ts";
import { settled } from "./meter.ts";

const NOTHING: Change = { facts: [] };

export const WORKER_LOST: JobError = {
  code: "worker_lost",
  message: "Whoever ran this job has not been heard of for longer than its lease.",
};
/** For a job that the server ran when it was killed: no lease has run out. */
const SERVER_KILLED: JobError = {
  code: WORKER_LOST.code,
  message: "The server was killed while it ran this job.",
};
/** For a job that the server ran when it was stopped: nobody has asked to cancel it. */
export const SERVER_STOPPED: JobError = {
  code: "server_stopped",
  message: "The server was stopped while this job was running.",
};
const STORAGE_FULL: JobError = {
  code: "storage_full",
  message: "There is no room left where the server keeps its log.",
};
const STORAGE_FAULT: JobError = {
  code: "storage_fault",
  message: "What the server keeps its log on has failed; the server's log says how.",
};
/** For a job whose source broke in a way that is no word for people. */
export const INTERNAL: JobError = {
  code: "internal_fault",
  message: "The sync broke inside the server; the server's log says how.",
};
/**
 * For a job that the server ran in a restored log. It may have run to its end, so it has not failed
 * and is not tried again.
 */
const LOG_RESTORED: JobError = {
  code: "log_restored",
  message: "The log was restored from a backup that was made while this job ran.",
};
const CANCEL_OVERDUE: JobError = {
  code: "cancel_overdue",
  message: "The worker was asked to stop and did not say that it had.",
};

/** How a job ends. `progress` has its last totals when they are not in the log yet. */
export interface Ending {
  readonly status: TerminalStatus;
  readonly error?: JobError;
  readonly progress?: Progress;
}

/** The work begins. */
export const begin: Decide = (job) => ({
  facts: job.status === "pending"
    ? [{ kind: "progress", status: "in_progress", progress: job.progress }]
    : [],
});

/** New totals. A job that is being cancelled stays so. */
export function advance(progress: Progress, leaseUntilMs?: number): Decide {
  return (job) => ({
    facts: [{
      kind: "progress",
      status: job.status === "cancelling" ? "cancelling" : "in_progress",
      progress,
    }],
    leaseUntilMs,
  });
}

/** The terminal entry. Does nothing to a job that has one: the first to end a job wins. */
export function end(ending: Ending): Decide {
  return (job) => {
    if (isTerminal(job.status)) return NOTHING;
    const { status, error } = ending;
    const progress = settled(ending.progress ?? job.progress, status === "completed");
    return { facts: [{ kind: "progress", status, progress, error }] };
  };
}

/**
 * Ends a job that a process now gone has left: as cancelled, if it was cancelling or restored, else
 * as failed.
 */
export const endLeft: Decide = (job, producerOf) => {
  const restored = job.owner === RESTORED;
  const status = restored || job.status === "cancelling" ? "cancelled" : "failed";
  const error = restored ? LOG_RESTORED : SERVER_KILLED;
  return end({ status, error })(job, producerOf);
};

/**
 * Cancels a job. A pending one of this server ends at once; any other becomes `cancelling`. A
 * worker learns of it at its next post, and has until `graceUntilMs` to end the job.
 */
export function cancel(graceUntilMs: number): Decide {
  return (job) => {
    if (isTerminal(job.status) || job.status === "cancelling") return NOTHING;
    const worker = job.origin === "worker";
    const status = job.status === "pending" && !worker ? "cancelled" : "cancelling";
    const facts = [{ kind: "progress" as const, status, progress: job.progress } as const];
    return worker ? { facts, leaseUntilMs: graceUntilMs } : { facts };
  };
}

/** Ends a job if its lease has run out: cancelled when a worker was asked to stop, else failed. */
export function giveUp(nowMs: number): Decide {
  return (job, producerOf) => {
    if (job.leaseUntilMs === null || job.leaseUntilMs >= nowMs) return NOTHING;
    const cancelled = job.origin === "worker" && job.status === "cancelling";
    const ending: Ending = cancelled
      ? { status: "cancelled", error: CANCEL_OVERDUE }
      : { status: "failed", error: WORKER_LOST };
    return end(ending)(job, producerOf);
  };
}

/** Whether the job was ended because its worker had not been heard of. */
export function wasGivenUp(job: Job): boolean {
  return job.error?.code === WORKER_LOST.code || job.error?.code === CANCEL_OVERDUE.code;
}

/** Renews the lease. Does nothing to a job that is over. */
export function renew(leaseUntilMs: number): Decide {
  return (job) => isTerminal(job.status) ? NOTHING : { facts: [], leaseUntilMs };
}

/** The error of a job whose log takes nothing more; undefined for any other cause. */
export function storageError(cause: unknown): JobError | undefined {
  if (cause instanceof StorageFullError) return STORAGE_FULL;
  return cause instanceof StorageFaultError ? STORAGE_FAULT : undefined;
}
