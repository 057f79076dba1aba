/** Schedules and expectations as the API shows them. */
import type { z } from "@hono/zod-openapi";
import type { Standing } from "../jobs/schedules/scheduler.ts";
import { isoTime } from "../sync/iso_time.ts";
import type { SyncSchema } from "./schemas.ts";

/** The members of a sync about its schedule and expectation; `undefined` stands for neither. */
export function standingJson(standing: Standing | undefined): Pick<
  z.output<typeof SyncSchema>,
  "schedule" | "next_run_at" | "skipped_runs" | "last_skip" | "expected_at" | "overdue"
> {
  const skip = standing?.lastSkip;
  return {
    schedule: standing?.schedule ?? null,
    next_run_at: isoTime(standing?.nextRunAtMs),
    skipped_runs: standing?.skippedRuns ?? 0,
    last_skip: skip ? { at: isoTime(skip.atMs), job_id: skip.jobId } : null,
    expected_at: isoTime(standing?.expectedAtMs),
    overdue: standing?.overdue ?? false,
  };
}
