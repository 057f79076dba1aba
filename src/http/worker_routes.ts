/** For workers elsewhere: create a job, post what it does. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { type AskedJob, JobExistsError } from "../jobs/outside_jobs.ts";
import { TooManyJobsError } from "../log/log_errors.ts";
import { EVENTS_MAX } from "../sync/event_limits.ts";
import { parseJobId } from "../sync/ids.ts";
import { keyOf } from "../sync/job.ts";
import { actingFor, jobFor, requireScope } from "./access.ts";
import { JobParams, json, KEYED, problems } from "./describe.ts";
import type { HttpEnv } from "./env.ts";
import { postEvents } from "./event_post.ts";
import { EventSchema, NewJobSchema, PostedSchema, ProducerHeaders } from "./event_schemas.ts";
import { invalid } from "./invalid.ts";
import { jobJson } from "./job_json.ts";
import { Problem } from "./problem.ts";
import { JobSchema } from "./schemas.ts";
import type { Services } from "./services.ts";

const location = {
  headers: { Location: { schema: { type: "string" as const }, description: "The job" } },
};

const createJobRoute = createRoute({
  method: "post",
  path: "/v1/sync/job",
  operationId: "createJob",
  summary: "Create a job whose work is done elsewhere",
  ...KEYED,
  request: {
    body: { content: { "application/json": { schema: NewJobSchema } }, required: false },
  },
  responses: {
    201: { ...json(JobSchema, "The job"), ...location },
    200: { ...json(JobSchema, "The job, which was there already"), ...location },
    ...problems("invalid-request", "forbidden", "job-exists", "too-many-jobs", "storage-full"),
  },
});

const eventsRoute = createRoute({
  method: "post",
  path: "/v1/sync/job/{job_id}/events",
  operationId: "postEvents",
  summary: "Say what a job does; an empty body only renews its lease",
  description:
    "One event, an array (taken whole or not at all), or NDJSON of any length, read as " +
    "it arrives. `Producer-Id`, `Producer-Epoch` and `Producer-Seq` make repetitions harmless.",
  ...KEYED,
  request: {
    params: JobParams,
    headers: ProducerHeaders,
    body: {
      required: false,
      content: {
        "application/json": {
          schema: z.union([EventSchema, z.array(EventSchema).max(EVENTS_MAX)]),
        },
        "application/x-ndjson": { schema: z.string() },
      },
    },
  },
  responses: {
    200: json(PostedSchema, "The events are kept"),
    ...problems(
      "invalid-request",
      "forbidden",
      "not-found",
      "body-timeout",
      "job-ended",
      "not-outside",
      "producer-fenced",
      "producer-out-of-order",
      "counter-went-back",
      "body-too-large",
      "unsupported-media-type",
      "too-many-events",
      "stopping",
      "storage-full",
    ),
  },
});

/** Creating jobs whose work is done elsewhere, and telling of them. */
export function addWorkerRoutes(app: OpenAPIHono<HttpEnv>, services: Services): void {
  const { log, outside } = services;

  app.openapi(createJobRoute, async (context) => {
    const asked = (context.req.valid("json") ?? {}) as z.output<typeof NewJobSchema>;
    requireScope(context, "write");
    const { tenant } = actingFor(context.get("principal"), asked.tenant);
    if (tenant !== (context.req.header("Synctail-Tenant") ?? tenant)) {
      throw invalid([{ pointer: "/tenant", detail: "expected the one of Synctail-Tenant" }]);
    }
    const told: AskedJob = {
      tenant,
      id: parseJobId(asked.id ?? ""),
      retryOf: parseJobId(asked.retry_of ?? ""),
      sync: asked.sync,
      name: asked.name,
      tags: asked.tags,
      meta: asked.meta,
      total: asked.total,
      bytesTotal: asked.bytes_total,
      leaseMs: asked.lease_s === undefined ? undefined : Math.round(asked.lease_s * 1000),
      attempt: asked.attempt,
    };
    const { created, job } = await outside.create(told).catch((cause) => {
      if (cause instanceof TooManyJobsError) {
        throw new Problem("too-many-jobs", cause.message, {}, { "Retry-After": "30" });
      }
      if (!(cause instanceof JobExistsError)) throw cause;
      throw new Problem("job-exists", cause.message);
    });
    const headers = { Location: `${services.origin.prefix}/v1/sync/job/${job.id}` };
    const shown = jobJson(job, services);
    return created ? context.json(shown, 201, headers) : context.json(shown, 200, headers);
  });

  // Registered without a validator: its bodies are read as they arrive.
  app.openAPIRegistry.registerPath(eventsRoute);
  app.post(eventsRoute.getRoutingPath(), async (context: Context<HttpEnv>) => {
    const job = await jobFor(context, log, "write");
    return context.json(await postEvents(context, keyOf(job), services), 200);
  });
}
