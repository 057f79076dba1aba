/** One line of the server's log and one count for each request. */
import type { MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import { randomUUID } from "node:crypto";
import type { Clock } from "../clock.ts";
import { loggerOf } from "../logger.ts";
import type { HttpEnv } from "./env.ts";
import type { Metrics } from "./metrics.ts";
import type { PublicOrigin } from "./public_origin.ts";

const logger = loggerOf("http");

/** Requests that come all the time and go well: told at the level debug. */
const QUIET = /^\/(v1\/sync\/job\/:job_id\/events|healthz|readyz|metrics|assets\/.*)$/;

/**
 * Gives each request an id, which its answer carries as `X-Request-Id`. The line holds no query:
 * a ticket may be in it.
 */
export function requestLines(
  { metrics, origin, clock }: {
    readonly metrics: Metrics;
    readonly origin: PublicOrigin;
    readonly clock: Clock;
  },
): MiddlewareHandler<HttpEnv> {
  return async (context, next) => {
    const { req, env } = context;
    const startedMs = clock.monotonic();
    const id = randomUUID();
    context.set("requestId", id);
    await next();
    const { status } = context.res;
    context.res.headers.set("X-Request-Id", id);
    const route = routePath(context, -1);
    metrics.answered(route, status);
    const principal = context.get("principal");
    const told = {
      method: req.method,
      path: req.path,
      status,
      ms: Math.round(clock.monotonic() - startedMs),
      request_id: id,
      remote: origin.clientOf(req.raw, env.remote),
      tenant: principal?.tenant,
      key_id: principal?.keyId,
    };
    if (status < 400 && QUIET.test(route)) logger.debug("{method} {path} {status}", told);
    else logger.info("{method} {path} {status}", told);
  };
}
