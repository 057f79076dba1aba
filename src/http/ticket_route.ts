/** Tickets: rights to a stream that a URL can carry, for pages elsewhere. */
import { createRoute, type OpenAPIHono } from "@hono/zod-openapi";
import type { Binding } from "../auth/principal.ts";
import { TICKET_S } from "../auth/tickets.ts";
import type { Job } from "../sync/job.ts";
import { jobFor } from "./access.ts";
import { JobParams, json, KEYED, problems } from "./describe.ts";
import type { HttpEnv } from "./env.ts";
import { invalid, MISSING_WORDS } from "./invalid.ts";
import { Problem } from "./problem.ts";
import { TicketBodySchema, TicketSchema } from "./schemas.ts";
import type { Services } from "./services.ts";
import { isoTime } from "../sync/iso_time.ts";

const route = createRoute({
  method: "post",
  path: "/v1/sync/job/{job_id}/ticket",
  operationId: "createTicket",
  summary: "Make a ticket for a stream, to be used as ?ticket= where headers cannot be sent",
  description: "Good for the scope `read` and this job, or its sync, one of its tags, or all of " +
    "the tenant; again and again until it expires (one hour, at most 24), or the key that made " +
    "it is revoked.",
  ...KEYED,
  request: { params: JobParams, body: json(TicketBodySchema, "What it is for") },
  responses: {
    201: json(TicketSchema, "The ticket"),
    ...problems("invalid-request", "forbidden", "not-found"),
  },
});

/** Short-lived rights to a stream. */
export function addTicketRoute(app: OpenAPIHono<HttpEnv>, services: Services): void {
  const { log, authenticator, origin, clock } = services;

  app.openapi(route, async (context) => {
    const job = await jobFor(context, log, "read");
    const { for: what, tag, expires_in_s = TICKET_S } = context.req.valid("json") ?? {};
    const { keyId, expiresAtMs: limitMs } = context.get("principal");
    const binding = bindingOf(job, what ?? "job", tag);
    // No longer than the maker's own right; a JWT's time is in whole seconds.
    const endsAtMs = Math.min(clock.now() + expires_in_s * 1000, limitMs ?? Infinity);
    const expiresAtMs = Math.floor(endsAtMs / 1000) * 1000;
    const { tenant } = job;
    const ticket = await authenticator.parts.tickets.sign({ tenant, keyId, binding, expiresAtMs });
    const path = binding.jobId === undefined ? "jobs" : `job/${job.id}`;
    const query = binding.syncId !== undefined
      ? `sync=${binding.syncId}&`
      // A URL cannot hold half a surrogate pair; the ticket alone limits the stream to the tag.
      : binding.tag?.isWellFormed()
      ? `tag=${encodeURIComponent(binding.tag)}&`
      : "";
    const base = origin.of(context.req.raw, context.env) + origin.prefix;
    const url = `${base}/v1/sync/${path}/subscribe?${query}ticket=${ticket}`;
    return context.json({ ticket, url, expires_at: isoTime(expiresAtMs) }, 201, {
      "Cache-Control": "no-store",
    });
  });
}

/** @throws {Problem} invalid-request when the job has no such thing */
function bindingOf(job: Job, what: "job" | "sync" | "tag" | "tenant", tag?: string): Binding {
  switch (what) {
    case "job":
      return { jobId: job.id };
    case "sync":
      if (job.sync) return { syncId: job.sync.id };
      throw new Problem("invalid-request", `Cannot make a ticket for the job's sync: it has none`);
    case "tag":
      if (tag === undefined) throw invalid([{ pointer: "/tag", detail: MISSING_WORDS }]);
      if (job.tags.includes(tag)) return { tag };
      throw new Problem(
        "invalid-request",
        `Cannot make a ticket for the tag "${tag}": the job does not have it`,
      );
    case "tenant":
      return {};
    default:
      return what satisfies never;
  }
}
