/** The shapes of queries, defined once: they validate, and they are the OpenAPI document. */
import { z } from "@hono/zod-openapi";
import { LIST_LIMIT_MAX, READ_LIMIT_MAX } from "../log/event_log.ts";
import { LOG_LEVELS } from "../sync/entry.ts";
import { type Status, STATUSES } from "../sync/status.ts";
import { uuid } from "./schemas.ts";

/** Most log lines that a stream starts with. */
const TAIL_MAX = 1_000;

/** Most syncs of an answer; so many where no limit is asked for. */
export const SYNCS_MAX = 10_000;

/** Of a value that is given twice zod says only that it is no level. */
const level = z.enum(LOG_LEVELS, {
  error: ({ input }) => Array.isArray(input) ? "expected it once" : undefined,
});

/** In a URL, as EventSource can send no headers. */
const ticket = z.string().max(4_000).openapi({
  description: "A ticket instead of a key; POST .../ticket makes one",
});

/** The largest number of nine digits, as many as a query's number may have. */
const WHOLE_MAX = 999_999_999;

/** A whole number in a query. Its bounds stand twice: OpenAPI does not see behind `transform`. */
export function whole(minimum: number, maximum: number, description: string) {
  return z.string().regex(/^\d{1,9}$/, "expected a whole number").transform(Number)
    .pipe(z.int().min(minimum).max(maximum)).optional()
    .openapi({ type: "integer", minimum, maximum, description });
}

/** One status, or several with commas between. */
const statuses = z.string().transform((text, context): Status[] => {
  const names = text.split(",");
  const known = names.flatMap((name) => STATUSES.filter((status) => status === name));
  if (known.length === names.length) return known;
  const message = `expected some of ${STATUSES.join(", ")}, with commas between`;
  context.addIssue({ code: "custom", message });
  return z.NEVER;
}).optional().openapi({
  type: "string",
  description: "One status or several, separated by commas",
  example: "pending,in_progress",
});

/** Which jobs a list or a stream of many has. */
const JOB_FILTER = {
  status: statuses,
  sync: z.string().min(1).max(200).optional().openapi({ description: "A sync's id or name" }),
};

export const JobListQuerySchema = z.strictObject({
  ...JOB_FILTER,
  limit: whole(1, LIST_LIMIT_MAX, "At most; 50 by default. Fewer where `meta` is long"),
  cursor: z.string().min(1).max(100).optional(),
});

export const SyncListQuerySchema = z.strictObject({
  sync: z.string().min(1).max(200).optional().openapi({
    description: "Only the sync of this id or name, where there is one",
  }),
  limit: whole(1, SYNCS_MAX, "At most; 10,000 by default. Fewer where `meta` is long"),
  cursor: z.string().min(1).max(100).optional(),
});

/** Unknown members are no error: EventSource would give up for good. */
export const JobsSubscribeQuerySchema = z.object({
  ...JOB_FILTER,
  job: uuid.optional().openapi({ description: "One job" }),
  tag: z.string().min(1).max(100).optional(),
  ended: whole(
    0,
    10_000,
    "At most so many jobs that are over come in the snapshot, the newest; all when left out",
  ),
  ticket: ticket.optional(),
});

/** Given twice, the last one counts: on an error EventSource would give up for good. */
const cursor = z.union([z.string(), z.array(z.string())])
  .transform((given) => [given].flat().at(-1)).optional();

export const SubscribeQuerySchema = z.object({
  ticket: ticket.optional(),
  logs: level.optional().openapi({
    description: "Adds log lines of at least this level to the stream",
  }),
  tail: whole(
    0,
    TAIL_MAX,
    "With ?logs and without a cursor: so many of the last log lines come first",
  ),
  last_event_id: cursor.openapi({
    type: "string",
    description: "As the header Last-Event-ID, which wins; so does lastEventId",
  }),
  lastEventId: cursor.openapi({
    type: "string",
    description: "As the header, added by clients that have none",
  }),
});

export const LogsQuerySchema = z.strictObject({
  level: level.optional().openapi({ description: "The least level; debug by default" }),
  after: whole(0, WHOLE_MAX, "Only lines after this seq"),
  until: whole(0, WHOLE_MAX, "Only lines up to this seq"),
  tail: whole(
    0,
    READ_LIMIT_MAX,
    "Only so many of the last lines, up to `until` where that is given",
  ),
  limit: whole(
    1,
    READ_LIMIT_MAX,
    "1,000 by default for JSON; NDJSON and text have all lines without it",
  ),
});

export const EventsQuerySchema = z.strictObject({
  after: whole(0, WHOLE_MAX, "Only entries after this seq"),
});
