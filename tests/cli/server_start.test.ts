import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { basename, join } from "node:path";
import { test } from "node:test";
import { configuredSyncs, SYNC_SCHEMA } from "../../src/jobs/sync_config.ts";
import { RESERVE_BYTES } from "../../src/log/reserve.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { targetsOf } from "../support/notify_bench.ts";
import { post, workersJob } from "../support/page.ts";
import { startProgram } from "../support/program.ts";
import { testServer } from "../support/server.ts";
import { tempDirectory } from "../support/temp.ts";
import { until } from "../support/until.ts";

test("a server that cannot listen leaves nothing behind that goes on", async (t) => {
  const { port } = await testServer(t);
  const clock = new FakeClock();

  await assert.rejects(testServer(t, { port, clock }), /taken/);

  assert.equal(clock.waiting, 0);
});

test("a queue of notifications that is no database ends the start, with targets and without", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  writeFileSync(join(path, "notify.db"), "x".repeat(10_000));
  const clock = new FakeClock();
  const targets = targetsOf([{ name: "ops", type: "slack", url: "http://127.0.0.1:9/x" }]);

  for (const notify of [() => targets, () => []]) {
    const options = { data: path, clock, notify, syncs: [] };
    await assert.rejects(testServer(t, options), /notify\.db.*not a SQLite/);
  }

  assert.equal(clock.waiting, 0);
});

test("a server that nobody has asked for anything stops at once, and leaves nothing that goes on", async (t) => {
  const clock = new FakeClock();
  const { stop } = await testServer(t, { clock, syncs: [], resident: true });

  await stop();

  assert.equal(clock.waiting, 0);
});

test("a server without syncs does what it does by itself also before anybody has asked for anything, until it stops", async (t) => {
  const clock = new FakeClock();
  const { stop } = await testServer(t, { clock, syncs: [], resident: true });

  await until(() => clock.waiting === 3); // leases, retention, schedules
  await stop();

  assert.equal(clock.waiting, 0);
});

test("a limit of 0 is none: retention leaves what there is", async (t) => {
  const clock = new FakeClock();
  const server = await testServer(t, {
    clock,
    syncs: [],
    resident: true,
    retentionAge: "0",
    retentionEntries: 0,
    retentionBytes: "0",
  });
  await until(() => clock.waiting === 3); // leases, retention, schedules
  const { id, tell } = await workersJob(server);
  const line = { type: "log", message: "kept" };
  await tell(line, line, { type: "end", status: "completed" });

  clock.advance(60_000);
  await until(() => clock.waiting === 3);

  const log = await server.ask(`/v1/sync/job/${id}/logs`);
  assert.deepEqual([log.status, (await log.text()).match(/kept/g)?.length], [200, 2]);
});

test("syncs that a reload brings are there, also before anybody has asked for anything", async (t) => {
  const server = await testServer(t, { syncs: [], resident: true });
  const { syncs } = configuredSyncs([
    SYNC_SCHEMA.parse({ name: "brought", source: { type: "outside" } }),
  ], server.temp);

  await server.reload(syncs);

  const { items } = await (await server.ask("/v1/sync")).json();
  assert.deepEqual(items.map(({ name }: { name: string }) => name), ["brought"]);
});

test("a sync of the files around the data directory leaves the server's own out", async (t) => {
  const server = await testServer(t, { syncs: [] });
  const { syncs } = configuredSyncs([
    SYNC_SCHEMA.parse({
      name: "around",
      source: { type: "directory", path: "." },
      destination: { type: "sqlite", path: "around.db" },
    }),
  ], server.temp);
  await server.reload(syncs);

  const { id } = await post(server, "/v1/sync/around/run");
  await (await server.ask(`/v1/sync/job/${id}/subscribe`)).text();

  const job = await (await server.ask(`/v1/sync/job/${id}`)).json();
  const files = readdirSync(server.temp, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /^(tree|slow)$/.test(basename(entry.parentPath)));
  assert.deepEqual([job.status, job.entities_inserted], ["completed", files.length]);
});

test("a server listens to the Redis that a reload brings", async (t) => {
  const redis = createServer((socket) => void socket.on("error", () => {}).resume());
  redis.listen(0, "127.0.0.1");
  await once(redis, "listening");
  t.after(() => void redis.close());
  const { port } = redis.address() as AddressInfo; // it listens on TCP
  const server = await testServer(t, { syncs: [], resident: true });
  const source = { type: "redis_pubsub", url: `redis://127.0.0.1:${port}`, pattern: "a:*" };
  const { syncs } = configuredSyncs([SYNC_SCHEMA.parse({ name: "fed", source })], server.temp);
  const connected = once(redis, "connection");
  await (await server.ask("/v1/sync")).text(); // all that a server does by itself has begun

  await server.reload(syncs);

  await connected;
  await server.stop();
});

test("a log is begun where a link leads, with the permissions that Deno gives, and room is kept for a start on both disks", async (t) => {
  const { path: data, remove } = tempDirectory();
  t.after(remove);
  const elsewhere = tempDirectory();
  t.after(elsewhere.remove);
  const log = join(elsewhere.path, "big.db");
  symlinkSync(log, join(data, "log.db"));

  const { stop } = await startProgram(t, { args: ["serve"], data });

  assert.equal(await stop("SIGTERM"), 0);
  assert.equal(statSync(log).mode & 0o777, 0o600);
  const reserves = [log, join(data, "log.db")].map((file) => statSync(`${file}.reserve`).size);
  assert.deepEqual(reserves, [RESERVE_BYTES, RESERVE_BYTES]);
});
