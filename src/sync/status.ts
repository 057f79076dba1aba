/** What state a sync job is in. */

/** Every status, in the order in which a job meets them. */
export const STATUSES = [
  "pending",
  "in_progress",
  "cancelling",
  "completed",
  "failed",
  "cancelled",
] as const;

/** A job's status as it stands on the wire. */
export type Status = typeof STATUSES[number];

/** A status that ends a job: nothing follows it in the job's log. */
export type TerminalStatus = "completed" | "failed" | "cancelled";

/** Whether the job is over. */
export function isTerminal(status: Status): status is TerminalStatus {
  return status === "completed" || status === "failed" || status === "cancelled";
}
