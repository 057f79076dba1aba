/**
 * When a failed run is tried again. Only the sync's last job decides, so a restart forgets none.
 */
import { backoffMs } from "../../clock.ts";
import type { Job } from "../../sync/job.ts";
import { SERVER_STOPPED } from "../changes.ts";
import type { Retries } from "./timing.ts";

/**
 * When the job is to be tried again, in milliseconds since 1970. Undefined when it is not: it did
 * not fail, a worker ran it, or it was the last try.
 *
 * @param last the newest job of its sync: one that another has followed is not tried again
 */
export function retryAt(
  last: Job | undefined,
  retries: Retries | undefined,
  nowMs: number,
): number | undefined {
  if (!last || !retries || last.origin !== "source" || !wantsTry(last)) return undefined;
  if (last.attempt > retries.max || last.endedAtMs === null) return undefined;
  const waitMs = backoffMs(last.attempt, { first: retries.backoffMs, last: retries.backoffMaxMs });
  // An end far ahead is from before the clock was put back: enough time has passed.
  return last.endedAtMs - nowMs > waitMs ? nowMs : last.endedAtMs + waitMs;
}

/**
 * Whether the job failed. A cancel that somebody has asked for is no failure; one by the server's
 * stop is.
 */
function wantsTry({ status, error }: Job): boolean {
  return status === "failed" || (status === "cancelled" && error?.code === SERVER_STOPPED.code);
}
