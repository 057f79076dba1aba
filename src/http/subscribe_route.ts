/** One job's progress as Server-Sent Events: the endpoint of the contract. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { openAt } from "../stream/cursor.ts";
import type { Viewers } from "../stream/viewers.ts";
import { jobFor, rightOf } from "./access.ts";
import { JobParams, KEYED, problems } from "./describe.ts";
import type { HttpEnv } from "./env.ts";
import { SubscribeQuerySchema } from "./query_schemas.ts";
import type { Services } from "./services.ts";

/** The headers of the contract. */
const STREAM_HEADERS = {
  "Content-Type": "text/event-stream",
  "Cache-Control": "no-cache, no-transform",
  "Connection": "keep-alive",
  "X-Accel-Buffering": "no",
};

const route = createRoute({
  method: "get",
  path: "/v1/sync/job/{job_id}/subscribe",
  operationId: "followJob",
  summary: "Follow a job live",
  description: "Unnamed frames, each one line of JSON with a `type`: `connected`, `heartbeat`, " +
    "`progress` (running totals), `error`; with ?logs also `log`. The stream ends by itself " +
    "after the terminal progress frame. Reconnect with Last-Event-ID to go on where it stopped; " +
    "204 says that nothing more will come.",
  ...KEYED,
  request: { params: JobParams, query: SubscribeQuerySchema },
  // Described but not validated: any text is taken as a cursor.
  parameters: [...KEYED.parameters, {
    name: "Last-Event-ID",
    in: "header",
    required: false,
    description: "The id of the last frame that has arrived; 0 for all from the start",
    schema: { type: "string" },
  }],
  responses: {
    200: {
      description: "The stream",
      content: { "text/event-stream": { schema: z.string() } },
    },
    204: { description: "The cursor stands at the job's end" },
    ...problems("invalid-request", "forbidden", "not-found"),
  },
});

/** The stream of one job. */
export function addSubscribeRoute(app: OpenAPIHono<HttpEnv>, services: Services): void {
  const { log, viewers, authenticator } = services;

  app.openapi(route, async (context) => {
    const job = await jobFor(context, log, "read");
    const { logs, tail, last_event_id, lastEventId } = context.req.valid("query");
    // Where a client has no such header it adds lastEventId, behind what its caller began with.
    const cursor = context.req.header("Last-Event-ID") || lastEventId || last_event_id || undefined;
    // A GET learns this of its stream, and a HEAD opens none.
    if (context.req.raw.method === "HEAD" && openAt(job, cursor, logs).kind === "over") {
      return new Response(null, { status: 204 });
    }
    const right = rightOf(context.get("principal"), authenticator);
    return await streamAnswer(
      context,
      viewers,
      () => viewers.subscribe(job, { cursor, logs, tail, right }),
    );
  });
}

/** The answer that carries a stream; 204 where there is none. */
export async function streamAnswer(
  context: Context<HttpEnv>,
  { quietMs }: Pick<Viewers, "quietMs">,
  open: () =>
    | ReadableStream<Uint8Array>
    | Promise<ReadableStream<Uint8Array> | undefined>,
): Promise<Response> {
  // A HEAD is served by the same handlers, and opens no stream. Without a body it had a length.
  if (context.req.raw.method === "HEAD") {
    return new Response(new ReadableStream(), { headers: STREAM_HEADERS });
  }
  const stream = await open();
  if (!stream) return new Response(null, { status: 204 });
  context.env.keepOpen(quietMs);
  return new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>, {
    headers: STREAM_HEADERS,
  });
}
