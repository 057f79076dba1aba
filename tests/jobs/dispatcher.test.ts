import assert from "node:assert/strict";
import { test } from "node:test";
import { begin, cancel, end, renew } from "../../src/jobs/changes.ts";
import {
  Dispatcher,
  type DispatcherOptions,
  type Runnable,
  StoppingError,
} from "../../src/jobs/dispatcher.ts";
import { LEASE_MS } from "../../src/jobs/job_runner.ts";
import { OutsideJobs } from "../../src/jobs/outside_jobs.ts";
import { NO_STAMP } from "../../src/jobs/producers.ts";
import { Syncs } from "../../src/jobs/syncs.ts";
import type { AppendOptions } from "../../src/log/event_log.ts";
import { StorageFaultError, StorageFullError } from "../../src/log/log_errors.ts";
import { MemoryLog } from "../support/memory_log.ts";
import {
  type JobSource,
  SourceCancelled,
  SourceError,
  type SourceEvent,
} from "../../src/sources/source.ts";
import { logWords } from "../../src/sync/log_text.ts";
import { deriveSyncId, type JobKey } from "../../src/sync/ids.ts";
import { NO_PROGRESS } from "../../src/sync/progress.ts";
import { isTerminal } from "../../src/sync/status.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { newJob, TENANT } from "../support/log_contract.ts";
import { until } from "../support/until.ts";

const at = (inserted: number): SourceEvent => ({ type: "progress", ...NO_PROGRESS, inserted });

function bench(more: Partial<DispatcherOptions> = {}) {
  const clock = new FakeClock();
  const log = new MemoryLog(clock);
  const faults: unknown[] = [];
  const dispatcher = new Dispatcher({
    log,
    clock,
    owner: "this-process",
    cancelGraceMs: 30_000,
    onFault: (cause) => faults.push(cause),
    ...more,
  });
  const entries = async (key: JobKey) =>
    (await log.read(key, { after: 0, limit: 1_000, logs: "debug" })).entries;
  return {
    clock,
    log,
    faults,
    dispatcher,
    entries,
    /** Resolves with the job when it is over. */
    async ended(key: JobKey) {
      for (;;) {
        const job = await log.get(key);
        if (job && isTerminal(job.status) && dispatcher.size === 0) return job;
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
  };
}

function sync(run: JobSource["run"]): Runnable {
  return {
    tenant: TENANT,
    id: deriveSyncId(TENANT, "docs"),
    name: "docs",
    progressIntervalMs: 250,
    source: () => ({ run }),
  };
}

/** Runs until its signal fires. */
const endless = sync(async function* ({ signal }) {
  yield at(1);
  if (!signal.aborted) {
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  }
  yield at(2);
});

test("start() runs a source from in_progress to completed with its last totals", async () => {
  const { dispatcher, entries, ended, clock } = bench();

  const { started, job } = await dispatcher.start(
    sync(async function* () {
      yield at(1);
      yield { type: "log", level: "warning", message: "one was skipped" };
      yield at(2);
      yield at(3);
    }),
    { tags: ["by-hand"] },
  );
  const over = await ended(job);

  assert.equal(started, true);
  assert.deepEqual([over.status, over.progress.inserted, over.tags], ["completed", 3, ["by-hand"]]);
  const told = (await entries(job)).map((entry) =>
    entry.kind === "log" ? logWords(entry).message : [entry.status, entry.progress.inserted]
  );
  assert.deepEqual(told, [
    ["in_progress", 0],
    ["in_progress", 1],
    "one was skipped",
    ["in_progress", 3],
    ["completed", 3],
  ]);
  assert.equal(clock.waiting, 0);
});

test("start() answers the running job instead of running a sync twice", async () => {
  const { dispatcher, ended } = bench();
  const first = await dispatcher.start(endless);

  const again = await dispatcher.start(endless);
  await dispatcher.cancel(first.job);
  await ended(first.job);
  const after = await dispatcher.start(endless);

  assert.deepEqual([again.started, again.job.id], [false, first.job.id]);
  assert.equal(after.started, true);
  await dispatcher.stop();
});

test("a source that fails with words for people ends its job with them", async () => {
  const { dispatcher, ended, faults } = bench();

  const { job } = await dispatcher.start(sync(async function* () {
    yield at(1);
    yield at(4);
    throw new SourceError("source_unreadable", "Cannot read /x: it is gone");
  }));
  const over = await ended(job);

  assert.equal(over.status, "failed");
  assert.deepEqual(over.error, {
    code: "source_unreadable",
    message: "Cannot read /x: it is gone",
  });
  assert.equal(over.progress.inserted, 4);
  assert.deepEqual(faults, []);
});

test("a source that gives its run up ends its job as cancelled", async () => {
  const { dispatcher, ended } = bench();

  const { job } = await dispatcher.start(sync(async function* () {
    yield at(1);
    throw new SourceCancelled("program_cancelled", "The program says that it was cancelled");
  }));
  const over = await ended(job);

  assert.deepEqual([over.status, over.error?.code, over.progress.inserted], [
    ...["cancelled", "program_cancelled", 1],
  ]);
});

test("a source that breaks ends its job without a word of the cause", async () => {
  const { dispatcher, ended, faults } = bench();
  const secret = new Error("password=hunter2");

  // deno-lint-ignore require-yield -- it breaks before it has anything to say
  const { job } = await dispatcher.start(sync(async function* () {
    throw secret;
  }));
  const over = await ended(job);

  assert.deepEqual([over.status, over.error?.code], ["failed", "internal_fault"]);
  assert.ok(!JSON.stringify(over).includes("hunter2"));
  assert.deepEqual(faults, [secret]);
});

test("cancel() shows cancelling at once, then cancelled with what was done; again changes nothing", async () => {
  const { dispatcher, entries, ended } = bench();
  const { job } = await dispatcher.start(endless);
  await until(async () => (await entries(job)).length >= 2);

  const asked = await dispatcher.cancel(job);
  const again = await dispatcher.cancel(job);
  const over = await ended(job);
  const late = await dispatcher.cancel(job);

  assert.deepEqual([asked.status, again.seq], ["cancelling", asked.seq]);
  assert.deepEqual([over.status, over.error, over.progress.inserted], ["cancelled", null, 2]);
  assert.deepEqual(late, over);
  const statuses = (await entries(job)).map((entry) => entry.kind === "progress" && entry.status);
  assert.deepEqual(statuses.filter((status) => status === "cancelled").length, 1);
});

test("a source that breaks once it is to stop ends its job as cancelled all the same", async () => {
  const { dispatcher, ended, faults } = bench();
  const { job } = await dispatcher.start(sync(async function* ({ signal }) {
    yield at(3);
    if (!signal.aborted) {
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    }
    throw new Error("What it was reading has been called off");
  }));

  await dispatcher.cancel(job);
  const over = await ended(job);

  assert.deepEqual([over.status, over.error, over.progress.inserted], ["cancelled", null, 3]);
  assert.deepEqual(faults, []);
});

test("stop() ends running jobs as cancelled by the server, and starts no more", async () => {
  const { dispatcher, log, clock } = bench();
  await dispatcher.open();
  dispatcher.watch();
  const { job } = await dispatcher.start(endless);

  await dispatcher.stop();
  const over = await log.get(job);

  assert.deepEqual([over?.status, over?.error?.code], ["cancelled", "server_stopped"]);
  await assert.rejects(dispatcher.start(endless), StoppingError);
  assert.equal(clock.waiting, 0);
});

test("a run that somebody has cancelled is no run that the server stopped, though it stops meanwhile", async () => {
  const { dispatcher, log } = bench();
  const { promise, resolve } = Promise.withResolvers<void>();
  const slow = sync(async function* () {
    yield at(1);
    await promise;
  });
  const { job } = await dispatcher.start(slow);
  await until(async () => (await log.get(job))?.status === "in_progress");

  await dispatcher.cancel(job);
  const stopped = dispatcher.stop();
  resolve();
  await stopped;

  const over = await log.get(job);
  assert.deepEqual([over?.status, over?.error], ["cancelled", null]);
});

test("a job that is being created when the server stops ends as cancelled by it", async () => {
  const { dispatcher, log, clock } = bench();
  const create = log.create.bind(log);
  const gate = Promise.withResolvers<void>();
  log.create = async (...given) => {
    await gate.promise;
    return await create(...given);
  };

  const starting = dispatcher.start(endless);
  await dispatcher.stop();
  gate.resolve();
  const { job } = await starting;
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));

  const over = await log.get(job);
  assert.deepEqual([over?.status, over?.error?.code], ["cancelled", "server_stopped"]);
  assert.deepEqual([dispatcher.size, clock.waiting], [0, 0]);
});

test("a job that is to stop before its source has begun is over without it", async () => {
  const { dispatcher, log } = bench();
  const append = log.append.bind(log);
  const gate = Promise.withResolvers<void>();
  log.append = async (...args) => {
    await gate.promise;
    return await append(...args);
  };
  const begun = Promise.withResolvers<string>();
  const { job } = await dispatcher.start(sync(async function* () {
    begun.resolve("begun");
    await new Promise<void>(() => {}); // as one that waits for a disk that does not answer
    yield at(1);
  }));

  const stopped = dispatcher.stop().then(() => "stopped");
  await new Promise((resolve) => setImmediate(resolve)); // it has asked the job to stop
  gate.resolve();
  const first = await Promise.race([stopped, begun.promise]);

  assert.equal(first, "stopped");
  const { status, error } = await log.get(job) ?? {};
  assert.deepEqual([status, error?.code], ["cancelled", "server_stopped"]);
});

test("open() ends jobs that a process before has left behind, once, and leaves workers' jobs alone", async () => {
  const { dispatcher, log, clock } = bench();
  const { job: left } = await log.create(newJob({ owner: "process-before" }));
  const worker = { origin: "worker", owner: null, sync: null } as const;
  const { job: workers } = await log.create(newJob({ ...worker, leaseMs: 900_000 }));

  await dispatcher.open();
  dispatcher.watch();
  const over = await log.get(left);
  await dispatcher.stop();

  assert.deepEqual([over?.status, over?.error?.code, over?.seq], ["failed", "worker_lost", 1]);
  assert.equal(over?.error?.message, "The server was killed while it ran this job.");
  const { status, leaseUntilMs } = await log.get(workers) ?? {};
  // Its lease had lapsed while there was no server to renew it at.
  assert.deepEqual([status, leaseUntilMs], ["pending", clock.now() + 60_000]);
});

test("open() ends as cancelled what was to stop when its server was killed", async () => {
  const { dispatcher, log } = bench();
  const { job } = await log.create(newJob({ owner: "process-before" }));
  await log.append(job, begin);
  await log.append(job, cancel(0));

  await dispatcher.open();
  dispatcher.watch();
  const over = await log.get(job);
  await dispatcher.stop();

  assert.deepEqual([over?.status, over?.error?.code], ["cancelled", "worker_lost"]);
});

test("open() ends all that a process before has left behind, however many those are", async () => {
  const { dispatcher, log, clock } = bench();
  const lease = { owner: "process-before", leaseUntilMs: clock.now() + 900_000 };
  const left = await Promise.all(
    Array.from({ length: 250 }, () => log.create(newJob(lease))),
  );

  await dispatcher.open();
  dispatcher.watch();
  await dispatcher.stop();

  const jobs = await Promise.all(left.map(({ job }) => log.get(job)));
  assert.deepEqual(new Set(jobs.map((job) => job?.error?.code)), new Set(["worker_lost"]));
});

test("open() gives every worker its time to come back, however many there are", async () => {
  const { dispatcher, log, clock } = bench();
  const worker = { origin: "worker", owner: null, sync: null, leaseMs: 20_000 } as const;
  const now = clock.now();
  const leases = [now - 1_500, now + 2_500, now + 70_000];
  const jobs = await Promise.all(
    Array.from(
      { length: 300 },
      async (_, n) => (await log.create(newJob({ ...worker, leaseUntilMs: leases[n % 3] }))).job,
    ),
  );

  await dispatcher.open();
  dispatcher.watch();
  await dispatcher.stop();

  const left = await Promise.all(jobs.map(async (job) => (await log.get(job))?.leaseUntilMs));
  const wanted = [now + 20_000, now + 20_000, now + 70_000];
  assert.deepEqual(left, jobs.map((_, n) => wanted[n % 3]));
});

test("open() gives a worker that is to stop its grace to say that it has", async () => {
  const { dispatcher, log, clock } = bench();
  const worker = { origin: "worker", owner: null, sync: null } as const;
  const lease = { leaseMs: 900_000, leaseUntilMs: clock.now() + 900_000 };
  const { job } = await log.create(newJob({ ...worker, ...lease }));
  await dispatcher.cancel(job);
  clock.advance(3_600_000);

  await dispatcher.open();
  dispatcher.watch();
  const back = await log.get(job);
  await dispatcher.stop();

  assert.deepEqual([back?.status, back?.leaseUntilMs], ["cancelling", clock.now() + 30_000]);
});

test("the sweep ends a job whose lease has lapsed, and none that runs here", async () => {
  const { dispatcher, log, clock, ended, entries } = bench();
  await dispatcher.open();
  dispatcher.watch();
  const lease = { owner: null, leaseMs: 60_000, leaseUntilMs: clock.now() + 60_000 };
  const { job: silent } = await log.create(newJob({ ...lease, origin: "worker", sync: null }));
  const { job: running } = await dispatcher.start(endless);
  await until(async () => (await entries(running)).length >= 2);

  // As a machine does that slept: it is an hour later, and no timer has run meanwhile.
  clock.set(clock.now() + 3_600_000);
  while ((await log.get(silent))?.status === "pending") {
    clock.advance(5_000);
    await new Promise((resolve) => setImmediate(resolve));
  }

  assert.equal((await log.get(silent))?.error?.code, "worker_lost");
  assert.equal((await log.get(running))?.status, "in_progress");
  await dispatcher.cancel(running);
  assert.equal((await ended(running)).status, "cancelled");
  await dispatcher.stop();
});

test("a worker that could reach nobody while the machine slept has its time to come back", async () => {
  const { dispatcher, log, clock } = bench();
  await dispatcher.open();
  dispatcher.watch();
  const from = (leaseMs: number) => ({ leaseMs, leaseUntilMs: clock.now() + leaseMs });
  const worker = { origin: "worker", owner: null, sync: null } as const;
  const { job: short } = await log.create(newJob({ ...worker, ...from(20_000) }));
  const { job: long } = await log.create(newJob({ ...worker, ...from(900_000) }));
  const { job: cancelled } = await log.create(newJob({ ...worker, ...from(900_000) }));
  await dispatcher.cancel(cancelled);
  const pass = async (ms: number) => {
    clock.advance(ms);
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  };

  clock.set(clock.now() + 3_600_000);
  await pass(1_000);
  const awake = clock.now();
  const leases = await Promise.all([short, long, cancelled].map((job) => log.get(job)));
  for (let passed = 0; passed <= 30_000; passed += 1_000) await pass(1_000);
  await dispatcher.stop();

  const until = [20_000, 899_000, 30_000].map((ms) => awake + ms);
  assert.deepEqual(leases.map((job) => job?.leaseUntilMs), until);
  assert.deepEqual(
    await Promise.all([short, long, cancelled].map(async (job) => (await log.get(job))?.status)),
    ["failed", "pending", "cancelled"],
  );
});

test("a clock that is set ahead ends no job of a worker that is in time", async () => {
  const { dispatcher, log, clock } = bench();
  await dispatcher.open();
  dispatcher.watch();
  const lease = { leaseMs: 900_000, leaseUntilMs: clock.now() + 900_000 };
  const { job } = await log.create(newJob({ origin: "worker", owner: null, sync: null, ...lease }));
  const pass = async (ms: number) => {
    for (const endMs = clock.monotonic() + ms; clock.monotonic() < endMs;) {
      clock.advance(1_000);
      for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
  };

  await pass(10_000);
  clock.set(clock.now() + 10 * 365 * 86_400_000);
  await pass(880_000);
  const inTime = (await log.get(job))?.status;
  await pass(15_000);
  await dispatcher.stop();

  assert.deepEqual([inTime, (await log.get(job))?.error?.code], ["pending", "worker_lost"]);
});

for (const restarts of [false, true]) {
  const when = restarts ? "before the start" : "while the server runs";
  test(`a lost job ends in its time where the clock was put back ${when}`, async () => {
    const { dispatcher, log, clock } = bench();
    if (!restarts) await dispatcher.open();
    if (!restarts) dispatcher.watch();
    const lease = { leaseMs: 900_000, leaseUntilMs: clock.now() + 900_000 };
    const worker = { origin: "worker", owner: null, sync: null, ...lease } as const;
    const [lost, cancelled] = [await log.create(newJob(worker)), await log.create(newJob(worker))];
    await dispatcher.cancel(cancelled.job);
    const pass = async (ms: number) => {
      clock.advance(ms);
      for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
    };
    const statuses = async () =>
      await Promise.all([lost, cancelled].map(async ({ job }) => (await log.get(job))?.status));

    clock.set(5_000);
    if (restarts) await dispatcher.open();
    if (restarts) dispatcher.watch();
    await pass(1_000);
    await pass(29_000);
    const before = await statuses();
    for (let passed = 0; passed <= 2_000; passed += 1_000) await pass(1_000);
    const after = await statuses();
    await pass(868_000);
    await pass(1_000);
    const last = await statuses();
    await dispatcher.stop();

    assert.deepEqual([before, after, last], [
      ["pending", "cancelling"],
      ["pending", "cancelled"],
      ["failed", "cancelled"],
    ]);
  });
}

test("sweeps that come late now and then put off no lost job's end for long", async () => {
  const { dispatcher, log, clock } = bench();
  await dispatcher.open();
  dispatcher.watch();
  const lease = { leaseMs: 900_000, leaseUntilMs: clock.now() };
  const { job } = await log.create(newJob({ origin: "worker", owner: null, sync: null, ...lease }));
  const sweep = async () => {
    clock.advance(1_000);
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  };

  clock.set(clock.now() + 1_500);
  await sweep();
  const late = (await log.get(job))?.status;
  await sweep();
  await sweep();
  await dispatcher.stop();

  assert.deepEqual([late, (await log.get(job))?.error?.code], ["pending", "worker_lost"]);
});

for (const Refusal of [StorageFullError, StorageFaultError]) {
  test(`a worker that is refused for a ${Refusal.name} has its time to come back after it`, async () => {
    const { dispatcher, log, clock, faults } = bench();
    await dispatcher.open();
    dispatcher.watch();
    const worker = { origin: "worker", owner: null, sync: null } as const;
    const lease = { leaseMs: 120_000, leaseUntilMs: clock.now() + 120_000 };
    const { job } = await log.create(newJob({ ...worker, ...lease }));
    const { job: cancelled } = await log.create(newJob({ ...worker, ...lease }));
    await dispatcher.cancel(cancelled);
    const append = log.append.bind(log);
    let refused = true;
    log.append = (key, decide, options: AppendOptions = {}) => {
      const full = Refusal === StorageFullError;
      return refused && !(full && options.urgent)
        ? Promise.reject(
          full ? new StorageFullError() : new StorageFaultError(new Error("disk I/O error")),
        )
        : append(key, decide);
    };
    const pass = async (seconds: number) => {
      for (let passed = 0; passed < seconds; passed++) {
        clock.advance(1_000);
        for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
      }
    };

    await pass(300);
    const during = await Promise.all([job, cancelled].map((each) => log.get(each)));
    refused = false;
    await pass(1);
    const back = await log.get(job);
    const until = clock.now() + 60_000;
    await pass(62);
    await dispatcher.stop();

    const ended = Refusal === StorageFullError ? "cancelled" : "cancelling";
    assert.deepEqual(during.map((each) => each?.status), ["pending", ended]);
    assert.deepEqual([back?.status, back?.leaseUntilMs], ["pending", until]);
    assert.equal((await log.get(job))?.error?.code, "worker_lost");
    assert.ok(faults.every((fault) => fault instanceof StorageFaultError));
  });
}

for (
  const refusal of [new StorageFullError(), new StorageFaultError(new Error("disk I/O error"))]
) {
  test(`a worker has its time to come back after a ${refusal.name} that no sweep met`, async () => {
    const { dispatcher, log, clock } = bench();
    await dispatcher.open();
    dispatcher.watch();
    const outside = new OutsideJobs({
      log,
      clock,
      syncs: new Syncs([], []),
      onRefused: () => dispatcher.leases.refused(),
    });
    const { job } = await outside.create({ tenant: TENANT, leaseMs: 20_000 });
    const { append } = log;
    log.append = () => Promise.reject(refusal);
    const stamp = { id: "w", epoch: 0, number: undefined };
    await assert.rejects(outside.post(job, { stamp, offset: 0, events: [] }), refusal);
    clock.advance(20_000 - 1);
    await until(() => clock.waiting === 1);

    log.append = append;
    for (let passed = 0; passed < 3; passed++) {
      clock.advance(1_000);
      await until(() => clock.waiting === 1);
    }
    const back = await log.get(job);
    await dispatcher.stop();

    assert.deepEqual([back?.status, back?.error], ["pending", null]);
  });
}

test("a worker has its time to come back after the log could not be read", async () => {
  const { dispatcher, log, clock } = bench();
  await dispatcher.open();
  dispatcher.watch();
  const worker = { origin: "worker", owner: null, sync: null } as const;
  const lease = { leaseMs: 5_000, leaseUntilMs: clock.now() + 5_000 };
  const { job } = await log.create(newJob({ ...worker, ...lease }));
  const pass = async (seconds: number) => {
    for (let passed = 0; passed < seconds; passed++) {
      clock.advance(1_000);
      await until(() => clock.waiting === 1);
    }
  };
  const { lapsed } = log;
  log.lapsed = () => Promise.reject(new Error("disk I/O error"));
  await pass(10);

  log.lapsed = lapsed;
  await pass(3);
  const back = await log.get(job);
  await pass(10);
  await dispatcher.stop();

  assert.deepEqual([back?.status, back?.error], ["pending", null]);
  assert.equal((await log.get(job))?.error?.code, "worker_lost");
});

test("a job that is removed while a sweep is under way keeps no other from its time to come back", async () => {
  const { dispatcher, log, clock, faults } = bench();
  await dispatcher.open();
  dispatcher.watch();
  const worker = { origin: "worker", owner: null, sync: null } as const;
  const lease = { leaseMs: 5_000, leaseUntilMs: clock.now() + 5_000 };
  const { job: removed } = await log.create(newJob({ ...worker, ...lease }));
  const { job } = await log.create(newJob({ ...worker, ...lease }));
  // One job a page; the first is removed once its page is read.
  log.lapsed = async (_, after = 0) => {
    if (after === 0) await log.remove(removed);
    return after === 0 ? { items: [removed], next: 1 } : { items: [job], next: null };
  };
  clock.set(clock.now() + 10_000);
  clock.advance(1_000);
  await until(() => clock.waiting === 1);
  clock.advance(1_000);
  await until(() => clock.waiting === 1);
  const back = await log.get(job);
  await dispatcher.stop();

  assert.deepEqual([back?.status, back?.error, faults], ["pending", null, []]);
});

test("a worker whose post waits for the disk for longer than its lease is not lost", async () => {
  const { dispatcher, log, clock } = bench();
  const outside = new OutsideJobs({ log, syncs: new Syncs([], []), clock });
  const { job } = await outside.create({ tenant: TENANT, leaseMs: 5_000 });
  await dispatcher.open();
  dispatcher.watch();
  const append = log.append.bind(log);
  const gate = Promise.withResolvers<void>();
  let waiting = 0;
  log.append = async (...args) => {
    waiting++;
    await gate.promise;
    return await append(...args);
  };

  const posted = outside.post(job, { stamp: NO_STAMP, offset: 0, events: [] });
  while (waiting < 2) { // until a sweep gives the job up
    clock.advance(1_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  gate.resolve();
  const answer = await posted;
  await dispatcher.stop();

  const { status, leaseUntilMs } = await log.get(job) ?? {};
  assert.deepEqual([answer.job.status, status], ["pending", "pending"]);
  assert.equal(leaseUntilMs, clock.now() + 5_000);
});

test("a sync that nobody hears of loses no job, and then its workers have their time to come back", async () => {
  const { dispatcher, log, clock } = bench();
  await dispatcher.open();
  dispatcher.watch();
  const at = (name: string) => ({ id: deriveSyncId(TENANT, name), name });
  const create = async (name: string, leaseMs: number) => {
    const lease = { leaseMs, leaseUntilMs: clock.now() + leaseMs };
    const worker = { origin: "worker", owner: null } as const;
    return (await log.create(newJob({ ...worker, ...lease, sync: at(name) }))).job;
  };
  const jobs = [
    await create("feed", 20_000),
    await create("feed", 320_000),
    await create("feed", 20_000),
    await create("other", 20_000),
  ];
  const pass = async (seconds: number) => {
    for (let passed = 0; passed < seconds; passed++) {
      clock.advance(1_000);
      for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
    return await Promise.all(jobs.map(async (job) => (await log.get(job))?.status));
  };

  const heard = dispatcher.leases.unheard({ tenant: TENANT, ...at("feed") });
  await dispatcher.cancel(jobs[2]);
  const during = await pass(300);
  heard();
  const back = await pass(18);
  const after = await pass(5);
  const late = await pass(45);
  await dispatcher.stop();

  assert.deepEqual(during, ["pending", "pending", "cancelled", "failed"]);
  assert.deepEqual(back.slice(0, 2), ["pending", "pending"]);
  assert.deepEqual(after.slice(0, 2), ["failed", "pending"]);
  assert.deepEqual(late.slice(0, 2), ["failed", "failed"]);
});

test("a sweep that is under way when a sync is heard again ends none of its jobs", async () => {
  const { dispatcher, log, clock } = bench();
  await dispatcher.open();
  dispatcher.watch();
  const sync = { id: deriveSyncId(TENANT, "feed"), name: "feed" };
  const lease = { leaseMs: 1_000, leaseUntilMs: clock.now() + 1_000 };
  const { job } = await log.create(newJob({ origin: "worker", owner: null, sync, ...lease }));
  const heard = dispatcher.leases.unheard({ tenant: TENANT, ...sync });
  const append = log.append.bind(log);
  const gate = Promise.withResolvers<void>();
  let waiting = 0;
  log.append = async (...args) => {
    waiting++;
    await gate.promise;
    return await append(...args);
  };
  while (waiting < 1) {
    clock.advance(1_000);
    await new Promise((resolve) => setImmediate(resolve));
  }

  heard();
  gate.resolve();
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  await dispatcher.stop();

  assert.equal((await log.get(job))?.status, "pending");
});

test("a sweep that has no room for an end that is asked for tells nobody: who appends does", async () => {
  const { dispatcher, log, clock, faults } = bench();
  await dispatcher.open();
  dispatcher.watch();
  const lease = { leaseMs: 120_000, leaseUntilMs: clock.now() + 120_000 };
  const { job } = await log.create(newJob({ origin: "worker", owner: null, sync: null, ...lease }));
  await dispatcher.cancel(job);
  const append = log.append.bind(log);
  let tries = 0;
  log.append = () => {
    tries++;
    return Promise.reject(new StorageFullError());
  };
  const pass = async (ms: number) => {
    clock.advance(ms);
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  };

  for (let passed = 0; passed < 40_000; passed += 1_000) await pass(1_000);
  const during = tries;
  log.append = append;
  await pass(1_000);
  await dispatcher.stop();

  assert.ok(during > 1, `it was tried ${during} times`);
  assert.deepEqual([(await log.get(job))?.status, faults], ["cancelled", []]);
});

test("a sweep that is under way when the server stops is the last one", async () => {
  const { dispatcher, log, clock } = bench();
  await dispatcher.open();
  dispatcher.watch();
  const lapsed = log.lapsed.bind(log);
  const sweeping = Promise.withResolvers<void>();
  log.lapsed = async (...query) => {
    await sweeping.promise;
    return await lapsed(...query);
  };
  clock.advance(1_000);

  await dispatcher.stop();
  sweeping.resolve();
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));

  assert.equal(clock.waiting, 0);
});

test("a running job's lease is renewed while its source says nothing", async () => {
  const { dispatcher, log, clock } = bench();
  const { job } = await dispatcher.start(endless);

  for (let passed = 0; passed < 3 * LEASE_MS; passed += 1_000) {
    clock.advance(1_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const lease = (await log.get(job))?.leaseUntilMs ?? 0;

  assert.ok(lease > clock.now(), `the lease ended ${clock.now() - lease} ms ago`);
  await dispatcher.stop();
});

test("a source that does not stop is left behind, and its job is over all the same", async () => {
  const { dispatcher, ended, clock, entries, faults } = bench();
  const { job } = await dispatcher.start(sync(async function* () {
    yield at(1);
    await new Promise(() => {});
  }));
  await until(async () => (await entries(job)).length >= 2);

  await dispatcher.cancel(job);
  clock.advance(1_000);
  const over = await ended(job);

  assert.deepEqual([over.status, over.progress.inserted], ["cancelled", 1]);
  assert.match(String(faults[0]), /did not stop within 1000 ms/);
  assert.equal(clock.waiting, 0);
});

test("a source that stops too late gives back what it holds, though nobody takes its events", async () => {
  const { dispatcher, ended, clock, entries, faults } = bench();
  const stuck = Promise.withResolvers<void>();
  const fault = new Error("its file cannot be closed");
  const { job } = await dispatcher.start(sync(async function* () {
    try {
      yield at(1);
      await stuck.promise;
      yield at(2);
    } finally {
      // deno-lint-ignore no-unsafe-finally -- as of a file that cannot be closed
      throw fault;
    }
  }));
  await until(async () => (await entries(job)).length >= 2);
  await dispatcher.cancel(job);
  clock.advance(1_000);
  await ended(job);

  stuck.resolve();
  await until(() => faults.length === 2);

  assert.equal(faults[1], fault);
});

test("a source is given the time to stop that it asks for", async () => {
  const { dispatcher, ended, clock, entries, faults } = bench();
  let finish = () => {};
  const finished = new Promise<void>((resolve) => finish = resolve);
  const slow = sync(async function* () {
    yield at(1);
    await finished;
    yield at(2);
  });
  const source = () => ({ ...slow.source(), stopMs: 15_000 });
  const { job } = await dispatcher.start({ ...slow, source });
  await until(async () => (await entries(job)).length >= 2);

  await dispatcher.cancel(job);
  clock.advance(14_999);
  finish();
  const over = await ended(job);

  assert.deepEqual([over.status, over.progress.inserted], ["cancelled", 2]);
  assert.deepEqual(faults, []);
});

test("a job that another has ended stops its source and keeps the first end", async () => {
  const { dispatcher, log, clock, entries } = bench();
  let stopped = false;
  const { job } = await dispatcher.start(sync(async function* ({ signal }) {
    for (let n = 1; !signal.aborted; n++) {
      yield at(n);
      clock.advance(1_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    stopped = true;
  }));
  await until(async () => (await entries(job)).length >= 2);

  await log.append(job, end({ status: "failed", error: { code: "worker_lost", message: "" } }));
  await until(() => dispatcher.size === 0);

  assert.equal((await log.get(job))?.error?.code, "worker_lost");
  assert.equal(stopped, false, "the generator is ended by return(), not run on");
});

test("a worker's job that is cancelled has its grace, and then is over", async () => {
  const { dispatcher, log, clock, entries } = bench();
  await dispatcher.open();
  dispatcher.watch();
  const lease = { leaseMs: 900_000, leaseUntilMs: clock.now() + 900_000 };
  const { job } = await log.create(newJob({ origin: "worker", owner: null, ...lease }));

  const asked = await dispatcher.cancel(job);
  clock.advance(29_000);
  await new Promise((resolve) => setImmediate(resolve));
  const during = await log.get(job);
  for (let step = 0; step < 4; step++) {
    clock.advance(1_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await dispatcher.stop();

  assert.deepEqual([asked.status, during?.status], ["cancelling", "cancelling"]);
  const told = (await entries(job)).map((entry) => entry.kind === "progress" && entry.status);
  assert.deepEqual(told, ["cancelling", "cancelled"]);
  assert.equal((await log.get(job))?.error?.code, "cancel_overdue");
});

test("a lease that was renewed before its sweep is not taken away", async () => {
  const { dispatcher, log, clock } = bench();
  const lease = { leaseMs: 1_000, leaseUntilMs: clock.now() + 1_000 };
  const { job } = await log.create(newJob({ origin: "worker", owner: null, ...lease }));
  clock.advance(1_500);
  // Found lapsed by the sweep, renewed before the sweep's append is decided.
  const lapsed = log.lapsed.bind(log);
  log.lapsed = async (...query) => {
    const found = await lapsed(...query);
    await log.append(job, renew(clock.now() + 1_000));
    return found;
  };

  await dispatcher.open();
  dispatcher.watch();
  clock.advance(1_000);
  await dispatcher.stop();

  assert.equal((await log.get(job))?.status, "pending");
});

test("a job that the log has no room for fails with storage_full as soon as there is some", async () => {
  const { dispatcher, log, clock, ended, faults } = bench();
  const append = log.append.bind(log);
  let full = false;
  log.append = (key, decide) => full ? Promise.reject(new StorageFullError()) : append(key, decide);

  const { job } = await dispatcher.start(sync(async function* () {
    yield at(1);
    full = true;
    yield { type: "log", level: "info", message: "no room for this" };
    yield at(2);
  }));
  await until(() => faults.length > 0);
  clock.advance(20_000);
  const during = await log.get(job);
  full = false;
  const over = ended(job);
  for (let step = 0; step < 10; step++) {
    clock.advance(1_000);
    await new Promise((resolve) => setImmediate(resolve));
  }

  assert.equal(during?.status, "in_progress");
  const { status, error } = await over;
  assert.deepEqual([status, error?.code], ["failed", "storage_full"]);
  assert.equal(faults.length, 1);
  assert.equal(clock.waiting, 0);
});

test("an end that cannot be stored is given up after a minute where somebody is to hear of that", async () => {
  const given: unknown[] = [];
  const { dispatcher, log, clock, faults } = bench({ onUnended: (cause) => given.push(cause) });
  const refusal = new StorageFaultError(new Error("it is not there any more"));

  await dispatcher.start(sync(async function* () {
    log.append = () => Promise.reject(refusal);
    yield at(1);
  }));
  const waits: number[] = [];
  await until(() => faults.length > 0);
  for (let ms = 0; dispatcher.size > 0; ms += 5_000) {
    assert.ok(ms <= 60_000, "it is still tried");
    waits.push(given.length);
    await until(() => clock.waiting > 1); // the next try, beside the lease's renewal
    clock.advance(5_000);
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  }

  assert.deepEqual(waits, Array(12).fill(0));
  assert.deepEqual(given, [refusal]);
  assert.equal(clock.waiting, 0);
});

test("a source that ends before its last totals are refused fails with what has refused them", async () => {
  const { dispatcher, log, ended } = bench();
  const append = log.append.bind(log);
  let full = false;
  log.append = (key, decide, options: AppendOptions = {}) =>
    full && !options.urgent ? Promise.reject(new StorageFullError()) : append(key, decide);

  const { job } = await dispatcher.start(sync(async function* () {
    yield at(1);
    yield at(2); // waits for its time, and is let out at the end
    full = true;
  }));
  const { status, error, progress } = await ended(job);

  assert.deepEqual([status, error?.code, progress.inserted], ["failed", "storage_full", 2]);
});

test("cancel() that cannot be written stops nothing", async () => {
  const { dispatcher, log, clock } = bench();
  const { job } = await dispatcher.start(endless);
  await until(async () => (await log.get(job))?.progress.inserted === 1);
  const append = log.append.bind(log);
  log.append = () => Promise.reject(new StorageFaultError(new Error("the disk is gone")));

  await assert.rejects(dispatcher.cancel(job), StorageFaultError);
  log.append = append;
  await dispatcher.stop();

  const { error } = await log.get(job) ?? {};
  assert.equal(error?.code, "server_stopped"); // it ran on until then
  assert.equal(clock.waiting, 0);
});

test("cancel() is written on a full disk too", async () => {
  const { dispatcher, log, ended } = bench();
  const { job } = await dispatcher.start(endless);
  const append = log.append.bind(log);
  log.append = (key, decide, options: AppendOptions = {}) =>
    options.urgent ? append(key, decide) : Promise.reject(new StorageFullError());

  const asked = await dispatcher.cancel(job);

  assert.ok(["cancelling", "cancelled"].includes(asked.status));
  assert.ok(isTerminal((await ended(job)).status));
});

test("open() ends what a killed server has left, also on a full disk", async () => {
  const { dispatcher, log } = bench();
  const { job } = await log.create(newJob({ owner: "killed" }));
  const append = log.append.bind(log);
  log.append = (key, decide, options: AppendOptions = {}) =>
    options.urgent ? append(key, decide) : Promise.reject(new StorageFullError());

  await dispatcher.open();
  dispatcher.watch();
  await dispatcher.stop();

  const { status, error } = await log.get(job) ?? {};
  assert.deepEqual([status, error?.code], ["failed", "worker_lost"]);
});

/** Refuses each append but the first and urgent ones. */
function refuseEntries(log: MemoryLog, cause: Error): void {
  const append = log.append.bind(log);
  let appends = 0;
  log.append = (key, decide, options: AppendOptions = {}) =>
    options.urgent || ++appends === 1 ? append(key, decide) : Promise.reject(cause);
}

test("what breaks a run is told once, and its source gives back what it holds", async () => {
  const { dispatcher, log, ended, faults } = bench();
  const broken = new Error("broken");
  refuseEntries(log, broken);
  let holds = true;

  const { job } = await dispatcher.start(sync(async function* () {
    try {
      for (;;) yield at(1);
    } finally {
      holds = false;
    }
  }));
  const { status } = await ended(job);

  assert.deepEqual([status, faults, holds], ["failed", [broken], false]);
});

test("a job whose entries are refused is over when its source has given back what it holds", async () => {
  const { dispatcher, log, ended, clock } = bench();
  refuseEntries(log, new StorageFaultError(new Error("EIO")));
  const [began, given] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const { job } = await dispatcher.start(sync(async function* () {
    try {
      for (;;) yield at(1);
    } finally {
      began.resolve();
      await given.promise;
    }
  }));

  await began.promise;
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  const running = dispatcher.size;
  given.resolve();
  const { status } = await ended(job);

  assert.deepEqual([running, status, clock.waiting], [1, "failed", 0]);
});

test("a job whose entries are refused waits for its source no longer than for one that is stopped", async () => {
  const { dispatcher, log, clock } = bench();
  refuseEntries(log, new StorageFaultError(new Error("EIO")));
  const began = Promise.withResolvers<void>();
  const stuck = sync(async function* () {
    try {
      for (;;) yield at(1);
    } finally {
      began.resolve();
      await new Promise(() => {});
    }
  });
  await dispatcher.start({ ...stuck, source: () => ({ ...stuck.source(), stopMs: 5_000 }) });
  await began.promise;
  const running = async () => {
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    return dispatcher.size;
  };

  await running();
  clock.advance(4_999);
  const early = await running();
  clock.advance(1);

  assert.deepEqual([early, await running(), clock.waiting], [1, 0, 0]);
});

test("halt() resolves once the run is over", async () => {
  const { dispatcher, log } = bench();
  const { job } = await dispatcher.start(endless);

  await dispatcher.halt(job);

  assert.deepEqual([dispatcher.size, (await log.get(job))?.status], [0, "cancelled"]);
});

test("halt() does not wait for a disk that does not take the job's end", async () => {
  const { dispatcher, log } = bench();
  const { job } = await dispatcher.start(endless);
  log.append = () => Promise.reject(new StorageFaultError(new Error("EIO")));

  await dispatcher.halt(job);

  assert.equal(dispatcher.size, 1);
  await dispatcher.stop();
});

test("that a job is removed before its end could be stored is no fault", async () => {
  const { dispatcher, log, clock, faults } = bench();
  const { job } = await dispatcher.start(endless);
  clock.advance(LEASE_MS / 3 - 1);
  const append = log.append.bind(log);
  const failing = new StorageFaultError(new Error("EIO"));
  log.append = () => Promise.reject(failing);
  await dispatcher.halt(job);
  log.append = append;
  await log.remove(job);

  clock.advance(1); // its lease is to be renewed
  await until(() => clock.waiting === 2);
  clock.advance(5_000); // and its end to be stored
  await until(() => dispatcher.size === 0);

  assert.deepEqual([faults, clock.waiting], [[failing], 0]);
});

test("stop() does not wait for room on a full disk", async () => {
  const { dispatcher, log, faults } = bench();
  await dispatcher.start(endless);
  log.append = () => Promise.reject(new StorageFullError());

  await dispatcher.stop();

  assert.ok(faults[0] instanceof StorageFullError);
});

test("stop() lets running jobs go on for its grace, and starts none meanwhile", async () => {
  const { dispatcher, clock, log } = bench();
  const finish = Promise.withResolvers<void>();
  const ending = sync(async function* () {
    yield at(1);
    await finish.promise;
    yield at(2);
  });
  const { job } = await dispatcher.start(ending);

  const stopped = dispatcher.stop(5_000);
  await assert.rejects(dispatcher.start(endless), StoppingError);
  clock.advance(4_000);
  finish.resolve();
  await stopped;

  assert.deepEqual([(await log.get(job))?.status, clock.waiting], ["completed", 0]);
});

test("stop() ends what is still running when its grace is over", async () => {
  const { dispatcher, clock, log, entries } = bench();
  const { job } = await dispatcher.start(endless);
  await until(async () => (await entries(job)).length >= 2);

  const stopped = dispatcher.stop(5_000);
  await new Promise((resolve) => setImmediate(resolve));
  const meanwhile = (await log.get(job))?.status;
  clock.advance(5_000);
  await stopped;

  const after = await log.get(job);
  assert.deepEqual([meanwhile, after?.status, after?.error?.code], [
    "in_progress",
    "cancelled",
    "server_stopped",
  ]);
});
