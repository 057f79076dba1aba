/** What a HEAD is answered: the headers of a GET, and of them the length of its body. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { Connection, HttpEnv } from "./env.ts";

/**
 * Hono takes the body from the answer to a HEAD, and a runtime then says that its length is 0. So
 * the runtime is given the answer with its body, of which it sends the headers alone.
 */
export class HeadAnswers {
  readonly #whole = new WeakMap<Connection, Response>();

  /** Keeps the answer of the app, where it is one to a HEAD, before Hono takes its body. */
  keep({ req, env, res }: Context<HttpEnv>): void {
    if (req.raw.method === "HEAD") this.#whole.set(env, res);
  }

  /** Has the app answer with what was kept. */
  answerIn(app: OpenAPIHono<HttpEnv>): void {
    const { fetch } = app;
    app.fetch = (request, connection, ...more) => {
      const answer = fetch(request, connection, ...more);
      // Over HTTP/2, where no header names the host, Deno would send the body.
      if (request.method !== "HEAD" || !request.headers.has("Host")) return answer;
      return Promise.resolve(answer).then((bare) => {
        return this.#whole.get(connection as Connection) ?? bare;
      });
    };
  }
}
