/** What becomes of what waits when the clock is set. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AGE_MAX_MS, DeliveryStore } from "../../../src/jobs/notify/delivery_store.ts";
import { bench, FAILED, storeBench } from "../../support/delivery_bench.ts";
import { begun, ended, jobOf, turns } from "../../support/notify_bench.ts";

const DAY_MS = 24 * 3_600_000;

test("a clock that is put back keeps no target waiting for the day that it was ahead", async (t) => {
  const { to, clock, start } = await bench(t, [500]);
  const { run, tried, done } = await start();
  await run(jobOf("docs"), FAILED);
  await tried(1);

  clock.set(clock.now() - DAY_MS);
  clock.advance(5_000);
  await done(1);
  await run(jobOf("mail"), FAILED);
  await done(2);

  assert.equal(to.taken.length, 3);
});

test("a clock that is put back keeps no message waiting for longer than it was to wait", async (t) => {
  const { clock, start } = await bench(t, [500]);
  const { run, tried, done, deliveries } = await start();
  await run(jobOf("docs"), FAILED);
  await tried(1);

  clock.set(clock.now() - 50 * 60_000);
  clock.advance(4_999);
  await turns();
  const early = deliveries();
  clock.advance(1);
  await done(1);

  assert.deepEqual([early, deliveries()], [
    ["failed waiting HTTP 500"],
    ["failed delivered HTTP 200"],
  ]);
});

test("a try that fails by a clock that was set meanwhile is followed by the next in its time", async (t) => {
  const { to, clock, start } = await bench(t);
  to.answer = (_, response) => {
    if (to.taken.length === 1) clock.set(clock.now() + 30 * 60_000);
    response.statusCode = to.taken.length === 1 ? 500 : 200;
    response.end();
  };
  const { run, tried, done, deliveries } = await start();
  await run(jobOf("docs"), FAILED);
  await tried(1);

  clock.advance(5_000);
  await done(1);

  assert.deepEqual(deliveries(), ["failed delivered HTTP 200"]);
});

test("a target that came by a clock that was ahead is told as soon as that is put back", async (t) => {
  const { clock, start } = await bench(t);
  clock.set(clock.now() + DAY_MS);
  const { run, done, deliveries } = await start();

  clock.set(clock.now() - DAY_MS);
  await run(jobOf("docs"), FAILED);
  await done(1);

  assert.deepEqual(deliveries(), ["failed delivered HTTP 200"]);
});

test("a clock that is set ahead makes nothing that waits too old to be sent", async (t) => {
  const { clock, start } = await bench(t, [503]);
  const { run, tried, done, deliveries } = await start();
  await run(jobOf("docs"), FAILED);
  await tried(1);

  clock.set(clock.now() + 3 * DAY_MS);
  await run(jobOf("mail"), FAILED);
  clock.advance(5_000);
  await done(2);

  assert.deepEqual(deliveries(), ["failed delivered HTTP 200", "failed delivered HTTP 200"]);
});

for (const setMs of [3 * DAY_MS, -DAY_MS]) {
  test(`what waits is a day old after a day, also where the clock was set by ${setMs} ms`, (t) => {
    const { clock, store, add } = storeBench(t);
    add();
    clock.set(clock.now() + setMs);
    add();
    store.expire();

    clock.advance(AGE_MAX_MS);
    const early = store.expire();
    clock.advance(1);

    assert.deepEqual([early, store.expire()], [0, 2]);
  });
}

test("a clock that is set leaves alone when something was queued that is done with", (t) => {
  const { clock, store, add } = storeBench(t);
  const queuedAtMs = clock.now();
  add();
  store.done(store.next("ops")?.pk ?? 0, "delivered", "HTTP 200");

  clock.set(clock.now() + DAY_MS);
  store.expire();

  assert.equal(store.list({ limit: 1 }).items[0].createdAtMs, queuedAtMs);
});

test("what an earlier process has queued is as old as the clock says", (t) => {
  const { clock, store, add, path } = storeBench(t);
  add();
  add();
  const next = new DeliveryStore(path, clock, "normal");
  t.after(() => next.close());
  add();

  clock.set(clock.now() + AGE_MAX_MS + 1);

  assert.deepEqual([next.expire(), store.list({ limit: 9 }).items.map(({ state }) => state)], [
    2,
    ["waiting", "given_up", "given_up"],
  ]);
});

test("what ended while no server ran is told, also where the clock was put back meanwhile", async (t) => {
  const { clock, memory, start } = await bench(t);
  clock.set(clock.now() + DAY_MS);
  const before = await start();
  const job = jobOf("docs");
  await begun(before.log, job);
  await before.stop();

  clock.set(clock.now() - DAY_MS);
  await ended(memory, job, FAILED);
  const { done, deliveries } = await start();
  await done(1);

  assert.deepEqual(deliveries(), ["failed delivered HTTP 200"]);
});

test("what ended after a kill is told, also where the clock was put back before it", async (t) => {
  const { clock, memory, start } = await bench(t);
  clock.set(clock.now() + DAY_MS);
  const before = await start();
  clock.set(clock.now() - DAY_MS);
  const job = jobOf("docs");
  await begun(before.log, job);
  await turns();
  await before.stop();

  await ended(memory, job, FAILED);
  clock.advance(5_000);
  const { done, deliveries } = await start();
  await done(1);

  assert.deepEqual(deliveries(), ["failed delivered HTTP 200"]);
});
