/** Many jobs on one connection, for lists of jobs. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { maySee, type Principal } from "../auth/principal.ts";
import type { JobFilter } from "../log/event_log.ts";
import type { ChangedJob } from "../stream/job_news.ts";
import { type JobId, parseJobId } from "../sync/ids.ts";
import { requireScope, rightOf } from "./access.ts";
import { KEYED, problems } from "./describe.ts";
import type { HttpEnv } from "./env.ts";
import { jobFilterOf } from "./job_routes.ts";
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
    const { job, tag, ended, ...asked } = context.req.valid("query");
    const filter = await jobFilterOf(services, tenant, asked);
    const syncId = filter.syncId ?? only?.syncId;
    const jobId = parseJobId(job ?? "");
    return await streamAnswer(context, viewers, () =>
      viewers.subscribeToJobs({
        ...wished({ ...filter, syncId, jobId, tag, only }),
        endedMax: ended ?? Infinity,
        right: rightOf(principal, authenticator),
      }));
  });
}

/** What a viewer asks for, and what its ticket is bound to. */
interface Wished extends JobFilter {
  readonly jobId: JobId | undefined;
  readonly tag: string | undefined;
  readonly only: Principal["only"];
}

/** Viewers of the same are told the same, so it knows nothing else of them. */
function wished(asked: Wished) {
  const { tenant, statuses, syncId, jobId, tag, only } = asked;
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
