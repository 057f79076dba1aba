import assert from "node:assert/strict";
import { test } from "node:test";
import { retryAt } from "../../../src/jobs/schedules/retry.ts";
import { schedulerBench, utc } from "../../support/scheduler_bench.ts";

const RETRIES = { retries: { max: 2, backoff: "30s" } };
const HOURLY = { schedule: { every: "1h" }, ...RETRIES };

test("a failed run is tried again as new jobs, each later than the one before, until max", async (t) => {
  const bench = schedulerBench(t, HOURLY);
  bench.work = "fails";
  const { standing, stop } = await bench.boot();
  const next = utc(standing().nextRunAtMs ?? 0);

  await bench.pass("59m");
  const after = utc(standing().nextRunAtMs ?? 0);
  await stop();

  const jobs = await bench.jobs();
  assert.deepEqual(await bench.times(), ["03-02 00:00:00", "03-02 00:00:30", "03-02 00:01:30"]);
  assert.deepEqual(jobs.map(({ attempt }) => attempt), [1, 2, 3]);
  assert.deepEqual(jobs.map(({ retryOf }) => retryOf), [null, jobs[0].id, jobs[1].id]);
  assert.deepEqual(jobs.map(({ meta }) => meta.trigger), ["schedule", "retry", "retry"]);
  assert.deepEqual([next, after], ["03-02 00:00:30", "03-02 01:00:00"]);
});

test("a try that completes is the last one", async (t) => {
  const bench = schedulerBench(t, HOURLY);
  bench.work = "fails";
  const { stop } = await bench.boot();

  bench.work = "completes";
  await bench.pass("59m");
  await stop();

  const ends = (await bench.jobs()).map(({ status }) => status);
  assert.deepEqual(ends, ["failed", "completed"]);
});

test("a run by hand is tried again with its words, and one that was cancelled is not", async (t) => {
  const bench = schedulerBench(t, RETRIES);
  bench.work = "endless";
  const { dispatcher, runByHand, stop } = await bench.boot();
  const cancelled = await runByHand();
  await dispatcher.cancel(cancelled);
  await bench.pass("5m");

  bench.work = "fails";
  const failed = await runByHand({ tags: ["urgent"], meta: { ticket: 7 } });
  bench.work = "completes";
  await bench.pass("5m");
  await stop();

  const [, , again, ...more] = await bench.jobs();
  assert.deepEqual([again.retryOf, again.attempt, again.tags], [failed.id, 2, ["urgent"]]);
  assert.deepEqual(again.meta, { ticket: 7, trigger: "retry" });
  assert.deepEqual(more, []);
});

test("a try that is owed survives a restart, and is not made sooner for it", async (t) => {
  const bench = schedulerBench(t, HOURLY);
  bench.work = "fails";
  const first = await bench.boot();
  await bench.pass("10s");
  await first.stop();

  bench.clock.advance(5_000);
  const second = await bench.boot();
  await bench.pass("15s");
  const times = await bench.times();
  await second.stop();
  bench.clock.advance(600_000);
  const third = await bench.boot("lost.json");
  await bench.pass("5m");
  await third.stop();

  assert.deepEqual(times, ["03-02 00:00:00", "03-02 00:00:30"]);
  assert.deepEqual(await bench.times(), [...times, "03-02 00:10:30"]);
  assert.deepEqual((await bench.jobs()).map(({ attempt }) => attempt), [1, 2, 3]);
});

test("a run that goes with its server is tried again when that is back", async (t) => {
  const bench = schedulerBench(t, HOURLY);
  bench.work = "endless";
  const first = await bench.boot();
  await bench.pass("1m");
  await first.stop();

  bench.work = "completes";
  const second = await bench.boot();
  await bench.pass("5m");
  await second.stop();

  const jobs = await bench.jobs();
  assert.deepEqual(jobs.map(({ status, attempt }) => [status, attempt]), [
    ["cancelled", 1],
    ["completed", 2],
  ]);
  assert.equal(jobs[1].retryOf, jobs[0].id);
});

test("a slot that comes before the try takes its place", async (t) => {
  const bench = schedulerBench(t, {
    schedule: { every: "1m" },
    retries: { max: 5, backoff: "5m" },
  });
  bench.work = "fails";
  const { stop } = await bench.boot();

  await bench.pass("6m");
  await stop();

  assert.deepEqual((await bench.jobs()).map(({ attempt }) => attempt), [1, 1, 1, 1, 1, 1, 1]);
});

test("two processes on one log try a job again once", async (t) => {
  const bench = schedulerBench(t, HOURLY);
  bench.work = "fails";
  const one = await bench.boot();
  const other = await bench.boot("other.json");

  await bench.pass("30m");
  await one.stop();
  await other.stop();

  assert.deepEqual((await bench.jobs()).map(({ attempt }) => attempt), [1, 2, 3]);
});

test("retryAt() waits twice as long each time, up to the longest wait", async (t) => {
  const bench = schedulerBench(t, RETRIES);
  bench.work = "fails";
  const { runByHand, stop } = await bench.boot();
  const { id, tenant } = await runByHand();
  const job = await bench.log.get({ id, tenant });
  await stop();
  assert.ok(job);
  const retries = { max: 9, backoffMs: 1_000, backoffMaxMs: 5_000 };
  const waits = (attempt: number, nowMs = bench.clock.now()) => {
    const atMs = retryAt({ ...job, attempt }, retries, nowMs);
    return atMs === undefined ? undefined : atMs - (job.endedAtMs ?? 0);
  };

  assert.deepEqual([1, 2, 3, 4, 9, 10].map((attempt) => waits(attempt)), [
    1_000,
    2_000,
    4_000,
    5_000,
    5_000,
    undefined,
  ]);
  // The clock was put back by no more than the wait: that is kept.
  assert.equal(waits(1, (job.endedAtMs ?? 0) - 1_000), 1_000);
  // A worker elsewhere is tried again by nobody here.
  assert.equal(retryAt({ ...job, origin: "worker" }, retries, bench.clock.now()), undefined);
  // The clock was put back a day: it does not take a day more.
  assert.equal(waits(1, bench.clock.now() - 86_400_000), -86_400_000);
});

test("a failed run is not tried again when the run that has followed it is removed", async (t) => {
  const bench = schedulerBench(t, RETRIES);
  const { standing, runByHand, stop } = await bench.boot();
  bench.work = "fails";
  const failed = await runByHand();
  bench.work = "completes";
  await bench.pass("1h");
  const [, followed] = await bench.jobs();

  await bench.log.remove(followed);
  await bench.pass("1h");
  const { nextRunAtMs } = standing();
  await stop();

  assert.notEqual(followed.id, failed.id);
  assert.deepEqual((await bench.jobs()).map(({ id }) => id), [failed.id]);
  assert.equal(nextRunAtMs, null);
});
