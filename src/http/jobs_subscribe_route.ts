/** Many jobs on one connection, for lists of jobs. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { maySee, type Principal } from "../auth/principal.ts";
import type { ChangedJob } from "../stream/job_news.ts";
import { type JobId, parseJobId, type SyncId, type TenantId } from "../sync/ids.ts";
import type { Status } from "../sync/status.ts";
import { requireScope, rightOf } from "./access.ts";
import { KEYED, problems } from "./describe.ts";
import type { HttpEnv } from "./env.ts";
import { syncIdOf } from "./job_routes.ts";
import { JobsSubscribeQuerySchema } from "./query_schemas.ts";
import type { Services } from "./services.ts";
import { streamAnswer } from "./subscribe_route.ts";

const route = createRoute({
  method: "get",
  path: "/v1/sync/jobs/subscribe",
  operationId: "followJobs",
  summary: "Follow many jobs live on one connection",
  description: "At every connect one `progress` frame for each job that matches, as it stands, " +
    "then a `heartbeat` with `snapshot_complete`; from there on progress and ends, each with its " +
    "`job_id`. New jobs appear by themselves. A job that was shown is told of to its end, also " +
    "when its status leaves the filter. There is no replay and there are no ids: a job that " +
    "changes often is told of a few times a second.",
  ...KEYED,
  request: { query: JobsSubscribeQuerySchema },
  responses: {
    200: {
      description: "The stream; it never ends by itself",
      content: { "text/event-stream": { schema: z.string() } },
    },
    ...problems("invalid-request", "forbidden"),
  },
});

/** The stream of many jobs. */
export function addJobsSubscribeRoute(app: OpenAPIHono<HttpEnv>, services: Services): void {
  const { viewers, authenticator } = services;

  app.openapi(route, async (context) => {
    requireScope(context, "read");
    const principal = context.get("principal");
    const { tenant, only } = principal;
    const { status, sync, job, tag, ended } = context.req.valid("query");
    const syncId = sync === undefined ? only?.syncId : await syncIdOf(services, tenant, sync);
    const jobId = parseJobId(job ?? "");
    return await streamAnswer(context, viewers, () =>
      viewers.subscribeToJobs({
        ...wished(tenant, { statuses: status, syncId, jobId, tag, only }),
        endedMax: ended ?? Infinity,
        right: rightOf(principal, authenticator),
      }));
  });
}

/** What a viewer asks for, and what its ticket is bound to. */
interface Wished {
  readonly statuses: readonly Status[] | undefined;
  readonly syncId: SyncId | undefined;
  readonly jobId: JobId | undefined;
  readonly tag: string | undefined;
  readonly only: Principal["only"];
}

/** Viewers of the same are told the same, so it knows nothing else of them. */
function wished(tenant: TenantId, asked: Wished) {
  const { statuses, syncId, jobId, tag, only } = asked;
  // Sync and tags of a removed job are unknown, so it is told only to viewers that may see and
  // ask for all jobs, or for just this one.
  const every = tag === undefined && syncId === undefined && only?.tag === undefined;
  return {
    tenant,
    name: JSON.stringify(asked),
    statuses,
    syncId,
    jobId: jobId ?? only?.jobId,
    matches: (found: ChangedJob) =>
      maySee({ tenant, only }, found) &&
      (syncId === undefined || found.sync?.id === syncId) &&
      (jobId === undefined || found.id === jobId) &&
      (tag === undefined || found.tags.includes(tag)),
    missed: (id: JobId) =>
      every && (jobId === undefined || id === jobId) &&
      (only?.jobId === undefined || id === only.jobId),
  };
}
