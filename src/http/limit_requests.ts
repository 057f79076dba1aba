/** Refuses callers that make more requests a second than allowed. */
import type { Context, MiddlewareHandler } from "hono";
import { asksForStream } from "./access.ts";
import type { HttpEnv } from "./env.ts";
import { Problem } from "./problem.ts";
import type { Services } from "./services.ts";
import { streamAnswer } from "./subscribe_route.ts";

/**
 * Refuses a caller's requests over its rate. A stream is asked to come back instead: EventSource
 * would give up for good on a 429.
 *
 * @throws {Problem} too-many-requests
 */
export function limitRequests({ rates, viewers }: Services): MiddlewareHandler<HttpEnv> {
  return async (context: Context<HttpEnv>, next) => {
    const { keyId, tenant } = context.get("principal") ?? {};
    const waitS = tenant === undefined ? 0 : rates.takeRequest(keyId ?? tenant);
    if (waitS === 0) return await next();
    if (asksForStream(context.req)) {
      return await streamAnswer(context, viewers, () => viewers.turnAway());
    }
    const detail = `This key has made more requests a second than allowed; wait ${waitS} s`;
    throw new Problem("too-many-requests", detail, {}, { "Retry-After": `${waitS}` });
  };
}
