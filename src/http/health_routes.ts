/** For whoever looks after the process: does it live, and does it take requests. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { HttpEnv } from "./env.ts";
import { Problem } from "./problem.ts";
import type { Services } from "./services.ts";

/** `/healthz` answers as long as the process does; `/readyz` says 503 once it has begun to stop. */
export function addHealthRoutes(
  app: OpenAPIHono<HttpEnv>,
  { dispatcher }: Pick<Services, "dispatcher">,
): void {
  app.get("/healthz", (context) => context.json({ status: "ok" }));
  app.get("/readyz", (context) => {
    context.header("Cache-Control", "no-store");
    if (!dispatcher.stopping) return context.json({ status: "ready" });
    throw new Problem("stopping", "Streams are sent elsewhere", {}, { "Retry-After": "5" });
  });
}
