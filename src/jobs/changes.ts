/** What can be done to a job, as decisions on its state at the moment of the append. */
import type { Change, Decide } from "../log/event_log.ts";
import type { JobError } from "../sync/entry.ts";
import type { Progress } from "../sync/progress.ts";
import { isTerminal, type TerminalStatus } from "../sync/status.ts";
import { settled } from "./meter.ts";

const NOTHING: Change = { facts: [] };

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

/** Viewers see `cancelling` at once; a job that nobody has begun is over with it. */
export const cancel: Decide = (job) => {
  if (isTerminal(job.status) || job.status === "cancelling") return NOTHING;
  const status = job.status === "pending" ? "cancelled" : "cancelling";
  return { facts: [{ kind: "progress", status, progress: job.progress }] };
};

/** Keeps the lease alive; nothing to a job that is over. */
export function renew(leaseUntilMs: number): Decide {
  return (job) => isTerminal(job.status) ? NOTHING : { facts: [], leaseUntilMs };
}
