/** Jobs: list, get, cancel. */
import { createRoute, type OpenAPIHono } from "@hono/zod-openapi";
import { CursorError } from "../log/event_log.ts";
import { keyOf } from "../sync/job.ts";
import { parseSyncId } from "../sync/ids.ts";
import { jobFor, requireScope } from "./access.ts";
import { JobParams, json, problems, SECURITY } from "./describe.ts";
import type { HttpEnv } from "./env.ts";
import { jobJson } from "./job_json.ts";
import { Problem } from "./problem.ts";
import { JobListQuerySchema, JobListSchema, JobSchema } from "./schemas.ts";
import type { Services } from "./services.ts";

const LIST_LIMIT = 50;

const listRoute = createRoute({
  method: "get",
  path: "/v1/sync/jobs",
  summary: "Jobs, newest first",
  security: SECURITY,
  request: { query: JobListQuerySchema },
  responses: {
    200: json(JobListSchema, "One page"),
    ...problems("invalid-request", "forbidden"),
  },
});

const getRoute = createRoute({
  method: "get",
  path: "/v1/sync/job/{job_id}",
  summary: "One job",
  security: SECURITY,
  request: { params: JobParams },
  responses: { 200: json(JobSchema, "The job"), ...problems("forbidden", "not-found") },
});

const cancelRoute = createRoute({
  method: "post",
  path: "/v1/sync/job/{job_id}/cancel",
  summary: "Ask a job to stop; the same again changes nothing",
  security: SECURITY,
  request: { params: JobParams },
  responses: { 200: json(JobSchema, "The job"), ...problems("forbidden", "not-found") },
});

export function addJobRoutes(app: OpenAPIHono<HttpEnv>, services: Services): void {
  const { log, viewers, dispatcher, syncs } = services;

  app.openapi(listRoute, async (context) => {
    requireScope(context, "read");
    const { tenant } = context.get("principal");
    const { status, sync, limit = LIST_LIMIT, cursor } = context.req.valid("query");
    const syncId = sync === undefined
      ? undefined
      : syncs.find(tenant, sync)?.id ?? parseSyncId(sync) ?? null;
    // The name of no sync has no jobs; it may be one whose configuration is gone.
    if (syncId === null) return context.json({ items: [], next_cursor: null }, 200);
    try {
      const page = await log.list({ tenant, status, syncId, limit, cursor });
      const items = page.items.map((job) => jobJson(job, viewers.of(job)));
      return context.json({ items, next_cursor: page.nextCursor }, 200);
    } catch (cause) {
      if (!(cause instanceof CursorError)) throw cause;
      const errors = [{ parameter: "cursor", detail: cause.message }];
      throw new Problem("invalid-request", cause.message, { errors });
    }
  });

  app.openapi(getRoute, async (context) => {
    const job = await jobFor(context, log, "read");
    return context.json(jobJson(job, viewers.of(job)), 200);
  });

  app.openapi(cancelRoute, async (context) => {
    const job = await dispatcher.cancel(keyOf(await jobFor(context, log, "run")));
    return context.json(jobJson(job, viewers.of(job)), 200);
  });
}
