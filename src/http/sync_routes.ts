/** Configured syncs: what there is, and running them. */
import { createRoute, type OpenAPIHono, type z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { turn } from "../event_loop.ts";
import { StoppingError } from "../jobs/dispatcher.ts";
import type { ConfiguredSync } from "../jobs/sync_config.ts";
import { knownSync, type ListedSync, listedSyncs } from "../jobs/syncs.ts";
import type { TenantId } from "../sync/ids.ts";
import { isoTime } from "../sync/iso_time.ts";
import { requireScope } from "./access.ts";
import { json, KEYED, problems, SyncParams } from "./describe.ts";
import type { HttpEnv } from "./env.ts";
import { cursorProblem } from "./invalid.ts";
import { jobJson } from "./job_json.ts";
import { notFound, Problem } from "./problem.ts";
import { SyncListQuerySchema, SYNCS_MAX } from "./query_schemas.ts";
import { JobSchema, RunBodySchema, SyncListSchema, type SyncSchema } from "./schemas.ts";
import type { Services } from "./services.ts";
import { standingJson } from "./standing_json.ts";

/** Syncs looked up in one turn of the event loop: 0.3 ms each, and workers may name any number. */
const SYNCS_A_TURN = 16;
/** Characters of syncs above which a page ends: the `meta` of a last job may have a million. */
const PAGE_LENGTH_MAX = 16 * 1024 * 1024;

/** The list is made as text: its type is not known to Hono. */
type Answer = never;

const listRoute = createRoute({
  method: "get",
  path: "/v1/sync",
  operationId: "listSyncs",
  summary: "The syncs that are configured or that workers have named, each with its last job",
  description: "Those that are configured come first, in that order, then the others by name. A " +
    "page has as many as 10,000, all of most tenants; `next_cursor` says whether there are more. " +
    "A cursor is refused once syncs were configured anew: the list begins again without one.",
  ...KEYED,
  request: { query: SyncListQuerySchema },
  responses: {
    200: json(SyncListSchema, "One page"),
    ...problems("invalid-request", "forbidden"),
  },
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
  const { syncs, dispatcher, log } = services;

  app.openapi(listRoute, async (context): Promise<Answer> => {
    requireScope(context, "read");
    const { tenant } = context.get("principal");
    const { sync, limit = SYNCS_MAX, cursor } = context.req.valid("query");
    const found = sync === undefined
      ? listedSyncs(syncs, log, tenant, cursor)
      : await named(services, tenant, sync);
    const items: string[] = []; // as text, which takes a fraction of the memory
    let length = 0;
    let last: ListedSync | undefined;
    let next: string | undefined;
    try {
      for await (const each of found) {
        if (items.length === limit || length > PAGE_LENGTH_MAX) {
          next = last?.cursor;
          break;
        }
        if (items.length % SYNCS_A_TURN === SYNCS_A_TURN - 1) await turn();
        const item = JSON.stringify(await syncJson(services, tenant, each));
        items.push(item);
        length += item.length;
        last = each;
      }
    } catch (cause) {
      throw cursorProblem(cause);
    }
    const body = `{"items":[${items.join()}],"next_cursor":${JSON.stringify(next ?? null)}}`;
    return context.body(body, 200, { "Content-Type": "application/json" }) as Answer;
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

/** The sync of that id or name, where there is one. */
async function named(
  { syncs, log }: Services,
  tenant: TenantId,
  idOrName: string,
): Promise<ListedSync[]> {
  const known = await knownSync(syncs, log, tenant, idOrName);
  if (!known) return [];
  const configured = syncs.find(tenant, known.id); // by another name, where it was renamed
  const { id, name } = configured ?? known;
  return [{ id, name, configured }];
}

async function syncJson(
  services: Services,
  tenant: TenantId,
  { id, name, configured }: ListedSync,
): Promise<z.output<typeof SyncSchema>> {
  const { syncs, scheduler, log } = services;
  const ofSync = { tenant, syncId: id, limit: 1 };
  const { items: [last] } = await log.list(ofSync);
  const success = !last || last.status === "completed"
    ? last
    : (await log.list({ ...ofSync, statuses: ["completed"] })).items.at(0);
  return {
    id,
    name,
    source: configured?.source.type ?? null,
    destination: configured?.destination?.type ?? null,
    runnable: configured !== undefined && syncs.runnable(configured) !== undefined,
    last_job: last ? jobJson(last, services) : null,
    last_success_at: isoTime(success?.endedAtMs),
    ...standingJson(configured && scheduler.standing(configured, last)),
  };
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
