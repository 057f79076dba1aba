import { OpenAPIHono } from "@hono/zod-openapi";
import assert from "node:assert/strict";
import { test } from "node:test";
import type { HttpEnv } from "../../src/http/env.ts";
import { addHealthRoutes } from "../../src/http/health_routes.ts";
import { PublicOrigin } from "../../src/http/public_origin.ts";
import { Dispatcher } from "../../src/jobs/dispatcher.ts";
import { MemoryLog } from "../support/memory_log.ts";
import { FakeClock } from "../support/fake_clock.ts";

test("/readyz says 503 once the server has begun to stop, /healthz as long as it answers", async () => {
  const clock = new FakeClock();
  const log = new MemoryLog(clock);
  const dispatcher = new Dispatcher({
    log,
    clock,
    owner: "this",
    cancelGraceMs: 1_000,
    onFault: (cause) => assert.fail(String(cause)),
  });
  const app = new OpenAPIHono<HttpEnv>();
  const given = { allowedHosts: [], trustedProxies: [], publicUrl: undefined };
  addHealthRoutes(app, { dispatcher, origin: new PublicOrigin({ hostname: "::1", ...given }) });
  const asked = async (path: string) => {
    const answer = await app.request(path);
    return [answer.status, answer.headers.get("Retry-After"), await answer.json()];
  };

  const before = [await asked("/readyz"), await asked("/healthz")];
  const stopped = dispatcher.stop();
  const [status, retryAfter, { type }] = await asked("/readyz");
  const alive = await asked("/healthz");
  await stopped;

  assert.deepEqual(before, [[200, null, { status: "ready" }], [200, null, { status: "ok" }]]);
  assert.deepEqual([status, retryAfter, type], [503, "5", "/problems/stopping"]);
  assert.deepEqual(alive, [200, null, { status: "ok" }]);
});
