import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { setImmediate } from "node:timers";
import { SYNCS_MAX } from "../../src/http/query_schemas.ts";
import { type ConfiguredSync, configuredSyncs, SYNC_SCHEMA } from "../../src/jobs/sync_config.ts";
import { usualSyncId } from "../../src/jobs/syncs.ts";
import { SqliteLog } from "../../src/log/sqlite_log.ts";
import { deriveSyncId } from "../../src/sync/ids.ts";
import type { SyncRef } from "../../src/sync/job.ts";
import { TENANT } from "../support/log_contract.ts";
import { type TestServer, testServer } from "../support/server.ts";

interface Sync {
  readonly id: string;
  readonly name: string;
  readonly last_job: { readonly id: string } | null;
  readonly last_success_at: string | null;
}

interface Page {
  readonly items: readonly Sync[];
  readonly next_cursor: string | null;
}

async function pageOf(server: TestServer, query = ""): Promise<Page> {
  const answer = await server.ask(`/v1/sync${query}`);
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("Content-Type"), "application/json");
  return await answer.json();
}

/** The pages of this many, up to the last one. */
async function pagesOf(server: TestServer, limit: number): Promise<Page[]> {
  const pages = [await pageOf(server, `?limit=${limit}`)];
  for (let cursor; (cursor = pages.at(-1)?.next_cursor);) {
    pages.push(await pageOf(server, `?limit=${limit}&cursor=${cursor}`));
  }
  return pages;
}

/** A worker's job, ended as said. @returns its id */
async function worked(server: TestServer, asked: object, status?: string): Promise<string> {
  const headers = { "Authorization": `Bearer ${server.key()}`, "Content-Type": "application/json" };
  const post = async (path: string, body: object) =>
    await (await server.ask(path, { method: "POST", body: JSON.stringify(body), headers })).json();
  const { id } = await post("/v1/sync/job", asked);
  if (status) await post(`/v1/sync/job/${id}/events`, { type: "end", status });
  return id;
}

const names = ({ items }: Page) => items.map(({ name }) => name);

function configured(...names: string[]): readonly ConfiguredSync[] {
  const syncs = names.map((name) => SYNC_SCHEMA.parse({ name, source: { type: "outside" } }));
  return configuredSyncs(syncs, ".").syncs;
}

/** Counts the looks at lists of jobs. */
function looks(t: TestContext): { count: number; mostInTurn: number } {
  const { list } = SqliteLog.prototype;
  const seen = { count: 0, mostInTurn: 0 };
  let before = 0;
  t.after(() => SqliteLog.prototype.list = list);
  SqliteLog.prototype.list = function (query) {
    if (seen.count === before) setImmediate(() => before = seen.count);
    seen.count++;
    seen.mostInTurn = Math.max(seen.mostInTurn, seen.count - before);
    return list.call(this, query);
  };
  return seen;
}

test("GET /v1/sync gives each sync once, in pages of any length, in the same order", async (t) => {
  const server = await testServer(t);
  const jobs: Record<string, string> = {};
  for (const sync of ["users", "slow", "pages", "docs", "orders"]) {
    jobs[sync] = await worked(server, { sync });
  }
  const whole = await pageOf(server);

  for (const limit of [1, 2, 3, 5, 6]) {
    const pages = await pagesOf(server, limit);

    assert.deepEqual(pages.flatMap(names), names(whole));
    const lengths = pages.map(({ items }) => items.length);
    assert.ok(lengths.slice(0, -1).every((length) => length === limit), `${lengths}`);
    assert.ok(lengths.at(-1)! > 0);
  }
  assert.deepEqual(names(whole), ["docs", "slow", "orders", "pages", "users"]);
  assert.equal(whole.next_cursor, null);
  for (const { id, name, last_job } of whole.items) {
    assert.deepEqual([id, last_job?.id], [usualSyncId(TENANT, name), jobs[name]]);
  }
});

test("GET /v1/sync loses no sync without a sign where syncs are configured anew between two pages", async (t) => {
  const server = await testServer(t, { syncs: configured("a", "b") });
  for (const sync of ["b", "m", "n"]) await worked(server, { sync });
  const first = await pageOf(server, "?limit=1");
  const third = await pageOf(server, "?limit=3");

  server.reload(configured("a", "b"));
  const afterA = await pageOf(server, `?cursor=${first.next_cursor}`);
  const afterM = await pageOf(server, `?cursor=${third.next_cursor}`);
  const refused: (readonly [number, string])[] = [];
  for (const now of [["a", "b", "n"], ["b", "a"], ["a"]]) { // n would be lost, b lost, b twice
    server.reload(configured(...now));
    for (const { next_cursor } of [first, third]) {
      const answer = await server.ask(`/v1/sync?cursor=${next_cursor}`);
      refused.push([answer.status, (await answer.json()).detail]);
    }
  }

  assert.deepEqual([names(first), names(third)], [["a"], ["a", "b", "m"]]);
  assert.deepEqual([names(afterA), names(afterM)], [["b", "m", "n"], ["n"]]);
  assert.deepEqual(refused.map(([status]) => status), Array(6).fill(400));
  for (const [, detail] of refused) {
    assert.match(detail, /syncs were configured anew since, or its sync is gone/);
  }
});

test("GET /v1/sync refuses a cursor that no list gave, and what it does not know", async (t) => {
  const server = await testServer(t);
  const { items: [{ id }], next_cursor } = await pageOf(server, "?limit=1");
  const given = String(next_cursor);
  const unknown = deriveSyncId(TENANT, "unknown");
  const wrong = [
    ["cursor", "x"],
    ["cursor", id],
    ["cursor", `configured.${id}`],
    ["cursor", given.replace("configured", "named")],
    ["cursor", given.replace("configured", "named").replace(id, "x")],
    ["cursor", given.replace(id, unknown)],
    ["cursor", given.replace(id, unknown).replace("configured", "named")],
    ["cursor", given.replace(id, `${id}x`)],
    ["cursor", `${given}x`],
    ["limit", "0"],
    ["limit", `${SYNCS_MAX + 1}`],
    ["page", "2"],
  ];

  for (const [name, value] of wrong) {
    const answer = await server.ask(`/v1/sync?${name}=${value}`);

    const { type, errors } = await answer.json();
    assert.deepEqual([answer.status, type], [400, "/problems/invalid-request"], `${name}=${value}`);
    assert.deepEqual(errors.map(({ parameter }: { parameter: string }) => parameter), [name]);
  }
});

test("GET /v1/sync?sync= gives the one of that id or name, of this tenant alone", async (t) => {
  const server = await testServer(t);
  await worked(server, { sync: "users" });
  const id = usualSyncId(TENANT, "users");
  const other = { headers: { Authorization: `Bearer ${server.key(["read"], "other")}` } };

  const found = await Promise.all(
    ["users", id, id.toUpperCase(), "docs", "user"].map((sync) => pageOf(server, `?sync=${sync}`)),
  );
  const theirs = await (await server.ask("/v1/sync?sync=users", other)).json();

  assert.deepEqual(found.map(names), [["users"], ["users"], ["users"], ["docs"], []]);
  assert.deepEqual(found.map(({ next_cursor }) => next_cursor), [null, null, null, null, null]);
  assert.deepEqual(theirs.items, []);
});

test("GET /v1/sync?sync= gives a sync that was renamed as the list has it", async (t) => {
  const server = await testServer(t, { syncs: configured("before") });
  await worked(server, { sync: "before" });
  const [{ id }] = configured("before");
  const renamed = SYNC_SCHEMA.parse({ id, name: "after", source: { type: "outside" } });

  server.reload(configuredSyncs([renamed], ".").syncs);
  const { items } = await pageOf(server);
  const found = await Promise.all(
    ["before", "after", id].map((sync) => pageOf(server, `?sync=${sync}`)),
  );

  assert.deepEqual(items.map(({ name }) => name), ["after"]);
  assert.deepEqual(found.map(({ items }) => items), [items, items, items]);
});

/** Has the log know of so many syncs of workers. */
function named(t: TestContext, count: number): readonly SyncRef[] {
  const all = Array.from({ length: count }, (_, n) => ({
    id: deriveSyncId(TENANT, `sync ${n}`),
    name: `sync ${n}`,
  }));
  const { registeredSyncs } = SqliteLog.prototype;
  t.after(() => SqliteLog.prototype.registeredSyncs = registeredSyncs);
  SqliteLog.prototype.registeredSyncs = (_, { id, after, limit = Infinity } = {}) => {
    if (id) return Promise.resolve(all.filter((sync) => sync.id === id));
    const from = all.findIndex((sync) => sync.id === after?.id) + 1;
    return Promise.resolve(all.slice(from, from + limit));
  };
  return all;
}

test("GET /v1/sync lets others work between a few syncs and the next", async (t) => {
  const server = await testServer(t);
  named(t, 300);
  const look = looks(t);

  await pageOf(server);

  assert.equal(look.count, 302);
  assert.ok(look.mostInTurn <= 50, `${look.mostInTurn} looks in one turn`);
});

test("GET /v1/sync says that there are more than an answer holds", async (t) => {
  const server = await testServer(t);
  const all = named(t, SYNCS_MAX + 1);

  const first = await pageOf(server);
  const second = await pageOf(server, `?cursor=${first.next_cursor}`);

  assert.deepEqual([first.items.length, second.items.length], [SYNCS_MAX, 3]);
  assert.deepEqual(names(second), all.slice(-3).map(({ name }) => name));
  assert.equal(second.next_cursor, null);
});

test("GET /v1/sync ends a page early where last jobs are long, and loses none", async (t) => {
  const server = await testServer(t);
  const meta = { long: "x".repeat(1_000_000) };
  for (let n = 10; n < 30; n++) await worked(server, { sync: `sync ${n}`, meta });

  const pages = await pagesOf(server, SYNCS_MAX);

  assert.deepEqual(pages.map(({ items }) => items.length), [2 + 17, 3]);
  assert.equal(new Set(pages.flatMap(names)).size, 22);
});

test("GET /v1/sync finds a sync's last success, without a second look where the last job is one", async (t) => {
  const server = await testServer(t);
  const completed = await worked(server, { sync: "well" }, "completed");
  await worked(server, { sync: "ill" }, "completed");
  const failed = await worked(server, { sync: "ill" }, "failed");
  await worked(server, { sync: "never" }, "failed");
  const look = looks(t);
  const counts: number[] = [];

  const found: Sync[] = [];
  for (const sync of ["well", "ill", "never", "docs"]) {
    look.count = 0;
    found.push(...(await pageOf(server, `?sync=${sync}`)).items);
    counts.push(look.count);
  }

  assert.deepEqual(found.map((sync) => sync.last_success_at !== null), [true, true, false, false]);
  assert.deepEqual(found.slice(0, 2).map(({ last_job }) => last_job?.id), [completed, failed]);
  assert.deepEqual(counts, [1, 2, 2, 1]);
});

test("a list that fails is no fault of its cursor, and the server keeps the reason to itself", async (t) => {
  const server = await testServer(t);
  const { list } = SqliteLog.prototype;
  t.after(() => SqliteLog.prototype.list = list);
  SqliteLog.prototype.list = () => Promise.reject(new Error("disk on fire"));

  for (const path of ["/v1/sync", "/v1/sync/jobs"]) {
    const answer = await server.ask(path);

    assert.equal(answer.status, 500, path);
    assert.doesNotMatch(await answer.text(), /on fire/);
  }
});
