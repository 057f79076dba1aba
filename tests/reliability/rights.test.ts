import assert from "node:assert/strict";
import { test } from "node:test";
import { SCOPES } from "../../src/auth/scopes.ts";
import { type Operation, operationsOf } from "../support/open_api.ts";
import type { Cleanup } from "../support/program.ts";
import { RawViewer } from "../support/raw_viewer.ts";
import { testServer } from "../support/server.ts";
import { framesOf } from "../support/stream_bench.ts";
import { until } from "../support/until.ts";

const NOBODY = "00000000-0000-4000-8000-000000000000";
/** Bodies that are in order, for operations that need one. */
const BODIES: Readonly<Record<string, unknown>> = {
  "/v1/sync/job/{job_id}/events": { type: "progress", inserted: 1 },
  "/v1/session": { key: "st_0" },
};
/** What changes nothing but for the caller. */
const OWN = /^\/v1\/session|\/ticket$/;

/** A server with two tenants; the first has a job, with words that the other must never see. */
async function twoTenants(t: Cleanup) {
  const server = await testServer(t);
  const { operations } = await operationsOf(server.url);
  const mine = server.key([...SCOPES].filter((scope) => scope !== "tenants"));
  const theirs = server.key([...SCOPES].filter((scope) => scope !== "tenants"), "other");
  const call = (key: string, method: string, path: string, body?: unknown, more = {}) =>
    server.ask(path, {
      method,
      headers: {
        "Authorization": `Bearer ${key}`,
        ...body !== undefined && { "Content-Type": "application/json" },
        ...more,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  const words = { name: "canary-name", tags: ["canary-tag"], sync: "canary-sync" };
  const { id, sync_id } = await (await call(mine, "POST", "/v1/sync/job", words)).json();
  const line = { type: "log", message: "canary-line" };
  await (await call(mine, "POST", `/v1/sync/job/${id}/events`, line)).text();
  const send = (key: string, { method, path }: Operation, job: string, sync: string) =>
    call(
      key,
      method,
      path.replace("{job_id}", job).replace("{sync}", sync),
      method === "POST" ? BODIES[path] ?? {} : undefined,
    );
  return { server, operations, mine, theirs, call, send, id, sync_id };
}

/** What an answer says; of a stream its first chunk. */
async function said(answer: Response): Promise<string> {
  if (answer.headers.get("Content-Type") !== "text/event-stream") return await answer.text();
  const reader = answer.body?.getReader();
  const text = new TextDecoder().decode((await reader?.read())?.value);
  await reader?.cancel();
  return text;
}

test("whatever is asked of a job or a sync of another tenant is one and the same 404", async (t) => {
  const { operations, theirs, send, id, sync_id } = await twoTenants(t);
  const named = operations.filter(({ path }) => path.includes("{"));

  for (const operation of named) {
    const name = `${operation.method} ${operation.path}`;
    const other = await send(theirs, operation, id, sync_id);
    const nobodys = await send(theirs, operation, NOBODY, NOBODY);

    assert.equal(other.status, 404, name);
    assert.equal(await said(other), await said(nobodys), name);
  }
  assert.ok(named.length >= 8, "there are such operations");
});

test("no list, filter, cursor, stream or own id shows what another tenant has", async (t) => {
  const { operations, mine, theirs, call, id, sync_id } = await twoTenants(t);
  await (await call(mine, "POST", "/v1/sync/job", {})).text();
  const { next_cursor } = await (await call(mine, "GET", "/v1/sync/jobs?limit=1")).json();
  const filters = [
    "",
    `sync=${sync_id}`,
    "sync=canary-sync",
    `job=${id}`,
    "tag=canary-tag",
    "status=pending",
    `cursor=${next_cursor}`,
    "tenant=default",
    `last_event_id=0&logs=debug`,
  ];
  const leaks = /canary/;

  for (const { method, path } of operations) {
    if (method !== "GET" || path.includes("{")) continue;
    for (const filter of filters) {
      const text = await said(await call(theirs, "GET", `${path}?${filter}`));
      assert.doesNotMatch(text, leaks, `${path}?${filter}`);
      assert.ok(!text.includes(`"id":"${id}"`) && !text.includes(`"job_id": "${id}"`), path);
    }
  }
  const acting = await call(theirs, "GET", `/v1/sync/job/${id}`, undefined, {
    "Synctail-Tenant": "default",
  });
  const own = await (await call(theirs, "POST", "/v1/sync/job", { id })).json();
  await (await call(theirs, "DELETE", "/v1/tenant")).text();
  const stands = await (await call(mine, "GET", `/v1/sync/job/${id}`)).json();

  assert.equal(acting.status, 403);
  assert.deepEqual([own.id, own.name, own.tags], [id, null, []]);
  assert.deepEqual([stands.name, stands.seq], ["canary-name", 1]);
});

test("streams of a tenant's jobs end in a typed error when its jobs are removed, and nobody else's do", async (t) => {
  const { server, mine, theirs, call, id } = await twoTenants(t);
  const other = (await (await call(theirs, "POST", "/v1/sync/job", {})).json()).id;
  const open = (key: string, job: string) =>
    RawViewer.open(`${server.url}/v1/sync/job/${job}/subscribe?logs=debug`, key);
  const [ours, stays] = await Promise.all([open(mine, id), open(theirs, other)]);
  t.after(() => void stays.socket.destroy());
  const [drained, _] = [ours.drain(), stays.drain()];
  await until(() => [ours, stays].every((viewer) => viewer.text().includes("connected")));

  const { removed } = await (await call(mine, "DELETE", "/v1/tenant")).json();
  await drained;

  const frames = framesOf(ours.text());
  const { type, code, job_id } = frames[frames.length - 1].data;
  assert.deepEqual([removed, type, code, job_id], [1, "error", "job_deleted", id]);
  assert.equal(frames[frames.length - 1].id, undefined);
  assert.ok(!ours.whole(), "it is broken off");
  assert.equal((await (await call(theirs, "GET", `/v1/sync/job/${other}`)).json()).viewers, 1);
});

test("a key does only what its scopes allow, at every operation", async (t) => {
  const { server, operations, send, id } = await twoTenants(t);
  const keys = SCOPES.map((scope) => [scope, server.key([scope])] as const);
  const none = "st_0123456789_0123456789012345678901234567890123456789012";

  for (const operation of operations.filter(({ secured }) => secured)) {
    const name = `${operation.method} ${operation.path}`;
    const allowed: string[] = [];
    for (const [scope, key] of keys) {
      const answer = await send(key, operation, id, "nothing-here");
      await answer.body?.cancel();
      assert.ok(answer.status < 500, name);
      if (![403, 404].includes(answer.status)) allowed.push(scope);
    }
    assert.equal((await send(none, operation, id, "slow")).status, 401, name);
    if (OWN.test(operation.path)) continue;
    const changes = operation.method !== "GET";
    if (changes) assert.ok(!allowed.includes("read"), `${name} is allowed to ${allowed}`);
    else assert.deepEqual(allowed.filter((scope) => scope !== "read"), [], name);
    // Gone by now, where one was allowed to remove it.
    if (operation.method === "DELETE") await send(server.key(), createJob, id, "");
  }
});

const createJob: Operation = {
  method: "POST",
  path: "/v1/sync/job",
  parameters: [],
  bodies: [],
  secured: true,
};
