/** The shapes of bodies, defined once: they validate, and they are the OpenAPI document. */
import { z } from "@hono/zod-openapi";
import { SCOPES } from "../auth/scopes.ts";
import { TICKET_MAX_S } from "../auth/tickets.ts";
import { isLonger } from "../sync/cut.ts";
import { LOG_LEVELS } from "../sync/entry.ts";
import { DEPTH_MAX, MEMBER_MAX, TAG_MAX, TAGS_MAX } from "../sync/event_limits.ts";
import { STATUSES } from "../sync/status.ts";

const count = z.int().nonnegative();
/** Of any version, also of none: hashes are made into UUIDs without one. As `parseUuid` takes them. */
export const uuid = z.guid({
  error: ({ code }) => code === "invalid_format" ? "expected a UUID" : undefined,
});
const time = z.iso.datetime();

/** The shape or null. By `nullable()` a shape with a name would be null wherever it is named. */
const orNull = <Schema extends z.ZodType>(schema: Schema) => z.union([schema, z.null()]);

export const StatusSchema = z.enum(STATUSES).openapi("Status");

const JobErrorSchema = z.object({
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
  entities_encountered: z.record(z.string(), count).openapi({
    description: "Entities met so far, by type",
  }),
  total: count.optional().openapi({ description: "Entities in all, once that is final" }),
  percent: z.number().min(0).max(100).optional().openapi({
    description: "By bytes where these are known; never goes back; 100 once completed",
  }),
  bytes_done: count.optional(),
  bytes_total: count.optional().openapi({ description: "Bytes in all, once that is final" }),
  rate_per_s: z.number().nonnegative().optional().openapi({
    description: "Entities a second, over the last seconds",
  }),
  bytes_per_s: z.number().nonnegative().optional(),
  eta_s: count.optional().openapi({ description: "Seconds left at this rate" }),
  phase: z.string().optional().openapi({ description: "What the job is busy with" }),
  current: z.string().optional().openapi({ description: "The entity that it is busy with" }),
  warnings: count.optional(),
  paced: z.literal(true).optional().openapi({
    description: "Held back on purpose, by `max_per_s`",
  }),
  tags: z.array(z.string()).readonly(),
  meta: z.record(z.string(), z.unknown()),
  retry_of: uuid.nullable().openapi({ description: "The job that this one tries again" }),
  attempt: z.int().positive().openapi({ description: "Which try it is" }),
  origin: z.enum(["source", "worker"]).openapi({
    description: "Who does the work: a source of this server, or a worker elsewhere",
  }),
  lease_s: z.number().positive().nullable().openapi({
    description: "How long a worker may be silent; null for jobs of this server",
  }),
  stalled: z.boolean().openapi({ description: "On its way, and nothing was said for long" }),
  viewers: count.openapi({ description: "Streams of this job open at this server now" }),
  created_at: time,
  started_at: time.nullable().openapi({ description: "Null where it has not begun" }),
  updated_at: time.openapi({ description: "When its last entry that is no log line was written" }),
  ended_at: time.nullable(),
  error: orNull(JobErrorSchema),
  late_end: z.object({ status: StatusSchema, error: orNull(JobErrorSchema), at: time })
    .nullable().openapi({ description: "What the worker said after the job had been given up" }),
}).openapi("Job");

export const SyncSchema = z.object({
  id: uuid,
  name: z.string(),
  source: z.string().nullable().openapi({
    description: "The source's type; null where workers elsewhere do the work",
    example: "directory",
  }),
  destination: z.string().nullable().openapi({ example: "sqlite" }),
  runnable: z.boolean().openapi({ description: "Whether the server can run it" }),
  last_job: orNull(JobSchema),
  last_success_at: time.nullable().openapi({ description: "When its newest complete run ended" }),
  schedule: z.string().nullable().openapi({
    description: "When it runs by itself, in words",
    example: "0 3 * * * Europe/Berlin",
  }),
  next_run_at: time.nullable().openapi({
    description: "When the server runs it next, by its schedule or to try a failed run again",
  }),
  skipped_runs: count.openapi({
    description: "Runs left out since the server started, as the one before was on its way still",
  }),
  last_skip: z.object({ at: time, job_id: uuid }).nullable().openapi({
    description: "The last of them, and the job that was in the way",
  }),
  expected_at: time.nullable().openapi({
    description: "When a run is expected to start, the grace left out",
  }),
  overdue: z.boolean().openapi({ description: "No run has started by then, nor in the grace" }),
}).openapi("Sync");

export const nextCursor = z.string().nullable().openapi({
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
    header: z.string().optional(),
    detail: z.string(),
  })).optional(),
  job_id: uuid.optional(),
  job_status: StatusSchema.optional(),
  expected_seq: count.optional(),
  line: z.int().positive().optional(),
  accepted: count.optional(),
  first_seq: count.nullable().optional(),
  last_seq: count.optional(),
}).openapi("Problem");

function depthAtMost(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return levels > 0 && Object.values(value).every((inner) => depthAtMost(inner, levels - 1));
}

export const tags = z.array(z.string().min(1).max(TAG_MAX)).max(TAGS_MAX);
/** Any JSON object within limits of depth. Not zod's record, which takes 3 us a member. */
export const anyObject = z.custom<Record<string, unknown>>().superRefine((value, context) => {
  const message = faultOf(value);
  if (message) context.addIssue({ code: "custom", message });
}).openapi({
  type: "object",
  additionalProperties: {},
  description:
    `Names of at most ${MEMBER_MAX} characters, and ${DEPTH_MAX} levels; whole numbers ` +
    "that JavaScript would round become texts",
});

function faultOf(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return "expected an object";
  }
  if (Object.keys(value).some((name) => isLonger(name, MEMBER_MAX))) {
    return `expected members with names of at most ${MEMBER_MAX} characters`;
  }
  return depthAtMost(value, DEPTH_MAX) ? undefined : `expected at most ${DEPTH_MAX} levels`;
}

/** Optional words about a run; callers can only run what is configured. */
export const RunBodySchema = z.strictObject({
  tags: tags.optional(),
  meta: anyObject.optional(),
}).openapi("RunRequest");

const LogLineSchema = z.object({
  seq: count,
  time,
  level: z.enum(LOG_LEVELS),
  message: z.string(),
  source: z.string().optional(),
  fields: z.record(z.string(), z.unknown()).optional(),
}).openapi("LogLine");

export const LogListSchema = z.object({
  items: z.array(LogLineSchema),
  next_cursor: z.string().nullable().openapi({
    description: "Asks for the next page as ?after=; null at the end",
  }),
}).openapi("LogList");

export const HistorySchema = z.object({
  items: z.array(z.object({
    time,
    percent: JobSchema.shape.percent,
    rate_per_s: JobSchema.shape.rate_per_s,
    bytes_per_s: JobSchema.shape.bytes_per_s,
  })),
}).openapi("History");

const secret = z.string().min(1).max(200);

/** What a browser signs in with. */
export const SessionBodySchema = z.union([
  z.strictObject({ key: secret }),
  z.strictObject({ link: secret }),
], { error: 'expected {"key": "…"} or {"link": "…"}, of at most 200 characters' }).openapi(
  "SignIn",
);

export const SessionSchema = z.object({
  tenant: z.string(),
  scopes: z.array(z.enum(SCOPES)),
  stall_after_s: z.number().openapi({ description: "Silence after which a job is stalled" }),
}).openapi("Session");

export const TicketBodySchema = z.strictObject({
  for: z.enum(["job", "sync", "tag", "tenant"]).optional().openapi({
    description: "What the ticket is good for; the job when left out",
  }),
  tag: z.string().min(1).max(100).optional().openapi({ description: "With `for: tag`" }),
  expires_in_s: z.int().min(1).max(TICKET_MAX_S).optional().openapi({
    description: "3,600 when left out",
  }),
}).openapi("NewTicket");

export const TicketSchema = z.object({
  ticket: z.string(),
  url: z.string().openapi({ description: "The stream, with the ticket in it" }),
  expires_at: time,
}).openapi("Ticket");
