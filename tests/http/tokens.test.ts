import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../support/fake_clock.ts";
import { issuer } from "../support/issuer.ts";
import { TENANT } from "../support/log_contract.ts";
import { rawRequest } from "../support/raw_request.ts";
import { testServer } from "../support/server.ts";
import { framesOf } from "../support/stream_bench.ts";
import { until } from "../support/until.ts";

test("a token of the identity provider is taken as a key, in either header", async (t) => {
  const { provider, sign } = await issuer(t, { algorithm: "ES256" });
  const server = await testServer(t, { auth: { providers: [provider], ticketKeys: [] } });
  const token = await sign({ tenant: "default", scope: "openid read run" });

  const run = await rawRequest(`${server.url}/v1/sync/docs/run`, {
    method: "POST",
    headers: { Authorization: `Bearer ${token}` },
  });
  const who = await rawRequest(`${server.url}/v1/session`, { headers: { "X-API-Key": token } });
  const write = await rawRequest(`${server.url}/v1/sync/job`, {
    method: "POST",
    headers: { Authorization: `Bearer ${token}` },
    body: {},
  });

  assert.deepEqual([run.status, write.status], [202, 403]);
  assert.deepEqual(who.json, { tenant: "default", scopes: ["read", "run"], stall_after_s: 86_400 });
});

test("a token acts for no other tenant, whatever scope it claims", async (t) => {
  const { provider, sign } = await issuer(t);
  const server = await testServer(t, { auth: { providers: [provider], ticketKeys: [] } });
  const token = await sign({ scope: "read write tenants" });

  const answer = await rawRequest(`${server.url}/v1/sync/jobs`, {
    headers: { Authorization: `Bearer ${token}`, "Synctail-Tenant": "acme" },
  });

  assert.equal(answer.status, 403);
});

test("a token of a provider for one tenant alone opens no metrics, which tell of all", async (t) => {
  const { provider, sign } = await issuer(t);
  const token = await sign({ tenant: "default", scope: "read metrics" });
  const statuses = [];
  for (const each of [provider, { ...provider, tenant: TENANT }]) {
    const server = await testServer(t, { auth: { providers: [each], ticketKeys: [] } });
    const headers = { Authorization: `Bearer ${token}` };
    statuses.push((await rawRequest(`${server.url}/metrics`, { headers })).status);
  }

  assert.deepEqual(statuses, [200, 403]);
});

test("a token that cannot be checked now is answered 503 and when to come back, not 401", async (t) => {
  const { provider, sign, stop } = await issuer(t);
  const server = await testServer(t, { auth: { providers: [provider], ticketKeys: [] } });
  const token = await sign();
  await stop();
  const ask = (given: string) =>
    rawRequest(`${server.url}/v1/sync/jobs`, { headers: { Authorization: `Bearer ${given}` } });

  const answer = await ask(token);
  const key = await ask(server.key());
  const nonsense = await ask("a.b.c");

  assert.equal(answer.status, 503);
  assert.equal(answer.headers["retry-after"], "5");
  assert.deepEqual(answer.json, {
    type: "/problems/identity-provider-unreachable",
    title: "The token cannot be checked now",
    status: 503,
    detail:
      "The keys of the identity provider could not be had, so the token cannot be checked now",
  });
  assert.deepEqual([key.status, nonsense.status], [200, 401]);
});

test("a stream ends with its token: a typed error, then the connection breaks off", async (t) => {
  const clock = new FakeClock();
  const { provider, sign } = await issuer(t, { nowMs: clock.now() });
  const server = await testServer(t, { clock, auth: { providers: [provider], ticketKeys: [] } });
  const created = await server.ask("/v1/sync/job", {
    method: "POST",
    headers: { Authorization: `Bearer ${server.key()}` },
  });
  const { id } = await created.json();
  const token = await sign({ exp: clock.now() / 1000 + 10 });
  const headers = { Authorization: `Bearer ${token}` };

  const answer = await fetch(`${server.url}/v1/sync/job/${id}/subscribe`, { headers });
  let text = "";
  const utf8 = new TextDecoder();
  const broken = (async () => {
    for await (const part of answer.body ?? []) text += utf8.decode(part, { stream: true });
  })();
  await until(() => text.includes("connected"));
  clock.advance(15_000); // clocks may differ by 5 s

  await assert.rejects(broken);
  const last = framesOf(text).at(-1);
  assert.deepEqual(last, {
    data: {
      type: "error",
      job_id: id,
      code: "access_expired",
      message: "The ticket, token or session of this stream has expired. The job goes on.",
    },
  });
});

test("a ticket that a token has made lives no longer than the token", async (t) => {
  const { provider, sign } = await issuer(t);
  const server = await testServer(t, { auth: { providers: [provider], ticketKeys: [] } });
  const job = await server.ask("/v1/sync/docs/run", {
    method: "POST",
    headers: { Authorization: `Bearer ${server.key()}` },
  });
  const { id } = await job.json();
  const exp = Math.floor(Date.now() / 1000) + 600;

  const answer = await rawRequest(`${server.url}/v1/sync/job/${id}/ticket`, {
    method: "POST",
    headers: { Authorization: `Bearer ${await sign({ exp })}` },
  });
  const stream = await rawRequest(answer.json.url);

  assert.equal(answer.json.expires_at, new Date((exp + 5) * 1000).toISOString());
  assert.equal(stream.status, 200);
});
