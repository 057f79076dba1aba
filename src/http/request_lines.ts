/** Counts and logs each request of the app, and dates its answer. */
import type { MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import type { HttpEnv } from "./env.ts";
import type { HeadAnswers } from "./head_answers.ts";
import { tellAnswered, type Teller } from "./request_line.ts";
import { isSmall } from "./small_bodies.ts";

/**
 * Gives each request an id, which its answer carries as `X-Request-Id`. Its `Date`, from which the
 * page learns the server's time, is the clock's: Deno's own stands still after the clock was put
 * back, until that has caught up.
 */
export function requestLines(teller: Teller, heads: HeadAnswers): MiddlewareHandler<HttpEnv> {
  const date = httpDates();
  return async (context, next) => {
    const { req, env } = context;
    const startedMs = teller.clock.monotonic();
    const id = crypto.randomUUID();
    // Under Bun a client that has left has no address any more, so it is asked for now. That takes
    // a twentieth of a post; a short body is answered before its client can leave.
    const peer = isSmall(req.raw) ? env : { remote: env.remote };
    context.set("requestId", id);
    await next();
    const { status } = context.res;
    context.res.headers.set("X-Request-Id", id);
    context.res.headers.set("Date", date(teller.clock.now()));
    heads.keep(context);
    tellAnswered(teller, {
      id,
      request: req.raw,
      path: req.path,
      route: routePath(context, -1),
      status,
      startedMs,
      peer,
      principal: context.get("principal"),
    });
  };
}

/** Makes times into text for a header (RFC 9110 section 5.6.7), anew once a second. */
function httpDates(): (atMs: number) => string {
  let last = { s: NaN, text: "" };
  return (atMs) => {
    const s = Math.floor(atMs / 1000);
    if (s !== last.s) last = { s, text: new Date(s * 1000).toUTCString() };
    return last.text;
  };
}
