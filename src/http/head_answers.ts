/** What a HEAD is answered: the headers of a GET, and of them the length of its body. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Connection, HttpEnv } from "./env.ts";

/**
 * Hono takes the body from the answer to a HEAD, and a runtime then says that its length is 0. So
 * the runtime is given the answer with its body, of which it sends the headers alone.
 */
export function answerHeads(app: OpenAPIHono<HttpEnv>): void {
  const whole = new WeakMap<Connection, Response>();
  app.use(async (context, next) => {
    await next();
    if (context.req.raw.method === "HEAD") whole.set(context.env, context.res);
  });
  const { fetch } = app;
  app.fetch = (request, connection, ...more) => {
    const answer = fetch(request, connection, ...more);
    if (request.method !== "HEAD") return answer;
    return Promise.resolve(answer).then((bare) => whole.get(connection as Connection) ?? bare);
  };
}
