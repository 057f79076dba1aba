/** What workers send: jobs and events, as they are on the wire and as we read them. */
import { z } from "@hono/zod-openapi";
import { LOG_LEVELS } from "../sync/entry.ts";
import type { WorkerEvent } from "../sync/event.ts";
import type { Counters } from "../sync/producer.ts";
import {
  ATTEMPT_MAX,
  CODE_MAX,
  JOB_NAME_MAX,
  LEASE_S_MAX,
  MESSAGE_MAX,
  PERCENT_MAX,
  PRODUCER_MAX,
  SOURCE_MAX,
  SYNC_NAME_MAX,
  TYPE_MAX,
  TYPES_MAX,
  WORDS_MAX,
} from "../sync/event_limits.ts";
import { TENANT_FORM } from "../sync/ids.ts";
import { anyObject, StatusSchema, tags, uuid } from "./schemas.ts";
import { ENTITY_COUNTS } from "../sync/progress.ts";

const COUNT = `expected a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`;
/** Its upper bound is that of `int`, which OpenAPI does not see. */
const count = z.int(COUNT).min(0, COUNT).openapi({ maximum: Number.MAX_SAFE_INTEGER });
const TIME = "expected RFC 3339 with Z or an offset, such as 2026-01-15T10:00:00Z";
/** The code of an error that names none. */
const FAILED = "worker_failed";
const words = z.string().max(WORDS_MAX);
/** A name that SQLite keeps as it is: NUL and half a surrogate pair could make two names one. */
const distinctName = (max: number) =>
  z.string().min(1).max(max).refine(
    (text) => text.isWellFormed() && !text.includes("\0"),
    "expected neither NUL nor half a surrogate pair",
  );
const tenantName = z.string().min(1).max(64);

export const NewJobSchema = z.strictObject({
  id: uuid.optional().openapi({ description: "Chosen by the worker, so that it may repeat" }),
  sync: distinctName(SYNC_NAME_MAX).optional().openapi({
    description: "Name or UUID of the sync that this is a run of; registered on first use",
  }),
  name: z.string().min(1).max(JOB_NAME_MAX).optional(),
  tags: tags.optional(),
  meta: anyObject.optional(),
  total: count.optional(),
  bytes_total: count.optional(),
  lease_s: z.number().min(1).max(LEASE_S_MAX).optional().openapi({
    description: "Seconds that the worker may be silent; 900 by default",
  }),
  retry_of: uuid.optional(),
  attempt: z.int().min(1).max(ATTEMPT_MAX).optional(),
  tenant: tenantName.optional().openapi({
    description: `In place of the header \`Synctail-Tenant\`, or the same: ${TENANT_FORM}`,
  }),
}).openapi("NewJob");

const producerFields = {
  producer_id: distinctName(PRODUCER_MAX).optional().openapi({
    description: "In place of the headers `Producer-*`; all events of a request must agree",
  }),
  producer_epoch: count.optional().openapi({ description: "With `producer_id`" }),
  producer_seq: count.optional().openapi({ description: "With `producer_id`" }),
};

/** Described but not validated: the route reads the headers itself. */
export const ProducerHeaders = z.object({
  "Producer-Id": z.string().min(1).max(PRODUCER_MAX).optional().openapi({
    description: "Who counts, as UTF-8",
  }),
  "Producer-Epoch": count.optional().openapi({
    description: "With `Producer-Id`; 0 when left out",
  }),
  "Producer-Seq": count.optional().openapi({
    description: "With `Producer-Id`: the number of this request, from 0",
  }),
});

const progress = z.strictObject({
  type: z.literal("progress"),
  delta: z.boolean().optional().openapi({ description: "The counters are increments" }),
  entities_inserted: count.optional(),
  entities_updated: count.optional(),
  entities_deleted: count.optional(),
  entities_kept: count.optional(),
  entities_skipped: count.optional(),
  entities_encountered: z.record(z.string().min(1).max(TYPE_MAX), count).optional().openapi({
    maxProperties: TYPES_MAX,
    description:
      `Counts by type, of 1 to ${TYPE_MAX} characters; a job can have ${TYPES_MAX} types`,
  }),
  inserted: count.optional(),
  updated: count.optional(),
  deleted: count.optional(),
  kept: count.optional(),
  skipped: count.optional(),
  bytes_done: count.optional(),
  warnings: count.optional(),
  total: count.optional(),
  bytes_total: count.optional(),
  percent: z.number().min(0).max(PERCENT_MAX).optional().openapi({
    description: "For workers that know no totals; what follows from totals goes before it",
  }),
  phase: words.optional(),
  current: words.optional(),
  ...producerFields,
}).superRefine((event, context) => {
  for (const name of ENTITY_COUNTS) {
    const long = event[`entities_${name}`];
    if (long === undefined || event[name] === undefined || event[name] === long) continue;
    context.addIssue({
      code: "custom",
      path: [name],
      message: `expected entities_${name} or none`,
    });
  }
  if (Object.keys(event.entities_encountered ?? {}).length > TYPES_MAX) {
    const message = `expected at most ${TYPES_MAX} entity types`;
    context.addIssue({ code: "custom", path: ["entities_encountered"], message });
  }
});

const log = z.strictObject({
  type: z.literal("log"),
  level: z.enum(LOG_LEVELS).optional().openapi({ description: "info when left out" }),
  message: z.string().max(MESSAGE_MAX),
  source: z.string().max(SOURCE_MAX).optional(),
  time: z.iso.datetime({ offset: true, error: TIME }).optional(),
  fields: anyObject.optional(),
  ...producerFields,
});

const phase = z.strictObject({ type: z.literal("phase"), phase: words, ...producerFields });

const total = z.strictObject({
  type: z.literal("total"),
  total: count.optional(),
  bytes_total: count.optional(),
  ...producerFields,
});

const end = z.strictObject({
  type: z.literal("end"),
  status: z.enum(["completed", "failed", "cancelled"]),
  error: z.strictObject({
    code: z.string().min(1).max(CODE_MAX).optional().openapi({
      description: "worker_failed when left out",
    }),
    message: z.string().max(MESSAGE_MAX),
  }).optional().openapi({ description: "None where the job has completed" }),
  ...producerFields,
}).refine(
  ({ status, error }) => status !== "completed" || error === undefined,
  { path: ["error"], message: "expected none: the job has completed" },
);

export const EventSchema = z.discriminatedUnion("type", [progress, log, phase, total, end], {
  error: "expected progress, log, phase, total or end",
}).openapi("Event");

export type WireEvent = z.output<typeof EventSchema>;

export const PostedSchema = z.object({
  first_seq: count.nullable().openapi({ description: "Null where nothing was appended" }),
  last_seq: count,
  status: StatusSchema,
  cancel_requested: z.boolean(),
  viewers: count,
  interval_ms: count.openapi({ description: "How often progress is worth posting" }),
}).openapi("Posted");

/** The event as jobs know it. */
export function workerEvent(event: WireEvent): WorkerEvent {
  switch (event.type) {
    case "log": {
      const { level = "info", message, source, time, fields } = event;
      const timeMs = time === undefined ? undefined : Date.parse(time);
      return { type: "log", line: { kind: "log", level, message, source, timeMs, fields } };
    }
    case "end": {
      const { status, error } = event;
      return { type: "end", status, error: error && { code: FAILED, ...error } };
    }
    case "phase":
      return { type: "progress", delta: false, counters: {}, phase: event.phase };
    case "total":
      return {
        type: "progress",
        delta: false,
        counters: {},
        total: event.total,
        bytesTotal: event.bytes_total,
      };
    case "progress": {
      // Written out: names that are put together take as long as to parse the event.
      const counters: Partial<Counters> = {
        inserted: event.entities_inserted ?? event.inserted,
        updated: event.entities_updated ?? event.updated,
        deleted: event.entities_deleted ?? event.deleted,
        kept: event.entities_kept ?? event.kept,
        skipped: event.entities_skipped ?? event.skipped,
        warnings: event.warnings,
        bytes: event.bytes_done,
        encountered: event.entities_encountered,
      };
      return {
        type: "progress",
        delta: event.delta ?? false,
        counters,
        total: event.total,
        bytesTotal: event.bytes_total,
        percent: event.percent,
        phase: event.phase,
        current: event.current,
      };
    }
  }
}
