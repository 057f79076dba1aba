/** A job's log lines, and its whole log. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { accepts } from "hono/accepts";
import { READ_LIMIT_MAX } from "../log/event_log.ts";
import { loggerOf } from "../logger.ts";
import { eventId } from "../stream/cursor.ts";
import { lineText, progressText } from "../stream/payloads.ts";
import { clean, cleanLines } from "../sync/clean.ts";
import type { LogEntry } from "../sync/entry.ts";
import { logWords } from "../sync/log_text.ts";
import { jobFor } from "./access.ts";
import { JobParams, KEYED, problems } from "./describe.ts";
import type { HttpEnv } from "./env.ts";
import { LogDownload, type LogDownloadOptions } from "./log_download.ts";
import { EventsQuerySchema, LogsQuerySchema } from "./query_schemas.ts";
import { LogListSchema } from "./schemas.ts";
import type { Services } from "./services.ts";

/** Lines of a JSON answer that names no limit. */
const LINES = 1_000;
const JSON_TYPE = "application/json";
const NDJSON = "application/x-ndjson";
const TEXT = "text/plain";
/** What a browser asks for when somebody opens the address; it gets text. */
const HTML = "text/html";

/** Hono has no type for an answer in one of several forms: a Response passes as any of them. */
type Answer = never;

const text = { schema: z.string() };

const logsRoute = createRoute({
  method: "get",
  path: "/v1/sync/job/{job_id}/logs",
  operationId: "readLogs",
  summary: "A job's log lines, oldest first",
  description: "A page as JSON; all of them as NDJSON or text, as Accept says.",
  ...KEYED,
  request: { params: JobParams, query: LogsQuerySchema },
  responses: {
    200: {
      description: "The lines",
      content: { [JSON_TYPE]: { schema: LogListSchema }, [NDJSON]: text, [TEXT]: text },
    },
    ...problems("invalid-request", "forbidden", "not-found"),
  },
});

const eventsRoute = createRoute({
  method: "get",
  path: "/v1/sync/job/{job_id}/events",
  operationId: "readEvents",
  summary: "A job's whole log as it is kept, one entry a line",
  ...KEYED,
  request: { params: JobParams, query: EventsQuerySchema },
  responses: {
    200: { description: "NDJSON", content: { [NDJSON]: text } },
    ...problems("invalid-request", "forbidden", "not-found"),
  },
});

type Downloaded = Omit<LogDownloadOptions, "log" | "deadline" | "lapsed" | "onFault">;

/** The log lines of a job, and its whole log. */
export function addLogRoutes(app: OpenAPIHono<HttpEnv>, services: Services): void {
  const { log, downloads, authenticator, metrics } = services;

  const download = (context: Context<HttpEnv>, what: Downloaded) => {
    context.env.keepOpen(downloads.quietMs); // the client may pause
    const { principal, requestId } = context.var;
    return new LogDownload({
      ...what,
      log,
      deadline: downloads,
      lapsed: () => authenticator.lapse(principal, "read") !== undefined,
      // Its answer has begun with 200: only the server's log and the metrics can tell.
      onFault: (error) => {
        loggerOf("http").error("a download broke off: {error}", { error, request_id: requestId });
        metrics.faulted();
      },
    }).stream();
  };

  app.openapi(logsRoute, async (context): Promise<Answer> => {
    const job = await jobFor(context, log, "read");
    const { level = "debug", after = 0, until = job.seq, tail, limit } = context.req.valid("query");
    const wanted = accepts(context, {
      header: "Accept",
      supports: [JSON_TYPE, NDJSON, TEXT, HTML],
      default: JSON_TYPE,
    });
    const type = wanted === HTML ? TEXT : wanted;
    const last = Math.min(until, job.seq);
    const from = tail === undefined
      ? after
      : Math.max(after, await log.beforeLastLogs(job, level, tail, last));
    const query = { logs: level, only: "logs" } as const;
    if (type !== JSON_TYPE) {
      const line = type === TEXT ? textLine : (entry: LogEntry) => JSON.stringify(lineJson(entry));
      const lines = download(context, {
        job,
        query: { ...query, after: from },
        through: last,
        limit: limit ?? tail,
        lineOf: (entry) => entry.kind === "log" ? line(entry) : "",
      });
      return new Response(lines, {
        headers: {
          "Content-Type": `${type}; charset=utf-8`,
          "X-Content-Type-Options": "nosniff",
        },
      }) as Answer;
    }
    const most = limit ?? tail ?? LINES;
    const page = await log.read(job, {
      ...query,
      after: from,
      limit: Math.min(most + 1, READ_LIMIT_MAX),
    });
    const lines = page.entries.flatMap((entry) =>
      entry.kind === "log" && entry.seq <= last ? [entry] : []
    );
    const items = lines.slice(0, most).map(lineJson);
    const more = lines.length > most || (page.more && page.through < last);
    const next_cursor = more ? `${items.at(-1)?.seq}` : null;
    return context.json({ items, next_cursor }, 200) as Answer;
  });

  app.openapi(eventsRoute, async (context): Promise<Answer> => {
    const job = await jobFor(context, log, "read");
    const { after = 0 } = context.req.valid("query");
    const lines = download(context, {
      job,
      query: { after, logs: "debug" },
      through: job.seq,
      lineOf: (entry) => {
        const text = entry.kind === "log" ? lineText(job.id, entry) : progressText(job, entry);
        return `{"id": "${eventId(job.epoch, entry.seq)}", ${text.slice(1)}`;
      },
    });
    return new Response(lines, { headers: { "Content-Type": NDJSON } }) as Answer;
  });
}

function lineJson(entry: LogEntry) {
  const { message, source, fields, time } = logWords(entry);
  return { seq: entry.seq, time, level: entry.level, message, source, fields };
}

/** A line for people: without control characters, and with line breaks shown as `\n`. */
function textLine(entry: LogEntry): string {
  const { message, source, time } = logWords(entry);
  const by = source === undefined ? "" : ` [${clean(source)}]`;
  const words = cleanLines(message).join("\\n");
  return `${time} ${entry.level.padEnd(7)}${by} ${words}`;
}
