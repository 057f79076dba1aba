/** Counts and logs each request of the app. */
import type { MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import type { HttpEnv } from "./env.ts";
import type { HeadAnswers } from "./head_answers.ts";
import { tellAnswered, type Teller } from "./request_line.ts";
import { isSmall } from "./small_bodies.ts";

/** Gives each request an id, which its answer carries as `X-Request-Id`. */
export function requestLines(teller: Teller, heads: HeadAnswers): MiddlewareHandler<HttpEnv> {
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
