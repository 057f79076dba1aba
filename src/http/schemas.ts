/** The shapes of the API, defined once: they validate, and they are the OpenAPI document. */
import { z } from "@hono/zod-openapi";
import { LIST_LIMIT_MAX } from "../log/event_log.ts";
import { LOG_LEVELS } from "../sync/entry.ts";
import { STATUSES } from "../sync/status.ts";

const count = z.int().nonnegative();
const uuid = z.uuid();
const time = z.iso.datetime();

export const StatusSchema = z.enum(STATUSES).openapi("Status");

export const JobErrorSchema = z.object({
  code: z.string().openapi({ example: "worker_lost" }),
  message: z.string(),
}).openapi("JobError");

export const JobSchema = z.object({
  id: uuid,
  sync_id: uuid.nullable(),
  sync: z.string().nullable().openapi({ description: "The sync's name" }),
  name: z.string().nullable(),
  status: StatusSchema,
  seq: count.openapi({ description: "Seq of the last entry in the job's log; 0 for none" }),
  entities_inserted: count,
  entities_updated: count,
  entities_deleted: count,
  entities_kept: count,
  entities_skipped: count,
  entities_encountered: z.record(z.string(), count),
  total: count.optional(),
  percent: z.number().min(0).max(100).optional(),
  bytes_done: count.optional(),
  bytes_total: count.optional(),
  rate_per_s: z.number().nonnegative().optional(),
  bytes_per_s: z.number().nonnegative().optional(),
  eta_s: count.optional(),
  phase: z.string().optional(),
  current: z.string().optional(),
  warnings: count.optional(),
  paced: z.literal(true).optional(),
  tags: z.array(z.string()).readonly(),
  meta: z.record(z.string(), z.unknown()),
  retry_of: uuid.nullable(),
  attempt: z.int().positive(),
  viewers: count.openapi({ description: "Streams of this job open at this server now" }),
  created_at: time,
  started_at: time.nullable(),
  updated_at: time,
  ended_at: time.nullable(),
  error: JobErrorSchema.nullable(),
}).openapi("Job");

export const SyncSchema = z.object({
  id: uuid,
  name: z.string(),
  source: z.string().openapi({ description: "The source's type", example: "directory" }),
  destination: z.string().nullable().openapi({ example: "sqlite" }),
  last_job: JobSchema.nullable(),
}).openapi("Sync");

const nextCursor = z.string().nullable().openapi({
  description: "Asks for the next page as ?cursor=; null at the end",
});
export const JobListSchema = z.object({ items: z.array(JobSchema), next_cursor: nextCursor })
  .openapi("JobList");
export const SyncListSchema = z.object({ items: z.array(SyncSchema), next_cursor: nextCursor })
  .openapi("SyncList");

export const ProblemSchema = z.object({
  type: z.string().openapi({ example: "/problems/not-found" }),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  errors: z.array(z.object({
    pointer: z.string().optional(),
    parameter: z.string().optional(),
    detail: z.string(),
  })).optional(),
  job_id: uuid.optional(),
}).openapi("Problem");

/** Optional words about a run; callers can only run what is configured. */
export const RunBodySchema = z.strictObject({
  tags: z.array(z.string().min(1).max(100)).max(20).optional(),
  meta: z.record(z.string().max(100), z.unknown()).optional(),
}).openapi("RunRequest");

/** A whole number in a query. */
const whole = z.string().regex(/^\d{1,9}$/, "expected a whole number").transform(Number);

export const JobListQuerySchema = z.strictObject({
  status: StatusSchema.optional(),
  sync: z.string().min(1).max(200).optional().openapi({ description: "A sync's id or name" }),
  limit: whole.pipe(z.int().min(1).max(LIST_LIMIT_MAX)).optional().openapi({
    type: "integer",
    description: "50 by default",
  }),
  cursor: z.string().min(1).max(100).optional(),
});

export const SubscribeQuerySchema = z.object({
  logs: z.enum(LOG_LEVELS).optional().openapi({
    description: "Adds log lines of at least this level to the stream",
  }),
  last_event_id: z.string().optional().openapi({
    description: "As the header Last-Event-ID, which wins",
  }),
  lastEventId: z.string().optional(),
});
