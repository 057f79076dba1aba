import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers";
import { schedulerBench, utc } from "../../support/scheduler_bench.ts";
import { serverLog } from "../../support/server_log.ts";
import { turns } from "../../support/notify_bench.ts";

const QUARTER = { schedule: { every: "15m" } };
const NIGHTLY = { schedule: { cron: "30 2 * * *", time_zone: "Europe/Berlin" } };

test("every starts at once, and then counts from the last run's start", async (t) => {
  const bench = schedulerBench(t, QUARTER);
  const { stop, standing } = await bench.boot();

  await bench.pass("31m");
  const [first] = await bench.jobs();
  await stop();

  assert.deepEqual(await bench.times(), ["03-02 00:00:00", "03-02 00:15:00", "03-02 00:30:00"]);
  assert.deepEqual(first.meta, { trigger: "schedule", schedule: "every 15m" });
  assert.equal(standing().schedule, "every 15m");
  assert.equal(utc(standing().nextRunAtMs ?? 0), "03-02 00:45:00");
  assert.equal(bench.clock.waiting, 0);
});

test("a look at many syncs lets others work in between", async (t) => {
  const syncs = Array.from({ length: 10 }, (_, n) => ({
    name: `sync-${n}`,
    source: { type: "outside" },
    expect: { every: "24h", grace: "1h" },
  }));
  const bench = schedulerBench(t, ...syncs);
  const { scheduler, stop } = await bench.boot();
  const list = bench.log.list.bind(bench.log);
  let turn = 0;
  const looks: number[] = []; // at each sync, by the turn of the event loop
  bench.log.list = (query) => {
    looks.push(turn);
    bench.clock.advance(8); // a slow disk
    return list(query);
  };

  scheduler.look();
  while (looks.length < syncs.length) {
    await new Promise(setImmediate);
    turn++;
  }
  await stop();

  assert.equal(new Set(looks).size, syncs.length);
});

test("look() is followed by a look, at whatever moment of another one it comes", async (t) => {
  const bench = schedulerBench(t, { expect: { every: "24h", grace: "1h" } });
  const { scheduler, stop } = await bench.boot();
  const list = bench.log.list.bind(bench.log);
  let looks = 0;
  bench.log.list = (query) => {
    looks++;
    return list(query);
  };
  const unseen: number[] = [];

  for (let ticks = 0; ticks < 60; ticks++) {
    scheduler.look();
    for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
    const before = looks;
    scheduler.look();
    await turns();
    if (looks === before) unseen.push(ticks);
  }
  await stop();

  assert.deepEqual(unseen, []);
});

test("every counts from the moment that the job tells, whatever passes meanwhile", async (t) => {
  const bench = schedulerBench(t, QUARTER);
  const now = bench.clock.now.bind(bench.clock);
  bench.clock.now = () => {
    bench.clock.set(now() + 1);
    return now();
  };

  const { standing, stop } = await bench.boot();
  await stop();

  const [job] = await bench.jobs();
  assert.equal(standing().nextRunAtMs, job.createdAtMs + 900_000);
});

test("every goes on after a restart where it was, also when only the log is left", async (t) => {
  const bench = schedulerBench(t, QUARTER);
  const first = await bench.boot();
  await bench.pass("5m");
  await first.stop();

  bench.clock.advance(4 * 60_000);
  const second = await bench.boot();
  await bench.pass("7m");
  await second.stop();
  const third = await bench.boot("lost.json");
  await bench.pass("15m");
  await third.stop();

  assert.deepEqual(await bench.times(), ["03-02 00:00:00", "03-02 00:15:00", "03-02 00:30:00"]);
  assert.deepEqual((await bench.jobs()).filter(({ meta }) => "missed_runs" in meta), []);
});

test("runs by hand do not put off the schedule", async (t) => {
  const bench = schedulerBench(t, QUARTER);
  const { runByHand, stop } = await bench.boot();

  await bench.pass("10m");
  await runByHand();
  await bench.pass("6m");
  await stop();

  assert.deepEqual(await bench.times(), ["03-02 00:00:00", "03-02 00:10:00", "03-02 00:15:00"]);
});

test("runs by hand before a restart do not put off the schedule either", async (t) => {
  const bench = schedulerBench(t, QUARTER);
  const first = await bench.boot();
  await bench.pass("5m");
  await first.runByHand();
  await first.stop();

  const second = await bench.boot();
  await bench.pass("11m");
  await second.stop();

  assert.deepEqual(await bench.times(), ["03-02 00:00:00", "03-02 00:05:00", "03-02 00:15:00"]);
});

for (
  const [what, from, slots] of [
    // Berlin's 03:00, as there is no 02:30, and then its 02:30.
    ["has no such hour", "2026-03-28T20:00:00Z", ["03-29 01:00:00", "03-30 00:30:00"]],
    // 02:30 of summer, and then 02:30 of winter.
    ["has that hour twice", "2026-10-24T20:00:00Z", ["10-25 00:30:00", "10-26 01:30:00"]],
  ] as const
) {
  test(`a cron line runs once in the night that ${what}`, async (t) => {
    const bench = schedulerBench(t, NIGHTLY);
    bench.clock.set(Date.parse(from));
    const { stop } = await bench.boot();

    await bench.pass("30h");
    await stop();

    assert.deepEqual(await bench.times(), slots);
  });
}

test("runs that were missed are told once and made up for by one", async (t) => {
  const lines = await serverLog(t, "schedules");
  const bench = schedulerBench(t, { schedule: { every: "1h" } });
  const before = await bench.boot();
  await before.stop();

  bench.clock.advance(5.5 * 3_600_000);
  const after = await bench.boot();
  await bench.pass("61m");
  await after.stop();
  const again = await bench.boot();
  await bench.pass("1m");
  await again.stop();

  assert.deepEqual(await bench.times(), ["03-02 00:00:00", "03-02 05:30:00", "03-02 06:30:00"]);
  const [, late, next] = await bench.jobs();
  assert.deepEqual(late.meta, {
    trigger: "schedule",
    schedule: "every 1h",
    missed_runs: 5,
    missed_since: "2026-03-02T01:00:00.000Z",
  });
  assert.equal("missed_runs" in next.meta, false);
  assert.deepEqual(lines, [
    "warning: docs: missed 5 runs since 2026-03-02T01:00:00.000Z; " +
    `job ${late.id} makes up for them`,
  ]);
});

test("a single run that was missed is told as one", async (t) => {
  const lines = await serverLog(t, "schedules");
  const bench = schedulerBench(t, { schedule: { every: "1h" } });
  await (await bench.boot()).stop();

  bench.clock.advance(1.5 * 3_600_000);
  await (await bench.boot()).stop();

  const [, late] = await bench.jobs();
  const missed = "missed 1 run since 2026-03-02T01:00:00.000Z";
  assert.deepEqual(lines, [`warning: docs: ${missed}; job ${late.id} makes up for it`]);
});

for (const file of ["schedules.json", "lost.json"]) {
  test(`missed nights are counted when ${file} is what is left`, async (t) => {
    const bench = schedulerBench(t, NIGHTLY);
    bench.clock.set(Date.parse("2026-03-02T01:00:00Z"));
    const before = await bench.boot();
    await bench.pass("1h");
    await before.stop();

    bench.clock.set(Date.parse("2026-03-05T12:00:00Z"));
    const after = await bench.boot(file);
    await after.stop();

    assert.deepEqual(await bench.times(), ["03-02 01:30:00", "03-05 12:00:00"]);
    const { missed_runs, missed_since } = (await bench.jobs())[1].meta;
    assert.deepEqual([missed_runs, missed_since], [3, "2026-03-03T01:30:00.000Z"]);
  });
}

test("a first run that was missed is made up for, though no job tells of the schedule", async (t) => {
  const bench = schedulerBench(t, NIGHTLY);
  const before = await bench.boot();
  await before.stop();

  bench.clock.advance(8 * 3_600_000);
  const after = await bench.boot();
  await after.stop();

  assert.deepEqual((await bench.jobs()).map(({ meta }) => meta.missed_runs), [1]);
});

test("a run is skipped while the one before is on its way, and that is told", async (t) => {
  const lines = await serverLog(t, "schedules");
  const bench = schedulerBench(t, QUARTER);
  bench.work = "endless";
  const { dispatcher, standing, stop } = await bench.boot();
  const [running] = await bench.jobs();

  await bench.pass("31m");
  const { skippedRuns, lastSkip } = standing();
  bench.work = "completes";
  await dispatcher.cancel(running);
  await bench.pass("20m");
  await stop();

  assert.equal(skippedRuns, 2);
  assert.deepEqual([utc(lastSkip?.atMs ?? 0), lastSkip?.jobId], ["03-02 00:30:00", running.id]);
  assert.deepEqual(lines, [
    `warning: docs: skipped a run, as job ${running.id} is on its way still`,
  ]);
  assert.deepEqual(await bench.times(), ["03-02 00:00:00", "03-02 00:45:00"]);
  assert.equal("missed_runs" in (await bench.jobs())[1].meta, false);
});

test("skipped runs are not missed ones after a restart", async (t) => {
  const bench = schedulerBench(t, QUARTER);
  bench.work = "endless";
  const before = await bench.boot();
  await bench.pass("31m");
  await before.stop();

  const after = await bench.boot();
  await after.stop();

  assert.deepEqual(await bench.times(), ["03-02 00:00:00"]);
});

test("a reload takes new schedules at once, and misses nothing of what was not in force", async (t) => {
  const bench = schedulerBench(t, { schedule: { every: "6h" } });
  const { reload, standing, stop } = await bench.boot();
  await bench.pass("1h");

  await reload({ schedule: { cron: "30 0 * * *" } });
  const next = utc(standing().nextRunAtMs ?? 0);
  await reload(QUARTER);
  await bench.pass("16m");
  await reload({});
  await bench.pass("16m");
  const { schedule, nextRunAtMs } = standing();
  await reload(NIGHTLY);
  await stop();

  assert.equal(next, "03-03 00:30:00");
  assert.deepEqual(await bench.times(), ["03-02 00:00:00", "03-02 01:00:00", "03-02 01:15:00"]);
  assert.deepEqual([schedule, nextRunAtMs], [null, null]);
  assert.deepEqual((await bench.jobs()).filter(({ meta }) => "missed_runs" in meta), []);
});

test("a schedule that comes back after it was taken out has missed nothing", async (t) => {
  const bench = schedulerBench(t, NIGHTLY);
  bench.clock.set(Date.parse("2026-03-02T01:00:00Z"));
  const { reload, stop } = await bench.boot();
  await bench.pass("1h");

  await reload({});
  bench.clock.set(Date.parse("2026-03-05T12:00:00Z"));
  await reload(NIGHTLY);
  await bench.pass("1m");
  await stop();

  assert.deepEqual(await bench.times(), ["03-02 01:30:00"]);
});

test("every runs within its time when the clock is put back an hour, and only once", async (t) => {
  const bench = schedulerBench(t, QUARTER);
  const { stop } = await bench.boot();
  await bench.pass("31m");

  bench.clock.set(bench.clock.now() - 3_600_000);
  await bench.pass("16m");
  await stop();

  assert.deepEqual(await bench.times(), [
    "03-02 00:00:00",
    "03-02 00:15:00",
    "03-02 00:30:00",
    "03-01 23:46:30",
  ]);
});

test("a cron line does not run a slot again when the clock is put back over it", async (t) => {
  const bench = schedulerBench(t, NIGHTLY);
  const { stop } = await bench.boot();
  await bench.pass("2h");

  bench.clock.set(bench.clock.now() - 3_600_000);
  await bench.pass("25h");
  await stop();

  assert.deepEqual(await bench.times(), ["03-02 01:30:00", "03-03 01:30:00"]);
});

test("a cron line goes on when a clock that was an hour ahead is put right", async (t) => {
  const bench = schedulerBench(t, { schedule: { cron: "*/30 * * * *" } });
  bench.clock.set(Date.parse("2026-03-02T13:59:30Z"));
  const { stop } = await bench.boot();
  await bench.pass("1m");

  bench.clock.set(bench.clock.now() - 3_600_000);
  await bench.pass("2h");
  await stop();

  assert.deepEqual(await bench.times(), [
    "03-02 14:00:00",
    "03-02 13:30:00",
    // 14:00 had its run.
    "03-02 14:30:00",
    "03-02 15:00:00",
  ]);
});

test("nor does a process that starts in the hour that comes again", async (t) => {
  const bench = schedulerBench(t, NIGHTLY);
  const before = await bench.boot();
  await bench.pass("2h");
  await before.stop();

  bench.clock.set(bench.clock.now() - 3_600_000);
  const after = await bench.boot("lost.json");
  await bench.pass("25h");
  await after.stop();

  assert.deepEqual(await bench.times(), ["03-02 01:30:00", "03-03 01:30:00"]);
});

test("a clock that was ten years ahead delays nothing for ten years", async (t) => {
  const bench = schedulerBench(t, QUARTER, { ...NIGHTLY, name: "nightly" });
  bench.clock.set(Date.parse("2036-03-02T01:00:00Z"));
  const ahead = await bench.boot();
  await bench.pass("1h");
  await ahead.stop();
  const before = (await bench.jobs()).length;

  bench.clock.set(Date.parse("2026-03-02T01:00:00Z"));
  const right = await bench.boot();
  await bench.pass("31m");
  await right.stop();

  const times = (await bench.times()).slice(before);
  assert.deepEqual(times, ["03-02 01:15:00", "03-02 01:30:00", "03-02 01:30:00"]);
});

for (const restarts of [false, true]) {
  const when = restarts ? "and it is started again" : "while it runs";
  test(`a clock that begins in 1970 has missed nothing more once it is set ${when}`, async (t) => {
    const bench = schedulerBench(t, { schedule: { every: "6h" } }, { ...NIGHTLY, name: "nightly" });
    const before = await bench.boot();
    await bench.pass("2h");
    await before.stop();

    bench.clock.set(5_000);
    const early = await bench.boot();
    await bench.pass("1m");
    if (restarts) await early.stop();
    bench.clock.set(Date.parse("2026-03-03T05:00:00Z"));
    const late = restarts ? await bench.boot() : early;
    await bench.pass("2h");
    await late.stop();

    const runs = (await bench.jobs()).map(({ sync, meta }) => [
      sync?.name,
      meta.missed_runs,
      meta.missed_since,
    ]);
    assert.deepEqual(runs, [
      ["docs", undefined, undefined],
      ["nightly", undefined, undefined],
      ["docs", 4, "2026-03-02T06:00:00.000Z"],
      ["nightly", 1, "2026-03-03T01:30:00.000Z"],
    ]);
  });
}

test("a schedule that is new to a clock of 1970 has missed nothing once that is set", async (t) => {
  const bench = schedulerBench(t, { schedule: { every: "6h" } }, { ...NIGHTLY, name: "nightly" });
  bench.clock.set(5_000);
  const { stop } = await bench.boot();
  await bench.pass("1m");

  bench.clock.set(Date.parse("2026-03-02T00:00:00Z"));
  await bench.pass("7h");
  await stop();

  const runs = (await bench.jobs()).map(({ sync, meta }) => [sync?.name, meta.missed_runs]);
  assert.deepEqual(runs, ["docs", "nightly", "docs"].map((name) => [name, undefined]));
});

test("a machine that slept finds out soon after, and starts one run", async (t) => {
  const bench = schedulerBench(t, QUARTER);
  const { stop } = await bench.boot();
  await bench.pass("1m");

  bench.clock.set(bench.clock.now() + 8 * 3_600_000); // no timer has noticed
  await bench.pass("2m");
  await stop();

  assert.deepEqual(await bench.times(), ["03-02 00:00:00", "03-02 08:01:30"]);
  assert.equal((await bench.jobs())[1].meta.missed_runs, 32);
});

test("no timer is longer than a runtime's can be", async (t) => {
  const bench = schedulerBench(t, { schedule: { every: "366d" } }, {
    name: "leap",
    schedule: { cron: "0 0 29 2 *" },
  });
  const { standing, stop } = await bench.boot();
  await stop();

  assert.equal(new Date(standing(1).nextRunAtMs ?? 0).toISOString(), "2028-02-29T00:00:00.000Z");
  assert.ok(bench.clock.longestMs <= 30_000, `${bench.clock.longestMs}`);
});

test("a stop while syncs are looked at starts none of those that are left", async (t) => {
  const bench = schedulerBench(t, QUARTER, { name: "other", ...QUARTER });
  const { scheduler, stop } = await bench.boot();
  const create = bench.log.create.bind(bench.log);
  let stopped: Promise<void> | undefined;
  bench.log.create = (job, options) => {
    stopped ??= scheduler.stop();
    return create(job, options);
  };

  await bench.pass("16m");
  await stopped;
  await stop();

  assert.deepEqual(await bench.times(), ["03-02 00:00:00", "03-02 00:00:00", "03-02 00:15:00"]);
  assert.equal(bench.clock.waiting, 0);
});

test("two processes on one log start a slot's run once", async (t) => {
  const bench = schedulerBench(t, QUARTER, { ...NIGHTLY, name: "nightly" });
  const one = await bench.boot();
  const other = await bench.boot("other.json");

  await bench.pass("2h");
  await one.stop();
  await other.stop();

  const times = await bench.times();
  assert.equal(times.length, 10);
  assert.equal(new Set(times).size, 9);
  assert.deepEqual([one.standing().skippedRuns, other.standing().skippedRuns], [0, 0]);
});

test("a log without room is told once, and the run comes when there is room", async (t) => {
  const bench = schedulerBench(t, QUARTER);
  const create = bench.log.create;
  bench.log.create = () => Promise.reject(new Error("There is no room"));
  const { stop } = await bench.boot();
  await bench.pass("1m");

  bench.log.create = create;
  await bench.pass("10s");
  await stop();

  assert.deepEqual(bench.faults.map(String), ["Error: There is no room"]);
  assert.deepEqual(await bench.times(), ["03-02 00:01:10"]);
});

test("a schedule that was taken out and put back runs at its next slot", async (t) => {
  const bench = schedulerBench(t, NIGHTLY);
  const { reload, stop } = await bench.boot();

  await reload();
  await reload(NIGHTLY);
  await bench.pass("2h");
  await stop();

  assert.deepEqual(await bench.times(), ["03-02 01:30:00"]);
});

test("look() sets no timer beside the one that is set, however often it is asked for", async (t) => {
  const bench = schedulerBench(t, NIGHTLY);
  const { reload, scheduler, stop } = await bench.boot();
  const { waiting } = bench.clock;

  for (let times = 0; times < 3; times++) scheduler.look();
  await reload(NIGHTLY);
  await reload(NIGHTLY);

  assert.equal(bench.clock.waiting, waiting);
  await stop();
});

test("a fault that comes back after a look that went well is told again", async (t) => {
  const bench = schedulerBench(t, QUARTER);
  const { stop } = await bench.boot();
  const create = bench.log.create;

  for (let times = 0; times < 2; times++) {
    bench.log.create = () => Promise.reject(new Error("no"));
    await bench.pass("20m");
    bench.log.create = create;
    await bench.pass("1m");
  }
  await stop();

  assert.equal(bench.faults.length, 2);
});

test("a dispatcher that stops is no fault", async (t) => {
  const bench = schedulerBench(t, QUARTER);
  const { dispatcher, scheduler } = await bench.boot();

  await dispatcher.stop();
  await bench.pass("20m");
  await scheduler.stop();

  assert.deepEqual([bench.faults, (await bench.times()).length], [[], 1]);
});
