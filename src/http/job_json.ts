/** Jobs as the API shows them. */
import type { z } from "@hono/zod-openapi";
import { measures } from "../stream/payloads.ts";
import type { Job } from "../sync/job.ts";
import type { JobSchema } from "./schemas.ts";

/** @param viewers streams of the job open at this server now */
export function jobJson(job: Job, viewers: number): z.output<typeof JobSchema> {
  const { progress: p } = job;
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
    viewers,
    created_at: iso(job.createdAtMs),
    started_at: job.startedAtMs === null ? null : iso(job.startedAtMs),
    updated_at: iso(job.updatedAtMs),
    ended_at: job.endedAtMs === null ? null : iso(job.endedAtMs),
    error: job.error,
  };
}

function iso(atMs: number): string {
  return new Date(atMs).toISOString();
}
