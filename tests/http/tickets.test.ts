import assert from "node:assert/strict";
import { test } from "node:test";
import { newJobId } from "../../src/sync/ids.ts";
import { cookieOf, type RawAnswer, rawRequest } from "../support/raw_request.ts";
import { type TestServer, testServer } from "../support/server.ts";
import { framesOf } from "../support/stream_bench.ts";

const NOT_FOUND = {
  type: "/problems/not-found",
  title: "Not found",
  status: 404,
  detail: "There is nothing here under this id or path for this key",
};

/** Asks the server with a key of all scopes, unless the headers say otherwise. */
function asker(server: TestServer, key = server.key()) {
  return (method: string, path: string, body?: unknown, headers?: Record<string, string>) =>
    rawRequest(server.url + path, {
      method,
      body,
      headers: headers ?? { Authorization: `Bearer ${key}` },
    });
}

type Asker = ReturnType<typeof asker>;

/** A job of a worker that is over, so that its stream ends by itself. */
async function ended(ask: Asker, body: object = {}): Promise<string> {
  const { id } = (await ask("POST", "/v1/sync/job", body)).json;
  await ask("POST", `/v1/sync/job/${id}/events`, { type: "end", status: "completed" });
  return id;
}

/** The status of the job's stream for that ticket. */
async function opens(ask: Asker, id: string, ticket: string): Promise<number> {
  return (await ask("GET", `/v1/sync/job/${id}/subscribe?ticket=${ticket}`, undefined, {})).status;
}

/** The jobs that a stream of many shows for that ticket. */
async function shown(server: TestServer, query: string): Promise<string[] | number> {
  const leave = new AbortController();
  const answer = await fetch(`${server.url}/v1/sync/jobs/subscribe?${query}`, {
    signal: leave.signal,
  });
  if (answer.status !== 200 || !answer.body) return answer.status;
  let text = "";
  const utf8 = new TextDecoder();
  for await (const part of answer.body) {
    text += utf8.decode(part, { stream: true });
    if (text.includes("snapshot_complete")) break;
  }
  leave.abort();
  return framesOf(text).flatMap(({ data }) => data.type === "progress" ? [data.job_id] : []);
}

async function ticketOf(ask: Asker, id: string, body?: object): Promise<string> {
  const answer = await ask("POST", `/v1/sync/job/${id}/ticket`, body);
  assert.equal(answer.status, 201);
  return answer.json.ticket;
}

test("POST ticket makes one for the job, for an hour, whose URL opens the stream again and again", async (t) => {
  const server = await testServer(t);
  const ask = asker(server);
  const [id, other] = [await ended(ask), await ended(ask)];

  const before = Date.now();
  const answer = await ask("POST", `/v1/sync/job/${id}/ticket`);
  const { ticket, url, expires_at } = answer.json;
  const stream = await rawRequest(url);
  const again = await rawRequest(url);

  assert.equal(answer.status, 201);
  assert.equal(answer.headers["cache-control"], "no-store");
  assert.equal(url, `${server.url}/v1/sync/job/${id}/subscribe?ticket=${ticket}`);
  const leftMs = Date.parse(expires_at) - before;
  assert.ok(leftMs > 3_598_000 && leftMs < 3_660_000, `${leftMs}`);
  assert.equal(framesOf(stream.text).at(-1)?.data.status, "completed");
  assert.equal(again.status, 200);
  assert.equal(await opens(ask, other, ticket), 404);
  assert.deepEqual(await shown(server, `ticket=${ticket}`), [id]);
  assert.deepEqual(await shown(server, `ticket=${ticket}&job=${other}`), []);
});

test("a ticket for a sync, a tag or the tenant opens that much and never more", async (t) => {
  const server = await testServer(t);
  const ask = asker(server);
  const a = await ended(ask, { sync: "one", tags: ["x", "y"] });
  const b = await ended(ask, { sync: "one" });
  const c = await ended(ask, { sync: "two", tags: ["x"] });
  const elsewhere = await ended(asker(server, server.key(undefined, "acme")), { sync: "one" });
  const sync = await ask("POST", `/v1/sync/job/${a}/ticket`, { for: "sync" });
  const tag = await ask("POST", `/v1/sync/job/${a}/ticket`, { for: "tag", tag: "x" });
  const tenant = await ticketOf(ask, a, { for: "tenant" });
  const all = [a, b, c, elsewhere];

  const open = async (ticket: string) => await Promise.all(all.map((id) => opens(ask, id, ticket)));

  assert.deepEqual(await open(sync.json.ticket), [200, 200, 404, 404]);
  assert.deepEqual(await open(tag.json.ticket), [200, 404, 200, 404]);
  assert.deepEqual(await open(tenant), [200, 200, 200, 404]);
  assert.deepEqual(await shown(server, new URL(sync.json.url).search.slice(1)), [b, a]);
  assert.deepEqual(await shown(server, new URL(tag.json.url).search.slice(1)), [c, a]);
  assert.deepEqual(await shown(server, `ticket=${tenant}`), [c, b, a]);
  // What the query asks for only makes it narrower.
  assert.deepEqual(await shown(server, `ticket=${sync.json.ticket}&sync=two`), []);
  assert.deepEqual(await shown(server, `ticket=${sync.json.ticket}&tag=x`), [a]);
  assert.deepEqual(await shown(server, `ticket=${tag.json.ticket}&tag=y`), [a]);
  assert.deepEqual(await shown(server, `ticket=${tenant}&job=${elsewhere}`), []);
});

test("a ticket is made for a tag that no URL can hold, and is as narrow", async (t) => {
  const server = await testServer(t);
  const ask = asker(server);
  const tag = "half \ud800";
  const id = await ended(ask, { tags: [tag] });
  await ended(ask, { tags: ["half"] });

  const made = await ask("POST", `/v1/sync/job/${id}/ticket`, { for: "tag", tag });

  assert.equal(made.status, 201);
  assert.deepEqual(await shown(server, new URL(made.json.url).search.slice(1)), [id]);
});

test("POST ticket refuses what the job does not have, and more than a day", async (t) => {
  const server = await testServer(t);
  const ask = asker(server);
  const id = await ended(ask, { tags: ["x"] });
  const refused: [RawAnswer, string][] = [];
  for (
    const [body, words] of [
      [{ for: "sync" }, "Cannot make a ticket for the job's sync: it has none"],
      [
        { for: "tag", tag: "other" },
        'Cannot make a ticket for the tag "other": the job does not have it',
      ],
      [{ for: "tag" }, "/tag: this is missing"],
      [{ expires_in_s: 86_401 }, ""],
      [{ expires_in_s: 0 }, ""],
      [{ for: "everything" }, ""],
      [{ scope: "write" }, ""],
    ] as [object, string][]
  ) {
    refused.push([await ask("POST", `/v1/sync/job/${id}/ticket`, body), words]);
  }

  for (const [answer, words] of refused) {
    assert.equal(answer.status, 400);
    if (words !== "") assert.equal(answer.json.detail, words);
  }
  assert.equal(
    (await ask("POST", `/v1/sync/job/${id}/ticket`, { expires_in_s: 86_400 })).status,
    201,
  );
});

test("a ticket opens nothing but streams, whatever its URL or header pretends", async (t) => {
  const server = await testServer(t);
  const ask = asker(server);
  const id = await ended(ask);
  const ticket = await ticketOf(ask, id, { for: "tenant" });

  for (
    const [method, path] of [
      ["GET", "/v1/sync"],
      ["GET", "/v1/sync/jobs"],
      ["GET", `/v1/sync/job/${id}`],
      ["GET", `/v1/sync/job/${id}/logs`],
      ["GET", `/v1/sync/job/${id}/events`],
      ["GET", `/v1/sync/job/${id}/history`],
      ["POST", `/v1/sync/job/${id}/ticket`],
      ["POST", `/v1/sync/job/${id}/cancel`],
      ["POST", `/v1/sync/job/${id}/events`],
      ["POST", "/v1/sync/job"],
      ["POST", "/v1/sync/docs/run"],
      ["DELETE", `/v1/sync/job/${id}`],
      ["DELETE", "/v1/tenant"],
      ["GET", "/v1/session"],
    ]
  ) {
    for (
      const [query, headers] of [
        [`?ticket=${ticket}`, {}],
        ["", { Authorization: `Bearer ${ticket}` }],
        ["", { "X-API-Key": ticket }],
        ["", { Cookie: `synctail_${server.port}=${ticket}` }],
      ] as const
    ) {
      const answer = await ask(method, path + query, undefined, { ...headers, Origin: server.url });
      assert.equal(answer.status, 401, `${method} ${path} ${query}`);
    }
  }
  const other = { "Synctail-Tenant": "acme" };
  const path = `/v1/sync/job/${id}/subscribe?ticket=${ticket}`;
  assert.equal((await ask("GET", path, undefined, other)).status, 403);
  assert.equal((await ask("GET", path, undefined, { Authorization: "Bearer st_x" })).status, 401);
  assert.equal((await ask("GET", path.replace("ticket=", "ticket=x"), undefined, {})).status, 401);
});

test("a key or a cookie in the place of a ticket is refused in clear words", async (t) => {
  const server = await testServer(t);
  const ask = asker(server);
  const key = server.key();
  const id = await ended(ask);
  const session = await ask("POST", "/v1/session", { key }, {});
  const cookie = cookieOf(session)?.split("=")[1] ?? "";

  for (const ticket of [key, cookie, "x", "a.b.c"]) {
    const answer = await ask("GET", `/v1/sync/job/${id}/subscribe?ticket=${ticket}`, undefined, {});
    assert.equal(answer.status, 401);
    assert.equal(
      answer.json.detail,
      "The ticket has expired, or is none of this server's; ask for another",
    );
  }
});

test("POST ticket is for whoever may read the job", async (t) => {
  const server = await testServer(t);
  const ask = asker(server);
  const id = await ended(ask);
  const by = async (key: string) => {
    const headers = { Authorization: `Bearer ${key}` };
    return (await ask("POST", `/v1/sync/job/${id}/ticket`, undefined, headers)).status;
  };

  assert.equal(await by(server.key(["read"])), 201);
  assert.equal(await by(server.key(["write", "run"])), 403);
  assert.equal(await by(server.key(["read"], "acme")), 404);
});

test("a job of another tenant is no job in any route, and nothing tells it from one that is not there", async (t) => {
  const server = await testServer(t);
  const ask = asker(server);
  const theirs = await ended(asker(server, server.key(undefined, "acme")), { sync: "secret" });
  const ids = [theirs, newJobId(), "nonsense", theirs.toUpperCase()];
  const own = await ended(ask);
  const ticket = await ticketOf(ask, own, { for: "tenant" });
  const cookie = cookieOf(await ask("POST", "/v1/session", { key: server.key() }, {})) ?? "";
  const asked: Record<string, string>[] = [
    { Authorization: `Bearer ${server.key()}` },
    { Authorization: `Bearer ${server.key(["read"])}` },
    { Authorization: `Bearer ${server.key(["run"])}` },
    { Cookie: cookie, Origin: server.url },
  ];

  for (const id of ids) {
    for (
      const [method, path, body] of [
        ["GET", "", undefined],
        ["DELETE", "", undefined],
        ["POST", "/cancel", undefined],
        ["GET", "/subscribe", undefined],
        ["GET", "/logs", undefined],
        ["GET", "/events", undefined],
        ["POST", "/events", { type: "log", level: "info", message: "x" }],
        ["POST", "/events", undefined],
        ["POST", "/ticket", undefined],
        ["POST", "/ticket", { for: "tenant" }],
      ] as const
    ) {
      for (const headers of asked) {
        const answer = await ask(method, `/v1/sync/job/${id}${path}`, body, headers);
        assert.deepEqual(answer.json, NOT_FOUND, `${method} ${path} ${Object.keys(headers)}`);
      }
    }
    const byTicket = await ask(
      "GET",
      `/v1/sync/job/${id}/subscribe?ticket=${ticket}`,
      undefined,
      {},
    );
    assert.deepEqual(byTicket.json, NOT_FOUND);
  }
  assert.deepEqual(await shown(server, `ticket=${ticket}&sync=secret`), []);
});
