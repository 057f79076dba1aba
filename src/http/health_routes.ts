/** For whoever looks after the process: does it live, and does it take requests. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { HttpEnv } from "./env.ts";
import { Problem } from "./problem.ts";
import type { Services } from "./services.ts";

/** Answers as long as the process does. */
export const HEALTH_PATH = "/healthz";

/** What it answers. Not by Response.json(), which names a charset under Bun. */
export function healthy(headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(JSON.stringify({ status: "ok" }), {
    headers: { "Content-Type": "application/json", ...headers },
  });
}

/** `/healthz` answers as long as the process does; `/readyz` says 503 once it has begun to stop. */
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
