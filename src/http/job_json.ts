/** Jobs as the API shows them. */
import type { z } from "@hono/zod-openapi";
import { measures } from "../stream/payloads.ts";
import type { Viewers } from "../stream/viewers.ts";
import { isoTime } from "../sync/iso_time.ts";
import { isStalled, type Job } from "../sync/job.ts";
import type { JobSchema } from "./schemas.ts";
import type { Services } from "./services.ts";

type JobServices = Pick<Services, "clock" | "stallAfterMs"> & {
  readonly viewers: Pick<Viewers, "of">;
};

/** The job as it stands now. */
export function jobJson(job: Job, services: JobServices): z.output<typeof JobSchema> {
  const { viewers, clock, stallAfterMs } = services;
  const { progress: p, lateEnd } = job;
  return {
    id: job.id,
    sync_id: job.sync?.id ?? null,
    sync: job.sync?.name ?? null,
    name: job.name,
    status: job.status,
    seq: job.seq,
    entities_inserted: p.inserted,
    entities_updated: p.updated,
    entities_deleted: p.deleted,
    entities_kept: p.kept,
    entities_skipped: p.skipped,
    entities_encountered: { ...p.encountered },
    ...measures(p),
    tags: job.tags,
    meta: { ...job.meta },
    retry_of: job.retryOf,
    attempt: job.attempt,
    origin: job.origin,
    lease_s: job.leaseMs === null ? null : job.leaseMs / 1000,
    stalled: isStalled(job, clock.now(), stallAfterMs),
    viewers: viewers.of(job),
    created_at: isoTime(job.createdAtMs),
    started_at: isoTime(job.startedAtMs),
    updated_at: isoTime(job.updatedAtMs),
    ended_at: isoTime(job.endedAtMs),
    error: job.error,
    late_end: lateEnd && {
      status: lateEnd.status,
      error: lateEnd.error,
      at: isoTime(lateEnd.atMs),
    },
  };
}
