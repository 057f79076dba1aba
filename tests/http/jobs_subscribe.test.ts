import assert from "node:assert/strict";
import { test } from "node:test";
import { type Seen, StreamReader } from "../support/stream_bench.ts";
import { rawRequest } from "../support/raw_request.ts";
import { type TestServer, testServer } from "../support/server.ts";

/** Opens a stream of many jobs; `until` reads on to the frame that is waited for. */
async function follow(server: TestServer, query = "", headers?: Record<string, string>) {
  const answer = await fetch(`${server.url}/v1/sync/jobs/subscribe${query}`, {
    headers: headers ?? { Authorization: `Bearer ${server.key()}` },
  });
  assert.equal(answer.status, 200);
  assert.ok(answer.body);
  const reader = new StreamReader(answer.body);
  const seen: Seen[] = [];
  return {
    answer,
    seen,
    leave: () => reader.cancel(),
    async until(passes: (data: Seen["data"]) => boolean): Promise<Seen["data"]> {
      for (let at = 0;; at++) {
        while (at >= seen.length) seen.push(...await reader.next());
        if (passes(seen[at].data)) return seen[at].data;
      }
    },
  };
}

const complete = (data: Seen["data"]) => data.snapshot_complete === true;

/** Posts as a worker does. */
async function post(server: TestServer, path: string, body: unknown, key = server.key()) {
  const answer = await rawRequest(`${server.url}/v1/sync/job${path}`, {
    method: "POST",
    body,
    headers: { Authorization: `Bearer ${key}` },
  });
  assert.ok(answer.status < 300, answer.text);
  return answer.json;
}

test("jobs/subscribe has the headers of a stream, and tells of a job from its birth to its end", async (t) => {
  const server = await testServer(t);
  const stream = await follow(server);
  await stream.until(complete);

  const { id } = await post(server, "", { sync: "nightly", name: "n", tags: ["x"] });
  const born = await stream.until((data) => data.job_id === id);
  await post(server, `/${id}/events`, { type: "progress", entities_inserted: 7 });
  const moved = await stream.until((data) => data.job_id === id && data.entities_inserted === 7);
  await post(server, `/${id}/events`, {
    type: "end",
    status: "failed",
    error: { code: "broken", message: "it broke" },
  });
  const over = await stream.until((data) => data.job_id === id && data.is_failed === true);

  const headers = ["Content-Type", "Cache-Control", "X-Accel-Buffering"];
  assert.deepEqual(headers.map((name) => stream.answer.headers.get(name)), [
    "text/event-stream",
    "no-cache, no-transform",
    "no",
  ]);
  assert.deepEqual([born.sync, born.name, born.tags], ["nightly", "n", ["x"]]);
  assert.deepEqual([moved.status, over.status, over.error], ["in_progress", "failed", "it broke"]);
  assert.equal(stream.seen.some((frame) => frame.id !== undefined), false);
  await stream.leave();
});

test("jobs/subscribe takes filters by status, sync, job and tag, and shows nothing else", async (t) => {
  const server = await testServer(t);
  const a = (await post(server, "", { sync: "one", tags: ["x"] })).id;
  const b = (await post(server, "", { sync: "two", tags: ["y"] })).id;
  const c = (await post(server, "", { sync: "two" })).id;
  await post(server, `/${c}/events`, { type: "end", status: "completed" });
  const shows = async (query: string) => {
    const stream = await follow(server, query);
    await stream.until(complete);
    await stream.leave();
    return stream.seen.flatMap(({ data }) => data.type === "progress" ? [data.job_id] : []);
  };

  assert.deepEqual(await shows(""), [b, a, c]);
  assert.deepEqual(await shows("?status=completed,failed"), [c]);
  assert.deepEqual(await shows("?status=pending,in_progress&sync=two"), [b]);
  assert.deepEqual(await shows("?sync=two"), [b, c]);
  assert.deepEqual(await shows(`?job=${a.toUpperCase()}`), [a]);
  assert.deepEqual(await shows("?tag=y"), [b]);
  assert.deepEqual(await shows("?tag=none"), []);
  assert.deepEqual(await shows("?ended=0"), [b, a]);
  assert.deepEqual(await shows("?ended=0&unknown=name"), [b, a]); // EventSource gives up on errors
});

test("jobs/subscribe keeps filters apart that are followed at the same time", async (t) => {
  const server = await testServer(t);
  const { id: a } = await post(server, "", { sync: "one", tags: ["x"] });
  const { id: b } = await post(server, "", { sync: "two", tags: ["y"] });
  const { id: c } = await post(server, "", {});
  await post(server, `/${c}/cancel`, {});
  const bound = async (id: string, body: object) =>
    await follow(server, `?ticket=${(await post(server, `/${id}/ticket`, body)).ticket}`, {});
  const streams = {
    "a and b": [
      await follow(server),
      await follow(server, "?status=pending,in_progress"),
      await bound(a, { for: "tenant" }),
    ],
    "a": [
      await follow(server, "?sync=one"),
      await follow(server, `?job=${a}`),
      await follow(server, "?tag=x"),
      await bound(a, { for: "tag", tag: "x" }),
      await bound(a, { for: "job" }),
    ],
    "b": [await follow(server, "?sync=two"), await follow(server, "?tag=y")],
    "": [await follow(server, "?status=cancelling")], // which is told of job c alone
  };
  const all = Object.values(streams).flat();
  for (const stream of all) await stream.until(complete);

  for (const entities_inserted of [1, 2, 3]) {
    const event = { type: "progress", entities_inserted };
    for (const id of [a, b, c]) await post(server, `/${id}/events`, event);
    const told = (job: string) => (data: Seen["data"]) =>
      data.job_id === job && data.inserted === entities_inserted;
    for (const stream of [...streams["a and b"], ...streams.a]) await stream.until(told(a));
    for (const stream of [...streams["a and b"], ...streams.b]) await stream.until(told(b));
    for (const stream of streams[""]) await stream.until(told(c));
  }

  const ids = { [a]: "a", [b]: "b" };
  for (const [expected, some] of Object.entries(streams)) {
    for (const { seen } of some) {
      const shown = new Set(seen.flatMap(({ data }) => ids[data.job_id] ?? []));
      assert.equal([...shown].sort().join(" and "), expected);
    }
  }
  for (const stream of all) await stream.leave();
});

test("jobs/subscribe says what is wrong with a filter", async (t) => {
  const server = await testServer(t);
  const headers = { Authorization: `Bearer ${server.key()}` };
  const ask = (query: string, given = headers) =>
    rawRequest(`${server.url}/v1/sync/jobs/subscribe${query}`, { headers: given });

  for (const name of ["status", "job", "ended"]) {
    const answer = await ask(`?${name}=nonsense`);
    assert.equal(answer.status, 400);
    assert.equal(answer.json.errors[0].parameter, name);
  }
  const write = await ask("", { Authorization: `Bearer ${server.key(["write"])}` });
  assert.equal(write.status, 403);
  assert.equal((await ask("", {} as typeof headers)).status, 401);
});

test("jobs/subscribe keeps tenants apart, and shows another where the key may act for it", async (t) => {
  const server = await testServer(t);
  const acme = server.key(undefined, "acme");
  const ours = await follow(server);
  const theirs = await follow(server, "", {
    Authorization: `Bearer ${server.key(["read", "tenants"])}`,
    "Synctail-Tenant": "acme",
  });
  for (const stream of [ours, theirs]) await stream.until(complete);

  const hidden = (await post(server, "", { name: "hidden" }, acme)).id;
  await theirs.until((data) => data.job_id === hidden);
  await rawRequest(`${server.url}/v1/sync/job/${hidden}`, {
    method: "DELETE",
    headers: { Authorization: `Bearer ${acme}` },
  });
  await theirs.until((data) => data.code === "job_deleted" && data.job_id === hidden);
  const { id } = await post(server, "", { name: "ours" });
  await ours.until((data) => data.job_id === id);

  assert.equal(JSON.stringify(ours.seen).includes(hidden), false);
  for (const stream of [ours, theirs]) await stream.leave();
});

test("jobs/subscribe tells that a job is gone to whoever may know of it, and to no other", async (t) => {
  const server = await testServer(t);
  const all = await follow(server);
  const [kept, gone] = [
    (await post(server, "", { sync: "one", tags: ["x"] })).id,
    (await post(server, "", { sync: "two" })).id,
  ];
  await post(server, `/${gone}/events`, { type: "end", status: "completed" });
  // Who comes later is told of the removal though nothing of the job is left to be told.
  await all.until((data) => data.job_id === gone && data.status === "completed");
  const ticket = async (body: object) => (await post(server, `/${kept}/ticket`, body)).ticket;
  const tenant = await follow(server, `?ticket=${await ticket({ for: "tenant" })}`, {});
  const one = await follow(server, `?job=${gone}`);
  const blind = [
    await follow(server, `?ticket=${await ticket({ for: "sync" })}`, {}),
    await follow(server, `?ticket=${await ticket({ for: "tag", tag: "x" })}`, {}),
    await follow(server, `?ticket=${await ticket({ for: "sync" })}&job=${gone}`, {}),
    await follow(server, `?ticket=${await ticket({ for: "job" })}&job=${gone}`, {}),
    await follow(server, `?job=${kept}`),
    await follow(server, `?ticket=${await ticket({ for: "job" })}`, {}),
    await follow(server, "?tag=x"),
    await follow(server, "?sync=one"),
  ];
  for (const stream of [all, tenant, one, ...blind]) await stream.until(complete);

  await rawRequest(`${server.url}/v1/sync/job/${gone}`, {
    method: "DELETE",
    headers: { Authorization: `Bearer ${server.key()}` },
  });
  const deleted = (data: Seen["data"]) => data.code === "job_deleted" && data.job_id === gone;
  for (const stream of [all, tenant, one]) await stream.until(deleted);
  // The feed has told of it; what comes next shows that the others were not.
  await rawRequest(`${server.url}/v1/sync/job/${kept}/cancel`, {
    method: "POST",
    headers: { Authorization: `Bearer ${server.key()}` },
  });
  for (const stream of [blind[0], blind[1], ...blind.slice(4)]) {
    await stream.until((data) => data.job_id === kept && data.status === "cancelling");
  }

  for (const { seen } of blind) assert.equal(seen.some(({ data }) => deleted(data)), false);
  for (const stream of [all, tenant, one, ...blind]) await stream.leave();
});

test("HEAD of jobs/subscribe answers its headers and opens no stream", async (t) => {
  const server = await testServer(t);

  const answer = await rawRequest(`${server.url}/v1/sync/jobs/subscribe`, {
    method: "HEAD",
    headers: { Authorization: `Bearer ${server.key()}` },
  });

  assert.equal(answer.status, 200);
  assert.equal(answer.headers["content-type"], "text/event-stream");
});
