import assert from "node:assert/strict";
import { test } from "node:test";
import { told } from "../../../src/jobs/schedules/expectations.ts";
import type { SyncNote } from "../../../src/jobs/schedules/remembered.ts";
import { freshJob } from "../../../src/log/fold.ts";
import type { Job } from "../../../src/sync/job.ts";
import { newJob } from "../../support/log_contract.ts";
import { schedulerBench, syncsOf, utc } from "../../support/scheduler_bench.ts";
import { serverLog } from "../../support/server_log.ts";

const OUTSIDE = { source: { type: "outside" } };
const DAILY = { ...OUTSIDE, expect: { every: "24h", grace: "1h" } };

test("a sync that was never heard of is overdue after its time and grace, once", async (t) => {
  const lines = await serverLog(t, "schedules");
  const bench = schedulerBench(t, DAILY);
  const { standing, stop } = await bench.boot();

  await bench.pass("1490m");
  const before = standing();
  await bench.pass("1h");
  const after = standing();
  await stop();

  assert.equal(utc(before.expectedAtMs ?? 0), "03-03 00:00:00");
  assert.deepEqual([before.overdue, after.overdue, after.expectedAtMs], [
    false,
    true,
    before.expectedAtMs,
  ]);
  const told = bench.occurrences.map(({ kind, sync, job, atMs }) => [
    kind,
    sync?.name,
    job,
    utc(atMs),
  ]);
  assert.deepEqual(told, [["overdue", "docs", undefined, "03-03 01:00:00"]]);
  const detail = "a start was expected by 2026-03-03T00:00:00.000Z; it has not started yet";
  assert.equal(bench.occurrences[0].detail, detail);
  assert.deepEqual(lines, [`warning: docs is overdue: ${detail}`]);
});

test("a start ends the episode, and the next one is told again", async (t) => {
  const bench = schedulerBench(t, DAILY);
  const { standing, stop } = await bench.boot();
  await bench.workerStarts();
  await bench.pass("26h");

  const late = await bench.workerStarts();
  await bench.pass("10s");
  const { overdue, expectedAtMs } = standing();
  await bench.pass("26h");
  await stop();

  const told = bench.occurrences.map(({ kind, job, atMs }) => [kind, job?.id, utc(atMs)]);
  assert.deepEqual(told, [
    ["overdue", undefined, "03-03 01:00:00"],
    ["recovered", late.id, "03-03 02:00:10"],
    ["overdue", undefined, "03-04 03:00:00"],
  ]);
  assert.deepEqual([overdue, utc(expectedAtMs ?? 0)], [false, "03-04 02:00:00"]);
  assert.equal(bench.occurrences[1].detail, "its overdue run has begun");
  assert.equal(
    bench.occurrences[2].detail,
    "a start was expected by 2026-03-04T02:00:00.000Z; " +
      "its last start was at 2026-03-03T02:00:00.000Z",
  );
});

test("an overdue sync whose late run has failed already is not called well again", async (t) => {
  const bench = schedulerBench(t, { expect: { every: "24h" } });
  const { runByHand, standing, stop } = await bench.boot();
  await bench.pass("26h");

  bench.work = "fails";
  await runByHand();
  await bench.pass("10s");
  const { overdue } = standing();
  await bench.pass("26h");
  bench.work = "completes";
  await runByHand();
  await bench.pass("10s");
  await stop();

  assert.equal(overdue, false);
  assert.deepEqual(bench.occurrences.map(({ kind }) => kind), ["overdue", "overdue", "recovered"]);
});

test("what nobody could take in is told again, until somebody does", async (t) => {
  const lines = await serverLog(t, "schedules");
  const bench = schedulerBench(t, DAILY);
  const { tell } = bench;
  const locked = () => {
    throw new Error("database is locked");
  };
  const { stop } = await bench.boot();

  bench.tell = locked;
  await bench.pass("26h");
  bench.tell = tell;
  await bench.pass("1m");
  bench.tell = locked;
  await bench.workerStarts();
  await bench.pass("1m");
  bench.tell = tell;
  await bench.pass("1m");
  await stop();

  const told = bench.occurrences.map(({ kind, atMs }) => [kind, utc(atMs)]);
  assert.deepEqual(told, [
    ["overdue", "03-03 02:00:10"],
    ["recovered", "03-03 02:02:10"],
  ]);
  assert.deepEqual(lines.map((line) => line.slice(0, line.indexOf(":"))), ["warning", "info"]);
  assert.deepEqual(bench.faults.map(String), [
    "Error: database is locked",
    "Error: database is locked",
  ]);
});

test("an episode has one occasion, also over a restart that lost the note of it", async (t) => {
  const bench = schedulerBench(t, DAILY);
  const first = await bench.boot("gone/schedules.json");
  await bench.workerStarts();
  await bench.pass("26h");
  await first.stop();

  const second = await bench.boot("gone/schedules.json");
  await bench.workerStarts();
  await bench.pass("26h");
  await second.stop();

  const told = bench.occurrences.filter(({ kind }) => kind === "overdue");
  assert.deepEqual(told.map(({ occasion }) => utc(occasion ?? 0)), [
    "03-03 01:00:00",
    "03-03 01:00:00",
    "03-04 03:00:00",
  ]);
});

test("an episode that a longer deadline ended is another one when that is taken back", async (t) => {
  const bench = schedulerBench(t, DAILY);
  const { reload, stop } = await bench.boot();
  await bench.pass("26h");

  await reload({ ...OUTSIDE, expect: { every: "48h" } });
  await bench.pass("10s");
  await reload(DAILY);
  await stop();

  assert.deepEqual(bench.occurrences.map(({ kind }) => kind), ["overdue", "recovered", "overdue"]);
  const [first, , second] = bench.occurrences;
  assert.deepEqual([first, second].map(({ occasion }) => utc(occasion ?? 0)), [
    "03-03 01:00:00",
    "03-03 02:00:00",
  ]);
});

test("standing() knows of a start before the next look does", async (t) => {
  const bench = schedulerBench(t, DAILY);
  const { scheduler, standing, stop } = await bench.boot();
  await bench.pass("26h");
  const job = await bench.workerStarts();

  const [stale] = scheduler.standings();
  const fresh = scheduler.standing(syncsOf(DAILY)[0], job);
  await stop();

  assert.deepEqual([stale.overdue, fresh.overdue, standing().overdue], [true, false, true]);
});

test("an episode that was told is not told again after a restart, and ends after it", async (t) => {
  const bench = schedulerBench(t, DAILY);
  const first = await bench.boot();
  await bench.pass("26h");
  await first.stop();

  bench.clock.advance(3_600_000);
  const second = await bench.boot();
  await bench.pass("1m");
  await second.stop();
  await bench.workerStarts();
  const third = await bench.boot();
  await third.stop();

  assert.deepEqual(bench.occurrences.map(({ kind }) => kind), ["overdue", "recovered"]);
});

test("an episode after a run that came while no server looked is told, too", async (t) => {
  const bench = schedulerBench(t, DAILY);
  const first = await bench.boot();
  await bench.pass("26h");
  await first.stop();
  await bench.workerStarts();

  bench.clock.advance(26 * 3_600_000);
  const second = await bench.boot();
  await bench.pass("1m");
  await second.stop();
  const third = await bench.boot();
  await third.stop();

  assert.deepEqual(bench.occurrences.map(({ kind, detail }) => [kind, detail]), [
    ["overdue", "a start was expected by 2026-03-03T00:00:00.000Z; it has not started yet"],
    [
      "overdue",
      "a start was expected by 2026-03-04T02:00:00.000Z; " +
      "its last start was at 2026-03-03T02:00:00.000Z",
    ],
  ]);
});

test("since when a sync is overdue is noted once, and anew once another start was missed", () => {
  const [sync] = syncsOf(DAILY);
  const HOUR_MS = 3_600_000;
  const expect = { everyMs: 24 * HOUR_MS, graceMs: HOUR_MS };
  const look = (note: SyncNote, hours: number, last?: Job) =>
    told(sync, { expect, note, last, nowMs: hours * HOUR_MS }, () => {}).note;

  const first = look({ firstSeenMs: 0 }, 25);
  const second = look(first, 26);
  const missed = { ...freshJob(newJob()), createdAtMs: 30 * HOUR_MS };
  const third = look(second, 60, missed);

  assert.equal(first.overdueMs, 25 * HOUR_MS);
  assert.deepEqual(second, first);
  assert.equal(third.overdueMs, 60 * HOUR_MS);
});

test("the time since the sync was first known of goes on over a restart", async (t) => {
  const bench = schedulerBench(t, DAILY);
  const first = await bench.boot();
  await first.stop();

  bench.clock.advance(25 * 3_600_000);
  const second = await bench.boot();
  await second.stop();

  assert.deepEqual(bench.occurrences.map(({ kind }) => kind), ["overdue"]);
});

test("a last start that retention has removed still counts", async (t) => {
  const bench = schedulerBench(t, DAILY);
  const first = await bench.boot();
  await bench.pass("20h");
  const job = await bench.workerStarts();
  await bench.pass("1m");
  await bench.log.remove(job);
  await first.stop();

  bench.clock.advance(23 * 3_600_000);
  const second = await bench.boot();
  await second.stop();

  assert.deepEqual(bench.occurrences, []);
});

test("a last start counts on when its job is removed, or a backup without it is restored", async (t) => {
  const bench = schedulerBench(t, DAILY);
  const { standing, stop } = await bench.boot();
  await bench.workerStarts();
  await bench.pass("20h");
  const last = await bench.workerStarts();
  await bench.pass("10h");

  await bench.log.remove(last);
  await bench.pass("1m");
  const { overdue, expectedAtMs } = standing();
  await stop();

  assert.deepEqual(bench.occurrences, []);
  assert.deepEqual([overdue, expectedAtMs], [false, last.createdAtMs + 24 * 3_600_000]);
});

test("a scheduled sync is not overdue at a start that makes up for its run", async (t) => {
  const bench = schedulerBench(t, {
    schedule: { every: "24h" },
    expect: { every: "24h", grace: "1h" },
  });
  const first = await bench.boot();
  await first.stop();

  bench.clock.advance(3 * 86_400_000);
  const second = await bench.boot();
  await second.stop();

  assert.equal((await bench.jobs()).length, 2);
  assert.deepEqual(bench.occurrences, []);
});

test("a clock that was put back leaves no sync waited for in vain", async (t) => {
  const bench = schedulerBench(t, DAILY);
  bench.clock.set(Date.parse("2036-03-02T00:00:00Z"));
  const ahead = await bench.boot();
  await bench.workerStarts();
  await bench.pass("1m");
  bench.clock.set(Date.parse("2026-03-02T00:00:00Z"));
  await bench.pass("26h");
  await ahead.stop();

  assert.deepEqual(bench.occurrences.map(({ kind, atMs }) => [kind, utc(atMs)]), [
    ["overdue", "03-03 01:00:30"],
  ]);
});

test("a clock that begins in 1970 makes nobody overdue, and nobody well", async (t) => {
  const idle = { ...DAILY, name: "idle" };
  const bench = schedulerBench(t, DAILY, idle);
  const before = await bench.boot();
  await bench.pass("26h");
  await bench.workerStarts();
  await bench.pass("1m");
  await before.stop();
  const told = bench.occurrences.length;

  const offMs = bench.clock.now() + 3_600_000;
  bench.clock.set(5_000);
  const after = await bench.boot();
  await bench.pass("1m");
  bench.clock.set(offMs);
  await bench.pass("1h");
  const { overdue, expectedAtMs } = after.standing();
  await after.stop();

  assert.deepEqual(
    bench.occurrences.map(({ kind, sync }) => `${kind} ${sync?.name}`),
    ["overdue docs", "overdue idle", "recovered docs"],
  );
  assert.equal(told, 3);
  assert.deepEqual([overdue, utc(expectedAtMs ?? 0)], [false, "03-04 02:00:00"]);
});

test("what begins by a clock of 1970 counts from when that is set", async (t) => {
  const fresh = { ...DAILY, name: "fresh" };
  const bench = schedulerBench(t, DAILY);
  const before = await bench.boot();
  await bench.workerStarts();
  await bench.pass("20h");
  await before.stop();
  const offMs = bench.clock.now() + 3_600_000;

  bench.clock.set(5_000);
  const after = await bench.boot();
  await after.reload(DAILY, fresh);
  await bench.workerStarts();
  await bench.pass("1m");
  bench.clock.set(offMs);
  await bench.pass("20h"); // it is seen within 30 s
  const due = [0, 1].map((index) => utc(after.standing(index).expectedAtMs ?? 0));
  await after.stop();

  assert.deepEqual(bench.occurrences, []);
  assert.deepEqual(due, Array(2).fill("03-03 21:00:30"));
});

test("what is overdue by a clock of 1970 is not called well again as that is set", async (t) => {
  const bench = schedulerBench(t, DAILY);
  bench.clock.set(5_000);
  const { stop } = await bench.boot();
  await bench.pass("26h");
  bench.clock.set(Date.UTC(2026, 2, 2));
  await bench.pass("1m");
  await bench.workerStarts();
  await bench.pass("1m");
  await stop();

  const told = bench.occurrences.map(({ kind, job }) => [kind, job !== undefined]);
  assert.deepEqual(told, [["overdue", false], ["recovered", true]]);
});

test("a longer deadline ends an episode without a job", async (t) => {
  const bench = schedulerBench(t, DAILY);
  const { reload, stop } = await bench.boot();
  await bench.pass("26h");

  await reload({ ...OUTSIDE, expect: { every: "7d" } });
  await stop();

  const told = bench.occurrences.map(({ kind, job }) => [kind, job]);
  assert.deepEqual(told, [["overdue", undefined], ["recovered", undefined]]);
  assert.equal(bench.occurrences[1].detail, "it is no longer overdue");
});

test("an overdue sync is looked at every five seconds, and no more often", async (t) => {
  const bench = schedulerBench(t, DAILY);
  const { stop } = await bench.boot();
  await bench.pass("26h");
  const list = bench.log.list.bind(bench.log);
  let looks = 0;
  bench.log.list = (query) => {
    looks++;
    return list(query);
  };

  for (let second = 0; second < 60; second++) await bench.pass("1s");
  await stop();

  assert.equal(looks, 12);
});
