/** What can be done to a job, as decisions on its state at the moment of the append. */
import { type Change, type Decide, RESTORED } from "../log/event_log.ts";
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
/** A job of the server's own, which goes with its process: no lease has run out. */
const SERVER_KILLED: JobError = {
  code: WORKER_LOST.code,
  message: "The server was killed while it ran this job.",
};
/** A job of the server's own that was cancelled with it: nobody has asked for that. */
export const SERVER_STOPPED: JobError = {
  code: "server_stopped",
  message: "The server was stopped while this job was running.",
};
/** A job of the server's own that may have run to its end: no failure to tell, nothing to try again. */
const LOG_RESTORED: JobError = {
  code: "log_restored",
  message: "The log was restored from a backup that was made while this job ran.",
};
const CANCEL_OVERDUE: JobError = {
  code: "cancel_overdue",
  message: "The worker was asked to stop and did not say that it had.",
};

/** How a job ends. `progress` are its last totals, when they are not in the log yet. */
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

/** New totals; a job that is being cancelled stays so. */
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

/** The one terminal entry. Does nothing to a job that has it: the first to end a job wins. */
export function end(ending: Ending): Decide {
  return (job) => {
    if (isTerminal(job.status)) return NOTHING;
    const { status, error } = ending;
    const progress = settled(ending.progress ?? job.progress, status === "completed");
    return { facts: [{ kind: "progress", status, progress, error }] };
  };
}

/** Ends what a process that is gone had on its way; somebody may have cancelled it before. */
export const endLeft: Decide = (job, producerOf) => {
  const restored = job.owner === RESTORED;
  const status = restored || job.status === "cancelling" ? "cancelled" : "failed";
  const error = restored ? LOG_RESTORED : SERVER_KILLED;
  return end({ status, error })(job, producerOf);
};

/**
 * Viewers see `cancelling` at once; a job of this server that nobody has begun is over with it.
 * A worker learns of it by its next post, and has until `graceUntilMs` to end the job.
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

/** Ends a job whose lease has run out, if it still has: failed, or cancelled where that was asked. */
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

/** Whether the job was ended for a worker that was not heard of. */
export function wasGivenUp(job: Job): boolean {
  return job.error?.code === WORKER_LOST.code || job.error?.code === CANCEL_OVERDUE.code;
}

/** Keeps the lease alive; nothing to a job that is over. */
export function renew(leaseUntilMs: number): Decide {
  return (job) => isTerminal(job.status) ? NOTHING : { facts: [], leaseUntilMs };
}
