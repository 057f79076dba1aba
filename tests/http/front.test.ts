import assert from "node:assert/strict";
import { test } from "node:test";
import { Front } from "../../src/http/front.ts";
import { Metrics } from "../../src/http/metrics.ts";
import { PublicOrigin } from "../../src/http/public_origin.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { rawRequest } from "../support/raw_request.ts";
import { testServer } from "../support/server.ts";

/** What of an answer is the same each time: the id and the date are not. */
async function shown(answer: Response) {
  const headers = [...answer.headers].filter(([name]) => !["date", "x-request-id"].includes(name));
  assert.match(answer.headers.get("X-Request-Id") ?? "", /^[\da-f-]{36}$/);
  return { status: answer.status, headers, body: await answer.text() };
}

test("/healthz answers alike before and after the app is loaded, and is counted both times", async (t) => {
  const server = await testServer(t);

  const before = await shown(await fetch(`${server.url}/healthz`));
  await (await server.ask("/v1/sync")).body?.cancel();
  const after = await shown(await fetch(`${server.url}/healthz`));
  const metrics = await server.ask("/metrics", {
    headers: { Authorization: `Bearer ${server.key(["metrics"])}` },
  });

  assert.deepEqual(before, after);
  assert.equal(before.body, '{"status":"ok"}');
  const counted = 'synctail_requests_total{route="/healthz",status="200"} 2';
  assert.ok((await metrics.text()).split("\n").includes(counted));
});

test("/healthz tells a page of an allowed origin alike before and after the app is loaded", async (t) => {
  const origin = "https://app.example";
  const server = await testServer(t, { corsOrigins: origin });
  const ask = () => fetch(`${server.url}/healthz`, { headers: { Origin: origin } });

  const before = await shown(await ask());
  await (await server.ask("/v1/sync")).body?.cancel();
  const after = await shown(await ask());

  assert.deepEqual(before, after);
  assert.equal(new Headers(before.headers).get("Access-Control-Allow-Origin"), origin);
});

test("an app that cannot be loaded is tried once for all who wait, and again for who comes later", async () => {
  const cause = new Error("it broke");
  const faults: unknown[] = [];
  let loads = 0;
  const front = new Front({
    origin: new PublicOrigin({
      hostname: "127.0.0.1",
      publicUrl: undefined,
      allowedHosts: [],
      trustedProxies: [],
    }),
    corsOrigins: [],
    metrics: new Metrics("1.0.0", "none"),
    clock: new FakeClock(),
  }, {
    version: "1.0.0",
    onFault: (fault) => faults.push(fault),
    services() {
      loads++;
      return Promise.reject(cause);
    },
  });
  const peer = { remote: "127.0.0.1", keepOpen() {} };
  const ask = () => front.fetch(new Request("http://127.0.0.1/v1/sync"), peer);

  const answers = await Promise.all([ask(), ask()]);

  assert.deepEqual(answers.map(({ status }) => status), [500, 500]);
  assert.deepEqual([loads, faults], [1, [cause, cause]]);
  assert.equal((await ask()).status, 500);
  assert.deepEqual([loads, faults.length], [2, 3]);
});

for (
  const [what, path, init, status] of [
    ["a request without a key", "/v1/sync/jobs", {}, 401],
    ["another method", "/healthz", { method: "POST" }, 405],
    ["a path that is not there", "/nowhere", {}, 404],
    ["whether it is ready", "/readyz", {}, 200],
  ] as const
) {
  test(`${what} may be the first request of all`, async (t) => {
    const server = await testServer(t);

    const answer = await fetch(`${server.url}${path}`, init);
    await answer.body?.cancel();

    assert.equal(answer.status, status);
  });
}

test("a request whose proxy tells its host may be the first, also where its own host is none", async (t) => {
  const server = await testServer(t, { trustProxy: "127.0.0.0/8" });
  const headers = { Host: "256.256.256.256", "X-Forwarded-Host": "localhost" };

  const answer = await rawRequest(`${server.url}/healthz`, { headers });

  assert.equal(answer.status, 200);
});
