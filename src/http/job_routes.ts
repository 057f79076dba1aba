/** Jobs: list, get, cancel, remove. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { type JobFilter, LIST_LIMIT_MAX } from "../log/event_log.ts";
import { DamagedJobError } from "../log/log_errors.ts";
import { keyOf } from "../sync/job.ts";
import type { JobKey, SyncId, TenantId } from "../sync/ids.ts";
import type { Status } from "../sync/status.ts";
import { jobFor, requireScope } from "./access.ts";
import { JobParams, json, KEYED, problems } from "./describe.ts";
import type { HttpEnv } from "./env.ts";
import { cursorProblem } from "./invalid.ts";
import { jobJson } from "./job_json.ts";
import { JobListQuerySchema } from "./query_schemas.ts";
import { JobListSchema, JobSchema } from "./schemas.ts";
import { removeAll } from "../jobs/removals.ts";
import { knownSync, usualSyncId } from "../jobs/syncs.ts";
import type { Services } from "./services.ts";

const LIST_LIMIT = 50;

const listRoute = createRoute({
  method: "get",
  path: "/v1/sync/jobs",
  operationId: "listJobs",
  summary: "Jobs, newest first",
  ...KEYED,
  request: { query: JobListQuerySchema },
  responses: {
    200: json(JobListSchema, "One page"),
    ...problems("invalid-request", "forbidden"),
  },
});

const getRoute = createRoute({
  method: "get",
  path: "/v1/sync/job/{job_id}",
  operationId: "getJob",
  summary: "One job",
  ...KEYED,
  request: { params: JobParams },
  responses: { 200: json(JobSchema, "The job"), ...problems("forbidden", "not-found") },
});

const deleteRoute = createRoute({
  method: "delete",
  path: "/v1/sync/job/{job_id}",
  operationId: "removeJob",
  summary: "Remove a job and everything known of it; a running one is stopped first",
  description: "Whoever follows it gets the error `job_deleted`. Needs the scope `write`.",
  ...KEYED,
  request: { params: JobParams },
  responses: { 204: { description: "It is gone" }, ...problems("forbidden", "not-found") },
});

const clearRoute = createRoute({
  method: "delete",
  path: "/v1/tenant",
  operationId: "removeJobs",
  summary: "Remove all jobs of a tenant and everything known of them",
  description: "The key's own tenant, or with the scope `tenants` the one that the header " +
    "`Synctail-Tenant` names. Needs the scope `write`; the tenant's keys stay.",
  ...KEYED,
  responses: {
    200: json(z.object({ removed: z.int() }), "How many jobs it has removed"),
    ...problems("forbidden"),
  },
});

const cancelRoute = createRoute({
  method: "post",
  path: "/v1/sync/job/{job_id}/cancel",
  operationId: "cancelJob",
  summary: "Ask a job to stop; the same again changes nothing",
  ...KEYED,
  request: { params: JobParams },
  responses: {
    200: json(JobSchema, "The job"),
    // A body is not needed, but it is read as that of any POST.
    ...problems("invalid-request", "forbidden", "not-found"),
  },
});

/** Jobs: listing, looking at, cancelling and removing them. */
export function addJobRoutes(app: OpenAPIHono<HttpEnv>, services: Services): void {
  const { log, dispatcher } = services;

  app.openapi(listRoute, async (context) => {
    requireScope(context, "read");
    const { tenant } = context.get("principal");
    const { limit = LIST_LIMIT, cursor, ...asked } = context.req.valid("query");
    const filter = await jobFilterOf(services, tenant, asked);
    try {
      const page = await log.list({ ...filter, limit, cursor });
      const items = page.items.map((job) => jobJson(job, services));
      return context.json({ items, next_cursor: page.nextCursor }, 200);
    } catch (cause) {
      throw cursorProblem(cause);
    }
  });

  app.openapi(getRoute, async (context) => {
    const job = await jobFor(context, log, "read");
    return context.json(jobJson(job, services), 200);
  });

  /** @returns whether it was there: another may have removed it meanwhile */
  const remove = async (key: JobKey, requestId: string) => {
    await dispatcher.halt(key, requestId);
    return await log.remove(key);
  };

  app.openapi(deleteRoute, async (context) => {
    const key = await jobFor(context, log, "write").then(keyOf, (cause) => {
      if (!(cause instanceof DamagedJobError)) throw cause;
      requireScope(context, "write");
      return cause.key;
    });
    context.env.keepOpen(); // a run may take its grace to stop
    await remove(key, context.get("requestId"));
    return context.body(null, 204);
  });

  app.openapi(clearRoute, async (context) => {
    requireScope(context, "write");
    const { tenant } = context.get("principal");
    context.env.keepOpen(); // 200,000 jobs take a minute
    let removed = 0;
    let cursor: string | undefined;
    do { // newest first, so that jobs created meanwhile do not make it endless
      const page = await log.list({ tenant, limit: LIST_LIMIT_MAX, cursor });
      const requestId = context.get("requestId");
      removed += await removeAll(page.items.map(keyOf), (key) => remove(key, requestId));
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    await log.forgetSyncs(tenant);
    return context.json({ removed }, 200);
  });

  app.openapi(cancelRoute, async (context) => {
    const key = keyOf(await jobFor(context, log, "run"));
    const job = await dispatcher.cancel(key, context.get("requestId"));
    return context.json(jobJson(job, services), 200);
  });
}

/** Which jobs of the tenant a query asks for. */
export async function jobFilterOf(
  services: Pick<Services, "syncs" | "log">,
  tenant: TenantId,
  { status, sync }: { readonly status?: readonly Status[]; readonly sync?: string },
): Promise<JobFilter> {
  const syncId = sync === undefined ? undefined : await syncIdOf(services, tenant, sync);
  return { tenant, statuses: status, syncId };
}

/** The id of a sync; for a name that is not known (any more) it is derived from the name. */
async function syncIdOf(
  { syncs, log }: Pick<Services, "syncs" | "log">,
  tenant: TenantId,
  idOrName: string,
): Promise<SyncId> {
  const known = await knownSync(syncs, log, tenant, idOrName);
  return known?.id ?? usualSyncId(tenant, idOrName);
}
