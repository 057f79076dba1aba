/** Whether the process lives, and whether it takes requests. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { HttpEnv } from "./env.ts";
import { Problem } from "./problem.ts";
import type { Services } from "./services.ts";

/** Answers as long as the process lives. */
export const HEALTH_PATH = "/healthz";

/** The answer of HEALTH_PATH. Not by Response.json(), which names a charset under Bun. */
export function healthy(headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(JSON.stringify({ status: "ok" }), {
    headers: { "Content-Type": "application/json", ...headers },
  });
}

/** Adds `/healthz`, and `/readyz`, which answers 503 once the server has begun to stop. */
export function addHealthRoutes(
  app: OpenAPIHono<HttpEnv>,
  { dispatcher, origin }: Pick<Services, "dispatcher" | "origin">,
): void {
  app.get(HEALTH_PATH, () => healthy());
  app.get("/readyz", (context) => {
    const headers = { "Cache-Control": "no-store" };
    if (!dispatcher.stopping) return context.json({ status: "ready" }, 200, headers);
    const detail = "Nothing new is begun here, and streams are asked to come back";
    return new Problem("stopping", detail, {}, { ...headers, "Retry-After": "5" })
      .response(origin.prefix);
  });
}
