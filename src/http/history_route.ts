/** How a job went, for a chart: its totals at some moments of its time. */
import { createRoute, type OpenAPIHono } from "@hono/zod-openapi";
import { measures } from "../stream/payloads.ts";
import type { ProgressEntry } from "../sync/entry.ts";
import { isoTime } from "../sync/iso_time.ts";
import { TimeSlice } from "../time_slice.ts";
import { jobFor } from "./access.ts";
import { JobParams, json, KEYED, problems } from "./describe.ts";
import type { HttpEnv } from "./env.ts";
import { HistorySchema } from "./schemas.ts";
import type { Services } from "./services.ts";

/** Most moments of an answer: as many as a chart has room for. */
const MOMENTS_MAX = 300;

const route = createRoute({
  method: "get",
  path: "/v1/sync/job/{job_id}/history",
  operationId: "readHistory",
  summary: "How a job went, for a chart",
  description: `At most ${MOMENTS_MAX} moments, spread over the job's log, oldest first.`,
  ...KEYED,
  request: { params: JobParams },
  responses: { 200: json(HistorySchema, "The moments"), ...problems("forbidden", "not-found") },
});

/** The newest progress in each of many equal stretches of a job's log. */
export function addHistoryRoute(app: OpenAPIHono<HttpEnv>, { log, clock }: Services): void {
  app.openapi(route, async (context) => {
    const job = await jobFor(context, log, "read");
    const slice = new TimeSlice(clock);
    const width = Math.ceil(job.seq / MOMENTS_MAX);
    const items = [];
    for (let after = 0; after < job.seq; after += width) {
      const found = await log.newestProgress(job, after, after + width);
      if (found) items.push(momentOf(found));
      if (slice.over) await slice.turn(); // a stretch may hold thousands of log lines
    }
    return context.json({ items }, 200);
  });
}

function momentOf({ atMs, progress }: ProgressEntry) {
  const { percent, rate_per_s, bytes_per_s } = measures(progress);
  return { time: isoTime(atMs), percent, rate_per_s, bytes_per_s };
}
