import assert from "node:assert/strict";
import { type IncomingMessage, request } from "node:http";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { setImmediate } from "node:timers";
import { systemClock } from "../../src/clock.ts";
import { SqliteLog } from "../../src/log/sqlite_log.ts";
import { curl } from "../support/curl.ts";
import { freePort } from "../support/free_port.ts";
import { rawRequest } from "../support/raw_request.ts";
import { serverRecords } from "../support/server_log.ts";
import { framesOf } from "../support/stream_bench.ts";
import { type TestServer, testServer } from "../support/server.ts";
import { until } from "../support/until.ts";

const UNKNOWN = "770e8400-e29b-41d4-a716-446655440002";
const NOT_FOUND = {
  type: "/problems/not-found",
  title: "Not found",
  status: 404,
  detail: "There is nothing here under this id or path for this key",
};

/** Runs a sync and gives the job. */
async function started(server: TestServer, sync = "slow") {
  const answer = await server.ask(`/v1/sync/${sync}/run`, {
    method: "POST",
    headers: { Authorization: `Bearer ${server.key()}` },
  });
  assert.equal(answer.status, 202);
  return await answer.json();
}

/** The text of a stream up to its end. */
async function followed(server: TestServer, id: string, headers: Record<string, string> = {}) {
  const answer = await server.ask(`/v1/sync/job/${id}/subscribe`, {
    headers: { Authorization: `Bearer ${server.key()}`, ...headers },
  });
  return { answer, frames: framesOf(await answer.text()) };
}

test("subscribe answers with the headers of the contract and ends with the job", async (t) => {
  const server = await testServer(t);
  const job = await started(server, "docs");

  const { answer, frames } = await followed(server, job.id);

  assert.equal(answer.status, 200);
  const headers = ["Content-Type", "Cache-Control", "X-Accel-Buffering"].map((name) =>
    answer.headers.get(name)
  );
  assert.deepEqual(headers, ["text/event-stream", "no-cache, no-transform", "no"]);
  assert.equal(frames[0].data.type, "connected");
  const last = frames.at(-1)?.data;
  assert.deepEqual([last.status, last.entities_inserted, last.is_complete], ["completed", 3, true]);
  assert.ok(answer.headers.get("X-Request-Id"));
});

test("an answer has the date of the clock, also where that is put back", async (t) => {
  let nowMs = Date.parse("2036-12-01T00:00:00.900Z");
  const server = await testServer(t, { clock: { ...systemClock, now: () => nowMs } });
  const dated = async (path: string) => {
    const answer = await server.ask(path);
    await answer.body?.cancel();
    return answer.headers.get("Date");
  };

  const ahead = await dated("/v1/sync");
  nowMs -= 10 * 365 * 86_400_000;
  const right = [await dated("/v1/sync"), await dated("/nowhere"), await dated("/")];

  assert.equal(ahead, "Mon, 01 Dec 2036 00:00:00 GMT");
  assert.deepEqual(right, Array(3).fill("Fri, 04 Dec 2026 00:00:00 GMT"));
});

test("subscribe takes the cursor from the header, else from the query, and says 204 at the end", async (t) => {
  const server = await testServer(t);
  const { id } = await started(server, "docs");
  const { frames } = await followed(server, id);
  const last = frames.at(-1)?.id ?? "";

  const over = await followed(server, id, { "Last-Event-ID": last }).catch((error) => error);
  const byQuery = await server.ask(`/v1/sync/job/${id}/subscribe?last_event_id=${last}`);
  const twice = await server.ask(
    `/v1/sync/job/${id}/subscribe?last_event_id=x&last_event_id=${last}`,
  );
  const camel = await server.ask(`/v1/sync/job/${id}/subscribe?lastEventId=${last}`);
  const polyfill = await server.ask(
    `/v1/sync/job/${id}/subscribe?last_event_id=0&lastEventId=${last}`,
  );
  const all = await followed(server, id, { "Last-Event-ID": "0" });
  const both = await server.ask(`/v1/sync/job/${id}/subscribe?last_event_id=0`, {
    headers: { "Authorization": `Bearer ${server.key()}`, "Last-Event-ID": last },
  });

  assert.equal(over.answer.status, 204);
  assert.deepEqual([byQuery.status, camel.status, twice.status], [204, 204, 204]);
  // EventSource comes back with the URL that it was given, and the id that it has seen since.
  assert.deepEqual([both.status, polyfill.status], [204, 204]);
  assert.deepEqual([all.frames[0].data.resume, all.frames[1].data.seq], ["resumed", 1]);
  assert.equal(all.frames.at(-1)?.id, last);
});

test("subscribe adds log lines when they are asked for, and refuses a level that is none", async (t) => {
  const server = await testServer(t);
  const { id } = await started(server, "docs");
  await followed(server, id);

  const wrong = await server.ask(`/v1/sync/job/${id}/subscribe?logs=loud`);

  assert.equal(wrong.status, 400);
  const problem = await wrong.json();
  assert.equal(problem.errors[0].parameter, "logs");
});

test("HEAD of a stream answers its headers and opens none", async (t) => {
  const server = await testServer(t);
  const { id } = await started(server);

  const head = await server.ask(`/v1/sync/job/${id}/subscribe`, {
    method: "HEAD",
    headers: { Authorization: `Bearer ${server.key()}` },
  });
  const job = await (await server.ask(`/v1/sync/job/${id}`)).json();

  assert.deepEqual([head.status, head.headers.get("Content-Type")], [200, "text/event-stream"]);
  assert.equal(head.headers.get("Content-Length"), null);
  assert.equal(job.viewers, 0);
});

test("HEAD of a stream whose cursor stands at the job's end is answered 204, as GET is", async (t) => {
  const server = await testServer(t);
  const { id } = await started(server, "docs");
  const { frames } = await followed(server, id);
  const lastId = frames.at(-1)?.id ?? "";
  const statusOf = async (method: string, cursor: string) => {
    const path = `/v1/sync/job/${id}/subscribe?last_event_id=${cursor}`;
    const { status, body } = await server.ask(path, { method });
    await body?.cancel();
    return status;
  };

  const ended = [await statusOf("GET", lastId), await statusOf("HEAD", lastId)];
  const before = [await statusOf("GET", "0"), await statusOf("HEAD", "0")];

  assert.deepEqual([ended, before], [[204, 204], [200, 200]]);
});

test("HEAD answers what GET does, with the length of a body that it leaves out", async (t) => {
  const server = await testServer(t);
  const { id } = await started(server, "docs");
  await followed(server, id);
  const told = async (method: string, path: string) => {
    const { status, headers, body } = await server.ask(path, { method });
    await body?.cancel();
    return [status, headers.get("Content-Type"), headers.get("Content-Length")];
  };
  const job = `/v1/sync/job/${id}`;
  const paths = ["/", "/healthz", "/openapi.json", "/v1/sync/jobs", job, `${job}/events`, "/nope"];

  const gets = await Promise.all(paths.map((path) => told("GET", path)));
  const heads = await Promise.all(paths.map((path) => told("HEAD", path)));

  assert.deepEqual(heads, gets);
  assert.notEqual(heads[0][2], "0");
  assert.equal(heads[5][2], null);
});

test("HEAD is answered over HTTP/2 too", async (t) => {
  const server = await testServer(t);
  const { id } = await started(server, "docs");
  await followed(server, id);
  // Bun speaks HTTP/1.1 alone.
  const protocol = "Bun" in globalThis ? [] : ["--http2-prior-knowledge"];
  const head = async (path: string) => {
    const key = `X-API-Key: ${server.key()}`;
    const asked = curl(t, [...protocol, "-I", "-H", key, `${server.url}${path}`]);
    return [await asked.code, asked.text().split(" ")[1]];
  };
  const job = `/v1/sync/job/${id}`;

  const heads = await Promise.all([
    head("/healthz"),
    head(job),
    head(`${job}/events`),
    head(`${job}/subscribe`),
    head("/nope"),
  ]);

  assert.deepEqual(heads, [[0, "200"], [0, "200"], [0, "200"], [0, "200"], [0, "404"]]);
});

test("a job whose row is damaged is said to be so, and can be removed", async (t) => {
  const server = await testServer(t, { port: await freePort() });
  const { id } = await started(server, "docs");
  await followed(server, id);
  const vandal = new DatabaseSync(join(server.temp, "data", "log.db"));
  vandal.prepare("UPDATE jobs SET state = '{' WHERE id = ?").run(id);
  vandal.close();
  await server.restart();
  const path = `/v1/sync/job/${id}`;
  const told = async (method: string, key: string, below = "") => {
    const headers = { Authorization: `Bearer ${key}` };
    const answer = await fetch(server.url + path + below, { method, headers });
    const text = await answer.text();
    return [answer.status, text && JSON.parse(text).detail];
  };
  const all = server.key();

  const got = await told("GET", all);
  const stream = await told("GET", all, "/subscribe"); // to come back would help nobody
  const refused = await told("DELETE", server.key(["read"]));
  const strange = await told("DELETE", server.key(["write"], "other"));
  const removed = await told("DELETE", all);
  const after = await told("GET", all);

  const why = `Cannot read job "${id}": its row in the log is damaged. DELETE removes it`;
  assert.deepEqual([got, stream, removed], [[500, why], [500, why], [204, ""]]);
  assert.deepEqual([refused[0], strange[0], after[0]], [403, 404, 404]);
});

test("a download that the log does not let end is told in the server's log, by its request", async (t) => {
  const records = await serverRecords(t, "http");
  const server = await testServer(t, { port: await freePort() });
  const { id } = await started(server, "docs");
  await followed(server, id);
  const vandal = new DatabaseSync(join(server.temp, "data", "log.db"));
  vandal.exec("UPDATE entries SET body = '{'");
  vandal.close();
  await server.restart();

  const headers = { Authorization: `Bearer ${server.key()}` };
  const path = `/v1/sync/job/${id}/events`;
  // Bun does not even begin an answer whose first part fails.
  await assert.rejects(fetch(server.url + path, { headers }).then((answer) => answer.text()));

  const told = records.find(({ error }) => error !== undefined);
  const request = records.find((record) => record.path === path);
  assert.ok(told?.request_id);
  assert.equal(told.request_id, request?.request_id);
  assert.match(String(told?.error), /JSON/);
});

test("a viewer that leaves is gone from the server", async (t) => {
  const server = await testServer(t);
  const { id } = await started(server);
  const leave = new AbortController();
  const answer = await server.ask(`/v1/sync/job/${id}/subscribe`, {
    signal: leave.signal,
    headers: { Authorization: `Bearer ${server.key()}` },
  });
  await answer.body?.getReader().read();
  const viewers = async () => (await (await server.ask(`/v1/sync/job/${id}`)).json()).viewers;
  const during = await viewers();

  leave.abort();
  await until(async () => await viewers() === 0);

  assert.equal(during, 1);
});

test("cancel is seen at once and ends the stream; again it changes nothing", async (t) => {
  const server = await testServer(t);
  const { id } = await started(server);
  const following = followed(server, id);

  const cancel = () =>
    server.ask(`/v1/sync/job/${id}/cancel`, {
      method: "POST",
      headers: { "X-API-Key": server.key() },
    });
  const asked = await (await cancel()).json();
  const { frames } = await following;
  const again = await cancel();

  assert.equal(asked.status, "cancelling");
  const last = frames.at(-1)?.data;
  assert.deepEqual([last.status, last.is_complete, last.is_failed], ["cancelled", false, false]);
  assert.deepEqual([again.status, (await again.json()).status], [200, "cancelled"]);
});

test("running a sync that runs already is 409 with the job that does", async (t) => {
  const server = await testServer(t);
  const { id } = await started(server);

  const again = await server.ask("/v1/sync/slow/run", {
    method: "POST",
    headers: { "X-API-Key": server.key() },
  });

  assert.equal(again.status, 409);
  assert.equal(again.headers.get("Content-Type"), "application/problem+json");
  assert.equal((await again.json()).job_id, id);
});

for (
  const [what, headers, body] of [
    ["JSON without any", { "Content-Type": "application/json" }, undefined],
    ["a form without any, as of curl -d ''", {
      "Content-Type": "application/x-www-form-urlencoded",
    }, ""],
  ] as const
) {
  test(`a run needs no body, and may be asked for as ${what}`, async (t) => {
    const server = await testServer(t);

    const answer = await server.ask("/v1/sync/docs/run", {
      method: "POST",
      headers: { "X-API-Key": server.key(), ...headers },
      body,
    });

    assert.equal(answer.status, 202, await answer.text());
  });
}

for (const type of ["application/json ; charset=utf-8", "Application/JSON;"]) {
  test(`a body of the type "${type}" is JSON`, async (t) => {
    const server = await testServer(t);

    const answer = await server.ask("/v1/sync/docs/run", {
      method: "POST",
      headers: { "X-API-Key": server.key(), "Content-Type": type },
      body: JSON.stringify({ tags: ["by-hand"] }),
    });

    assert.deepEqual((await answer.json()).tags, ["by-hand"]);
  });
}

test("a run that is accepted names its job in Location", async (t) => {
  const server = await testServer(t);

  const answer = await server.ask("/v1/sync/docs/run", {
    method: "POST",
    headers: { "X-API-Key": server.key(), "Content-Type": "application/json" },
    body: JSON.stringify({ tags: ["by-hand"], meta: { ticket: 7 } }),
  });
  const job = await answer.json();

  assert.equal(answer.headers.get("Location"), `/v1/sync/job/${job.id}`);
  assert.deepEqual([job.tags, job.meta, job.sync, job.attempt], [
    ["by-hand"],
    { ticket: 7 },
    "docs",
    1,
  ]);
});

test("lists page, and filter by status and by sync", async (t) => {
  const server = await testServer(t);
  const list = async (query: string) => await (await server.ask(`/v1/sync/jobs${query}`)).json();
  const docs = await started(server, "docs");
  await followed(server, docs.id);
  const slow = await started(server, "slow");
  const ids = (page: { items: { id: string }[] }) => page.items.map(({ id }) => id);

  const first = await list("?limit=1");
  const second = await list(`?limit=1&cursor=${first.next_cursor}`);

  assert.deepEqual([ids(first), ids(second), second.next_cursor], [[slow.id], [docs.id], null]);
  assert.deepEqual(ids(await list("?status=completed")), [docs.id]);
  assert.deepEqual(ids(await list("?sync=slow")), [slow.id]);
  assert.deepEqual(ids(await list(`?sync=${docs.sync_id}`)), [docs.id]);
  assert.deepEqual(ids(await list("?sync=nothing")), []);
  const syncs = (await (await server.ask("/v1/sync")).json()).items;
  assert.deepEqual(
    syncs.map((sync: { name: string; last_job: { id: string } }) => [sync.name, sync.last_job.id]),
    [
      ["docs", docs.id],
      ["slow", slow.id],
    ],
  );
});

for (
  const [what, headers, challenge] of [
    ["no key", {}, 'Bearer realm="synctail"'],
    [
      "a wrong key",
      { Authorization: "Bearer st_abc_def" },
      'Bearer realm="synctail", error="invalid_token"',
    ],
    [
      "another scheme",
      { Authorization: "Basic eDp5" },
      'Bearer realm="synctail", error="invalid_token"',
    ],
  ] as const
) {
  test(`${what} is 401 with what to send`, async (t) => {
    const server = await testServer(t);

    const answers = await Promise.all(
      [`/v1/sync/jobs`, `/v1/sync/job/${UNKNOWN}/subscribe`, "/v1/nowhere"].map((path) =>
        server.ask(path, { headers: { ...headers } })
      ),
    );

    for (const answer of answers) {
      assert.equal(answer.status, 401);
      assert.equal(answer.headers.get("WWW-Authenticate"), challenge);
      assert.equal((await answer.json()).type, "/problems/unauthenticated");
    }
  });
}

test("a key in another form, or an empty one, is said to be so, not to be unknown", async (t) => {
  const server = await testServer(t);
  const forms: Record<string, string>[] = [
    { Authorization: server.key() },
    { Authorization: "Bearer " },
    { Authorization: "Basic eDp5" },
    { "X-API-Key": "" },
  ];

  for (const headers of forms) {
    const answer = await fetch(`${server.url}/v1/sync`, { headers });

    assert.equal(answer.status, 401);
    assert.match(
      (await answer.json()).detail,
      /: send `Authorization: Bearer KEY` or `X-API-Key: KEY`$/,
    );
  }
});

test("a list of many syncs lets others work in between", async (t) => {
  const server = await testServer(t);
  for (let n = 0; n < 100; n++) {
    await server.ask("/v1/sync/job", {
      method: "POST",
      body: JSON.stringify({ sync: `sync ${n}` }),
      headers: { "Authorization": `Bearer ${server.key()}`, "Content-Type": "application/json" },
    });
  }
  const { list } = SqliteLog.prototype;
  let inTurn = 0;
  let most = 0;
  t.after(() => SqliteLog.prototype.list = list);
  SqliteLog.prototype.list = function (query) {
    if (inTurn++ === 0) setImmediate(() => inTurn = 0);
    most = Math.max(most, inTurn);
    return list.call(this, query);
  };

  const { items } = await (await server.ask("/v1/sync")).json();

  assert.equal(items.length, 102);
  assert.ok(most < 100, `${most} look-ups in one turn`);
});

test("a revoked key is refused", async (t) => {
  const server = await testServer(t);
  const key = server.key();
  const ask = () => server.ask("/v1/sync/jobs", { headers: { "X-API-Key": key } });
  const before = (await ask()).status;

  server.keys.revoke(key.split("_")[1]);

  assert.deepEqual([before, (await ask()).status], [200, 401]);
});

test("what is not there, and what is another tenant's, is one and the same 404 before any 403", async (t) => {
  const server = await testServer(t);
  const { id } = await started(server);
  const foreign = { "X-API-Key": server.key(["read", "run", "write"], "other") };
  const powerless = { "X-API-Key": server.key(["write"], "other") };

  const answers = [
    await server.ask(`/v1/sync/job/${UNKNOWN}`),
    await server.ask("/v1/sync/job/no-uuid"),
    await server.ask("/v1/nowhere"),
    await server.ask(`/v1/sync/job/${id}`, { headers: foreign }),
    await server.ask(`/v1/sync/job/${id}/subscribe`, { headers: foreign }),
    await server.ask(`/v1/sync/job/${id}`, { headers: powerless }),
    await server.ask(`/v1/sync/job/${id}/cancel`, { method: "POST", headers: powerless }),
    await server.ask("/v1/sync/slow/run", { method: "POST", headers: foreign }),
  ];

  for (const answer of answers) {
    assert.equal(answer.status, 404);
    assert.deepEqual(await answer.json(), NOT_FOUND);
  }
});

test("a key without the scope is 403 with the scope that is needed, whatever others it has", async (t) => {
  const server = await testServer(t);
  const { id } = await started(server);
  const job = `/v1/sync/job/${id}`;
  const needed = [
    ["read", "GET", "/v1/sync"],
    ["read", "GET", "/v1/sync/jobs"],
    ["read", "GET", "/v1/sync/jobs/subscribe"],
    ["read", "GET", job],
    ["read", "GET", `${job}/subscribe`],
    ["read", "GET", `${job}/logs`],
    ["read", "GET", `${job}/events`],
    ["read", "GET", `${job}/history`],
    ["run", "POST", `${job}/cancel`],
    ["run", "POST", "/v1/sync/docs/run"],
    ["write", "POST", "/v1/sync/job"],
    ["write", "POST", `${job}/events`],
    ["write", "DELETE", job],
    ["write", "DELETE", "/v1/tenant"],
    ["metrics", "GET", "/metrics"],
  ] as const;

  for (const [scope, method, path] of needed) {
    const others = (["read", "run", "write", "metrics"] as const).filter((each) => each !== scope);
    const headers = { "X-API-Key": server.key(others) };
    const answer = await server.ask(path, { method, headers });
    const { detail } = await answer.json();
    assert.deepEqual(
      [path, answer.status, detail],
      [path, 403, `This needs a key with the scope "${scope}"`],
    );
  }
});

for (
  const [what, body, status, detail] of [
    ["an unknown field", '{"tags": [], "a/b": 1}', 400, "/a~1b: this is not known here"],
    [
      "a wrong type",
      '{"tags": [7]}',
      400,
      "/tags/0: Invalid input: expected string, received number",
    ],
    ["broken JSON", '{"tags": [', 400, undefined],
    [
      "a body that is too large",
      JSON.stringify({ meta: { x: "y".repeat(1024 * 1024) } }),
      413,
      undefined,
    ],
  ] as const
) {
  test(`${what} is told with its place and starts nothing`, async (t) => {
    const server = await testServer(t);

    const answer = await server.ask("/v1/sync/docs/run", {
      method: "POST",
      headers: { "X-API-Key": server.key(), "Content-Type": "application/json" },
      body,
    });
    const problem = await answer.json();

    assert.equal(answer.status, status);
    if (detail !== undefined) assert.equal(problem.detail, detail);
    assert.ok(!JSON.stringify(problem).includes("    at "));
    assert.deepEqual((await (await server.ask("/v1/sync/jobs")).json()).items, []);
  });
}

test("no body is none, also where it is said to be JSON", async (t) => {
  const server = await testServer(t);
  const headers = { "X-API-Key": server.key(), "Content-Type": "application/json" };
  const post = (path: string) => server.ask(path, { method: "POST", headers });
  const created = await post("/v1/sync/job");
  const { id } = await created.json();

  const ticket = await post(`/v1/sync/job/${id}/ticket`);
  const signIn = await server.ask("/v1/session", {
    method: "POST",
    headers: { "Content-Type": "application/json", "Sec-Fetch-Site": "same-origin" },
  });

  assert.deepEqual([created.status, ticket.status, signIn.status], [201, 201, 400]);
  assert.match((await signIn.json()).detail, /expected \{"key"/);
});

test("a request without a body needs no type, nor says that it has one by it", async (t) => {
  const server = await testServer(t);
  // Over HTTP/2 no header tells that there is no body. Bun speaks HTTP/1.1 alone.
  const protocol = "Bun" in globalThis ? [] : ["--http2-prior-knowledge"];
  const create = async (...headers: string[]) => {
    const args = ["-X", "POST", "-H", `X-API-Key: ${server.key()}`, ...headers];
    const asked = curl(t, [
      ...protocol,
      ...args,
      "-w",
      "%{http_code}",
      `${server.url}/v1/sync/job`,
    ]);
    return [await asked.code, asked.text().slice(-3)];
  };

  // Where a proxy does not know that nothing comes, the body is an empty one in chunks.
  const chunked = ["--http1.1", "-H", "Transfer-Encoding: chunked", "-d", ""];
  const form = "Content-Type: application/x-www-form-urlencoded";

  const created = await Promise.all([
    create(),
    create("-H", "Content-Type: application/json"),
    ...["Content-Type:", "Content-Type: application/json", form].map((type) =>
      create(...chunked, "-H", type)
    ),
  ]);

  assert.deepEqual(created, Array(5).fill([0, "201"]));
});

test("a body of another type is 415", async (t) => {
  const server = await testServer(t);
  const key = { "X-API-Key": server.key() };
  const post = async (path: string, text: string, type?: string) => {
    const headers = { ...key, ...(type !== undefined && { "Content-Type": type }) };
    const body = new TextEncoder().encode(text); // fetch gives texts a type
    const answer = await server.ask(path, { method: "POST", headers, body });
    const { detail } = await answer.json();
    return [answer.status, detail];
  };
  const { id } = await (await server.ask("/v1/sync/job", { method: "POST", headers: key })).json();

  const told = await Promise.all([
    ...[post("/v1/sync/docs/run", "tags=x"), post("/v1/sync/docs/run", "tags=x", "text/plain")],
    post("/v1/sync/job", "{}", "application/x-ndjson"),
    post(`/v1/sync/job/${id}/events`, "{}", "application/x-ndjsons"),
    post(`/v1/sync/job/${id}/events`, "{}", "application/jsons"),
  ]);

  const both = "send application/json or application/x-ndjson";
  assert.deepEqual(told, [
    [415, "The body has no type; send application/json"],
    [415, 'The body has "text/plain"; send application/json'],
    [415, 'The body has "application/x-ndjson"; send application/json'],
    [415, `The body has "application/x-ndjsons"; ${both}`],
    [415, `The body has "application/jsons"; ${both}`],
  ]);
});

test("the body of anything but a POST is not looked at", async (t) => {
  const server = await testServer(t);
  const headers = { "X-API-Key": server.key(), "Content-Length": "2" };
  const path = `${server.url}/v1/sync`;

  const json = await rawRequest(path, { headers, body: {} });
  const text = await rawRequest(path, { headers: { ...headers, "Content-Type": "x" }, body: "{}" });
  const trace = await rawRequest(path, {
    method: "TRACE",
    headers: { "X-API-Key": server.key() },
  });
  const put = await rawRequest(path, { method: "PUT", headers, body: "{x" });

  assert.deepEqual([json, text, trace, put].map(({ status }) => status), [200, 200, 405, 405]);
});

test("a GET whose answer is streamed, and nothing else, brings no long body where the runtime would keep it", async (t) => {
  const server = await testServer(t);
  const job = await started(server);
  const chunked = "Transfer-Encoding: chunked";
  const status = async (path: string, header: string, method = "GET") => {
    const socket = connect(server.port, "127.0.0.1");
    t.after(() => void socket.destroy());
    const key = `Host: localhost\r\nX-API-Key: ${server.key()}`;
    socket.write(`${method} /v1/sync/${path} HTTP/1.1\r\n${key}\r\n${header}\r\n\r\n`);
    const [bytes] = await once(socket, "data");
    return Number(String(bytes).split(" ")[1]);
  };

  const told = [];
  const ofJob = ["subscribe", "logs", "events"].map((name) => `job/${job.id}/${name}`);
  for (const path of ["jobs/subscribe", ...ofJob]) {
    const headers = [chunked, "Content-Length: 65537", "Content-Length: 2"];
    told.push(await Promise.all(headers.map((header) => status(path, header))));
  }
  const list = await status("jobs", chunked); // is made whole
  const others = ["PUT", "DELETE", "HEAD"].map((method) => status("jobs/subscribe", chunked, method) // stream nothing
  );

  const long = "Bun" in globalThis ? 200 : 413; // Bun throws it away
  assert.deepEqual([...told, list], [...Array(4).fill([long, long, 200]), 200]);
  assert.deepEqual(await Promise.all(others), [405, 405, 200]);
});

for (
  const query of [
    "?limit=0",
    "?limit=abc",
    "?limit=201",
    "?status=done",
    "?cursor=nonsense",
    "?stauts=failed",
  ]
) {
  test(`GET /v1/sync/jobs${query} is 400 and names the parameter`, async (t) => {
    const server = await testServer(t);

    const answer = await server.ask(`/v1/sync/jobs${query}`);
    const problem = await answer.json();

    assert.equal(answer.status, 400);
    assert.equal(problem.errors[0].parameter, query.slice(1, query.indexOf("=")));
  });
}

test("a parameter that is given twice is said to be, and not to be of another type", async (t) => {
  const server = await testServer(t);

  const { id } = await started(server, "docs");

  for (
    const [path, name, value] of [
      ["/v1/sync/jobs", "limit", 1],
      [`/v1/sync/job/${id}/logs`, "level", "info"],
      [`/v1/sync/job/${id}/subscribe`, "logs", "info"],
      ["/v1/sync/jobs/subscribe", "job", id],
    ]
  ) {
    const answer = await server.ask(`${path}?${name}=${value}&${name}=${value}`);
    assert.equal(answer.status, 400);
    assert.equal((await answer.json()).detail, `?${name}: expected it once`);
  }
  const loud = await server.ask(`/v1/sync/job/${id}/logs?level=loud`);
  assert.match((await loud.json()).detail, /^\?level: .*"info"/);
});

test("a method that a resource does not know is 405 with those it knows", async (t) => {
  const server = await testServer(t);

  const answer = await server.ask("/v1/sync/jobs", {
    method: "DELETE",
    headers: { "X-API-Key": server.key() },
  });

  assert.equal(answer.status, 405);
  assert.match(answer.headers.get("Allow") ?? "", /GET/);
});

test("/openapi.json is 3.1 and describes every route that there is", async (t) => {
  const server = await testServer(t);

  const document = await (await fetch(`${server.url}/openapi.json`)).json();

  assert.equal(document.openapi, "3.1.0");
  assert.deepEqual(Object.keys(document.paths).sort(), [
    "/v1/notify/deliveries",
    "/v1/session",
    "/v1/sync",
    "/v1/sync/job",
    "/v1/sync/job/{job_id}",
    "/v1/sync/job/{job_id}/cancel",
    "/v1/sync/job/{job_id}/events",
    "/v1/sync/job/{job_id}/history",
    "/v1/sync/job/{job_id}/logs",
    "/v1/sync/job/{job_id}/subscribe",
    "/v1/sync/job/{job_id}/ticket",
    "/v1/sync/jobs",
    "/v1/sync/jobs/subscribe",
    "/v1/sync/{sync}/run",
    "/v1/tenant",
  ]);
  assert.ok(
    document.paths["/v1/sync/job/{job_id}/subscribe"].get.responses["200"]
      .content["text/event-stream"],
  );
});

test("stopping answers an upload that is under way, with what was taken of it", async (t) => {
  const server = await testServer(t);
  const headers = { Authorization: `Bearer ${server.key()}` };
  const created = await server.ask("/v1/sync/job", { method: "POST", headers });
  const { id } = await created.json();
  const path = `${server.url}/v1/sync/job/${id}`;
  const type = { "Content-Type": "application/x-ndjson" };
  const upload = request(`${path}/events`, { method: "POST", headers: { ...headers, ...type } });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    upload.on("response", resolve).on("error", reject);
  });
  upload.write('{"type": "progress", "entities_inserted": 1}\n');
  await until(async () => (await (await fetch(path, { headers })).json()).seq === 1);

  const stopped = server.stop();
  const answer = await answered;
  let text = "";
  for await (const chunk of answer) text += chunk;
  upload.destroy();
  await stopped;

  const { type: problem, accepted } = JSON.parse(text);
  assert.match(problem, /stopping$/);
  assert.deepEqual([answer.statusCode, accepted], [503, 1]);
});

test("stopping ends a running job as cancelled by the server and sends other viewers away with a retry", async (t) => {
  const server = await testServer(t);
  const { id } = await started(server);
  const following = followed(server, id);
  await until(async () => (await (await server.ask(`/v1/sync/job/${id}`)).json()).viewers === 1);

  await server.stop();
  const { frames } = await following;

  const last = frames.at(-1)?.data;
  assert.equal(last.status, "cancelled");
  assert.match(last.error, /server was stopped/);
});

test("stopping shows all viewers the end of a job that had just told something else", async (t) => {
  const server = await testServer(t);
  const { id } = await started(server);
  const following = Array.from({ length: 100 }, () => followed(server, id));
  await until(async () => (await (await server.ask(`/v1/sync/job/${id}`)).json()).viewers === 100);

  await server.ask(`/v1/sync/job/${id}/cancel`, { method: "POST" });
  await server.stop();

  const last = (await Promise.all(following)).map(({ frames }) => frames.at(-1)?.data.status);
  assert.deepEqual(last, Array(100).fill("cancelled"));
});

test("requests that name no host are answered as any other", async (t) => {
  const server = await testServer(t);
  const key = server.key();
  const answers = ["/healthz", "/readyz", "/v1/sync", "/nowhere?a=/v1/sync"].flatMap((path) =>
    [`GET ${path} HTTP/1.0\r\n`, `GET ${path} HTTP/1.1\r\nHost:\r\n`].map(async (start) => {
      const socket = connect(server.port, "127.0.0.1");
      t.after(() => void socket.destroy());
      socket.write(`${start}Authorization: Bearer ${key}\r\n\r\n`);
      const [data] = await once(socket, "data");
      return Number(String(data).split(" ")[1]);
    })
  );

  assert.deepEqual(await Promise.all(answers), [200, 200, 200, 200, 200, 200, 404, 404]);
});

test("dots in a path are resolved, in whatever way they are written", async (t) => {
  const server = await testServer(t);
  const ask = async (path: string) => {
    const socket = connect(server.port, "127.0.0.1");
    t.after(() => void socket.destroy());
    const head = `Host: localhost\r\nAuthorization: Bearer ${server.key()}\r\nConnection: close`;
    socket.write(`GET ${path} HTTP/1.1\r\n${head}\r\n\r\n`);
    let answer = "";
    for await (const part of socket) answer += part;
    return answer.slice(9, 12);
  };

  const dots = ["/v1/sync/x/../jobs", "/v1/sync/%2e%2E/sync/./jobs?limit=1", "/v1\\sync\\jobs"];
  assert.deepEqual(await Promise.all(dots.map(ask)), ["200", "200", "200"]);
  assert.deepEqual(await Promise.all(["/v1/../v1/none", "/.."].map(ask)), ["404", "200"]);
});
