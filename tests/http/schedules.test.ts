import assert from "node:assert/strict";
import { test } from "node:test";
import { configuredSyncs, SYNC_SCHEMA } from "../../src/jobs/sync_config.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { targetsOf } from "../support/notify_bench.ts";
import { testServer } from "../support/server.ts";
import { tempDirectory } from "../support/temp.ts";

test("GET /v1/sync tells schedules, expectations and successes, and nulls where there are none", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const clock = new FakeClock();
  clock.set(Date.parse("2026-03-02T00:00:00Z"));
  const syncs = [
    {
      name: "nightly",
      source: { type: "directory", path: "." },
      destination: { type: "sqlite", path: "nightly.db" },
      schedule: { cron: "0 3 * * *", time_zone: "Europe/Berlin" },
    },
    { name: "users", source: { type: "outside" }, expect: { every: "24h", grace: "1h" } },
  ].map((sync) => SYNC_SCHEMA.parse(sync));
  const targets = targetsOf([
    { name: "ops", type: "slack", url: "http://127.0.0.1:9/x", on: ["overdue", "recovered"] },
  ]);
  const server = await testServer(t, {
    clock,
    resident: true,
    syncs: configuredSyncs(syncs, path).syncs,
    notify: () => targets,
  });
  const standing = async () => {
    const { items } = await (await server.ask("/v1/sync")).json();
    return items.map(({ id: _, last_job: __, ...fields }: Record<string, unknown>) => fields);
  };
  const none = { skipped_runs: 0, last_skip: null, last_success_at: null };
  const nightly = {
    ...none,
    name: "nightly",
    source: "directory",
    destination: "sqlite",
    runnable: true,
    schedule: "0 3 * * * Europe/Berlin",
    next_run_at: "2026-03-02T02:00:00.000Z",
    expected_at: null,
    overdue: false,
  };
  const users = {
    ...none,
    name: "users",
    source: "outside",
    destination: null,
    runnable: false,
    schedule: null,
    next_run_at: null,
    expected_at: "2026-03-03T00:00:00.000Z",
    overdue: false,
  };

  const first = await standing();
  clock.set(Date.parse("2026-03-03T01:00:00Z")); // No timer has noticed: only the answer has.
  const late = await standing();
  const body = JSON.stringify({ sync: "users" });
  const post = async (path: string, body: string) =>
    await (await server.ask(`/v1/sync/job${path}`, {
      method: "POST",
      headers: {
        Authorization: `Bearer ${server.key()}`,
        "Content-Type": "application/json",
      },
      body,
    })).json();
  const { id } = await post("", body);
  await post(`/${id}/events`, '{"type": "end", "status": "completed"}');
  const well = await standing();
  const run = await server.ask("/v1/sync/users/run", {
    method: "POST",
    headers: { Authorization: `Bearer ${server.key()}` },
  });

  assert.deepEqual(first, [nightly, users]);
  assert.deepEqual(late[1], { ...users, overdue: true });
  assert.deepEqual(well[1], {
    ...users,
    expected_at: "2026-03-04T01:00:00.000Z",
    last_success_at: "2026-03-03T01:00:00.000Z",
  });
  assert.equal(run.status, 409);
  assert.match((await run.json()).detail, /a source of type outside/);
  const { items: deliveries } = await (await server.ask("/v1/notify/deliveries")).json();
  assert.deepEqual(deliveries, []);
});

test("a server without schedules, as of one run, starts nothing by itself", async (t) => {
  const clock = new FakeClock();
  const sync = SYNC_SCHEMA.parse({
    name: "docs",
    source: { type: "directory", path: "." },
    destination: { type: "sqlite", path: "docs.db" },
    schedule: { every: "1s" },
  });
  const { path, remove } = tempDirectory();
  t.after(remove);
  const server = await testServer(t, { clock, syncs: configuredSyncs([sync], path).syncs });

  server.reload(configuredSyncs([sync], path).syncs);
  clock.advance(60_000);
  const { items } = await (await server.ask("/v1/sync/jobs")).json();
  const [{ schedule, next_run_at }] = (await (await server.ask("/v1/sync")).json()).items;

  assert.deepEqual([items, schedule, next_run_at], [[], "every 1s", null]);
});
