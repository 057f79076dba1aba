/** Configured syncs: what there is, and running them. */
import { createRoute, type OpenAPIHono, type z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { turn } from "../event_loop.ts";
import { StoppingError } from "../jobs/dispatcher.ts";
import type { ConfiguredSync } from "../jobs/sync_config.ts";
import { knownSync } from "../jobs/syncs.ts";
import { isoTime } from "../sync/iso_time.ts";
import { requireScope } from "./access.ts";
import { json, KEYED, problems, SyncParams } from "./describe.ts";
import type { HttpEnv } from "./env.ts";
import { jobJson } from "./job_json.ts";
import { notFound, Problem } from "./problem.ts";
import { JobSchema, RunBodySchema, SyncListSchema, type SyncSchema } from "./schemas.ts";
import type { Services } from "./services.ts";
import { standingJson } from "./standing_json.ts";

/** Syncs looked up in one turn of the event loop: 0.3 ms each, and workers may name any number. */
const SYNCS_A_TURN = 16;

const listRoute = createRoute({
  method: "get",
  path: "/v1/sync",
  operationId: "listSyncs",
  summary: "The syncs that are configured or that workers have named, each with its last job",
  ...KEYED,
  responses: { 200: json(SyncListSchema, "All of them"), ...problems("forbidden") },
});

const runRoute = createRoute({
  method: "post",
  path: "/v1/sync/{sync}/run",
  operationId: "runSync",
  summary: "Run a sync now",
  ...KEYED,
  request: {
    params: SyncParams,
    body: { content: { "application/json": { schema: RunBodySchema } }, required: false },
  },
  responses: {
    202: {
      ...json(JobSchema, "The job that was started"),
      headers: { Location: { schema: { type: "string" }, description: "The job" } },
    },
    ...problems(
      "invalid-request",
      "forbidden",
      "not-found",
      "already-running",
      "not-runnable",
      "stopping",
    ),
  },
});

/** Syncs: listing them and running one. */
export function addSyncRoutes(app: OpenAPIHono<HttpEnv>, services: Services): void {
  const { syncs, dispatcher, scheduler, log } = services;

  app.openapi(listRoute, async (context) => {
    requireScope(context, "read");
    const { tenant } = context.get("principal");
    const configured = syncs.of(tenant);
    const known = new Map(configured.map((sync) => [sync.id, sync]));
    const registered = (await log.registeredSyncs(tenant)).filter(({ id }) => !known.has(id));
    const items: z.output<typeof SyncSchema>[] = [];
    for (const { id, name } of [...configured, ...registered]) {
      const sync = known.get(id);
      if (items.length % SYNCS_A_TURN === SYNCS_A_TURN - 1) await turn();
      const ofSync = { tenant, syncId: id, limit: 1 };
      const { items: [last] } = await log.list(ofSync);
      const { items: [success] } = await log.list({ ...ofSync, statuses: ["completed"] });
      items.push({
        id,
        name,
        source: sync?.source.type ?? null,
        destination: sync?.destination?.type ?? null,
        runnable: sync !== undefined && syncs.runnable(sync) !== undefined,
        last_job: last ? jobJson(last, services) : null,
        last_success_at: isoTime(success?.endedAtMs),
        ...standingJson(sync && scheduler.standing(sync, last)),
      });
    }
    return context.json({ items, next_cursor: null }, 200);
  });

  app.openapi(runRoute, async (context) => {
    const sync = await syncFor(context, services);
    const { tags, meta } = context.req.valid("json") ?? {};
    const runnable = syncs.runnable(sync);
    if (!runnable) {
      const detail =
        `Cannot run sync "${sync.name}": its workers do so elsewhere, and are told of ` +
        `by a source of type ${sync.source.type}`;
      throw new Problem("not-runnable", detail);
    }
    const { started, job } = await dispatcher.start(runnable, { tags, meta }).catch(
      (cause) => {
        if (!(cause instanceof StoppingError)) throw cause;
        throw new Problem("stopping", cause.message, {}, { "Retry-After": "5" });
      },
    );
    if (!started) {
      throw new Problem(
        "already-running",
        `Cannot run sync "${sync.name}": its job ${job.id} is ${job.status}`,
        { job_id: job.id },
      );
    }
    return context.json(jobJson(job, services), 202, {
      Location: `${services.origin.prefix}/v1/sync/job/${job.id}`,
    });
  });
}

async function syncFor(
  context: Context<HttpEnv>,
  { syncs, log }: Services,
): Promise<ConfiguredSync> {
  const { tenant } = context.get("principal");
  const asked = context.req.param("sync") ?? "";
  const sync = syncs.find(tenant, asked);
  const known = sync ?? await knownSync(syncs, log, tenant, asked);
  if (!known) throw notFound();
  requireScope(context, "run");
  if (sync) return sync;
  const detail =
    `Cannot run sync "${known.name}": its workers do so elsewhere. A sync that is to ` +
    "run here stands in the server's configuration, read at its start and at SIGHUP";
  throw new Problem("not-runnable", detail);
}
