import assert from "node:assert/strict";
import { test } from "node:test";
import { Retention } from "../../src/jobs/retention.ts";
import { StorageFullError } from "../../src/log/log_errors.ts";
import { MemoryLog } from "../support/memory_log.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { serverLog } from "../support/server_log.ts";
import { line, newJob, progress, TENANT } from "../support/log_contract.ts";
import { until } from "../support/until.ts";

const UNLIMITED = {
  ageMs: Infinity,
  entriesMax: Number.MAX_SAFE_INTEGER,
  bytesMax: Infinity,
};

function bench(limits: Partial<typeof UNLIMITED>) {
  const clock = new FakeClock();
  const log = new MemoryLog(clock);
  const faults: unknown[] = [];
  const onFault = (cause: unknown) => faults.push(cause);
  const restarted = () => new Retention({ log, clock, onFault, ...UNLIMITED, ...limits });
  const retention = restarted();
  return {
    clock,
    log,
    faults,
    retention,
    /** Another process. */
    restarted,
    async job(lines: number, over: boolean) {
      const { job } = await log.create(newJob());
      const facts = Array.from({ length: lines }, (_, n) => line(`line ${n}`));
      await log.append(job, () => ({ facts: over ? [...facts, progress("completed", 1)] : facts }));
      return job;
    },
    left: async () => (await log.list({ tenant: TENANT, limit: 99 })).items.map(({ id }) => id),
  };
}

test("jobs go when they are over for too long, and none that is on its way", async () => {
  const { retention, clock, job, left } = bench({ ageMs: 1_000 });
  await job(1, true);
  const running = await job(1, false);
  clock.advance(1_500);
  const fresh = await job(1, true);

  await retention.run();

  assert.deepEqual(await left(), [fresh.id, running.id]);
});

test("a job that is created again under the id of one that is to go stays", async () => {
  const { retention, log, job, clock, left } = bench({ ageMs: 1_000 });
  const first = await job(1, true);
  const { id } = await job(1, true);
  clock.advance(1_500);
  const remove = log.remove.bind(log);
  log.remove = async (key, epoch) => {
    if (key.id === first.id) {
      await remove({ tenant: TENANT, id });
      await log.create(newJob({ id }));
    }
    return await remove(key, epoch);
  };

  await retention.run();

  assert.deepEqual(await left(), [id]);
});

test("a clock that is set ahead takes no job by its age for a day, and none once it is put right", async (t) => {
  const lines = await serverLog(t, "retention");
  const dayMs = 24 * 3_600_000;
  const { retention, clock, job, left } = bench({ ageMs: 30 * dayMs });
  await job(1, true);
  const counts: number[] = [];
  const look = async () => {
    await retention.run();
    counts.push((await left()).length);
  };

  clock.set(clock.now() + 365 * dayMs);
  await look();
  clock.advance(dayMs - 1);
  await look();
  clock.set(clock.now() - 365 * dayMs);
  clock.advance(28 * dayMs);
  await look();
  clock.set(clock.now() + 365 * dayMs);
  await look();
  clock.advance(dayMs);
  await look();

  assert.deepEqual(counts, [1, 1, 1, 1, 0]);
  const words = "the clock is 8760 h further than it was: no job goes by its age for 24 h";
  assert.deepEqual(lines, Array(2).fill(`warning: ${words}`));
});

test("a start by a clock that is ahead takes no job by its age for a day", async (t) => {
  const lines = await serverLog(t, "retention");
  const dayMs = 24 * 3_600_000;
  const { retention, restarted, clock, job, left } = bench({ ageMs: 30 * dayMs });
  const old = await job(1, true);
  const counts: number[] = [];
  const look = async (process = retention) => {
    await process.run();
    counts.push((await left()).length);
  };

  clock.set(clock.now() + 365 * dayMs);
  const [first, second] = [restarted(), restarted()];
  await look(first);
  const { id } = await job(1, true);
  clock.advance(dayMs - 1);
  await look(first);
  await look(second);
  clock.advance(1);
  await look(first);

  assert.deepEqual([counts, await left()], [[1, 2, 2, 1], [id]]);
  assert.notEqual(old.id, id);
  const words = "all jobs but those of a day are older than is kept, so the clock may be ahead: " +
    "no job goes by its age for 24 h";
  assert.deepEqual(lines, Array(2).fill(`warning: ${words}`));
});

test("a start takes the jobs that are too old where another has ended since, up to yesterday", async () => {
  const dayMs = 24 * 3_600_000;
  const { retention, clock, job, left } = bench({ ageMs: 30 * dayMs });
  await job(1, true);
  clock.advance(29 * dayMs);
  const { id } = await job(1, true);
  clock.advance(dayMs + 1);

  await retention.run();

  assert.deepEqual(await left(), [id]);
});

test("a nightly job goes in its time, also from a server that is started each day", async () => {
  const hourMs = 3_600_000;
  const { restarted, clock, job, left } = bench({ ageMs: 30 * hourMs });
  const counts: number[] = [];

  for (let day = 0; day < 4; day++) {
    await job(1, true);
    clock.advance(20 * hourMs);
    await restarted().run();
    counts.push((await left()).length);
    clock.advance(4 * hourMs);
  }

  assert.deepEqual(counts, [1, 1, 1, 1]);
});

test("a job is cut to its limit while it runs and after its end", async () => {
  const { retention, log, job } = bench({ entriesMax: 10 });
  const [running, over] = [await job(50, false), await job(50, true)];

  await retention.run();

  assert.deepEqual([(await log.get(running))?.held, (await log.get(over))?.held], [10, 10]);
});

test("all jobs are cut to their limit, also while they are written to", async () => {
  const { retention, log, job } = bench({ entriesMax: 10 });
  const jobs = [];
  for (let n = 0; n < 130; n++) jobs.push(await job(12, false));
  const trim = log.trim.bind(log);
  log.trim = async (key, limits) => {
    const more = await trim(key, limits);
    await log.append(key, () => ({ facts: [line("one more")] }));
    return more;
  };

  await retention.run();

  const held = await Promise.all(jobs.map(async (each) => (await log.get(each))?.held));
  assert.deepEqual(held, jobs.map(() => 11));
});

test("the oldest jobs that are over go when there is too much in all", async () => {
  const { retention, log, job, left } = bench({ bytesMax: 4_000 });
  const running = await job(20, false);
  const ended = [await job(20, true), await job(20, true), await job(5, true)];

  await retention.run();

  assert.ok(await log.bytes() <= 4_000);
  assert.deepEqual(await left(), [ended[2].id, running.id]);
});

test("where a full disk keeps a removed job from being freed, no other goes for it", async () => {
  const { retention, log, job, left } = bench({ bytesMax: 4_000 });
  await job(20, true);
  const others = [await job(20, true), await job(20, true)];
  const before = await log.bytes();
  log.bytes = () => Promise.resolve(before);
  const remove = log.remove.bind(log);
  log.remove = (key, epoch) => {
    log.collect = () => Promise.reject(new StorageFullError());
    return remove(key, epoch);
  };

  await assert.rejects(retention.run(), StorageFullError);

  assert.deepEqual(await left(), others.map(({ id }) => id).reverse());
});

test("a round finishes the removals that were broken off, also where nothing else is to go", async () => {
  const { retention, log } = bench({});
  let finished = 0;
  log.collect = () => Promise.resolve(void finished++);

  await retention.run();

  assert.equal(finished, 1);
});

test("a job that is removed meanwhile is in the way of no other", async () => {
  const { retention, log, job } = bench({ entriesMax: 10 });
  const [gone, other] = [await job(50, false), await job(50, false)];
  const trim = log.trim.bind(log);
  log.trim = async (key, limits) => {
    if (key.id === gone.id) await log.remove(gone);
    return await trim(key, limits);
  };

  await retention.run();

  assert.equal((await log.get(other))?.held, 10);
});

test("a full disk is not told of by what helps against it, and any other fault is", async () => {
  const { retention, log, clock, faults } = bench({});
  const faulty = new Error("disk I/O error");
  const causes = [new StorageFullError(), faulty];
  log.collect = () => Promise.reject(causes.shift());

  retention.start();
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  clock.advance(60_000);
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  await retention.stop();

  assert.deepEqual(faults, [faulty]);
});

test("it looks again every minute, until it is stopped", async () => {
  const { retention, clock, job, left, faults } = bench({ ageMs: 1_000 });
  retention.start();
  await job(1, true);
  await until(() => clock.waiting === 1); // the first round is over
  clock.advance(60_000);
  await until(() => clock.waiting === 1);
  const after = await left();
  await retention.stop();

  assert.deepEqual([after, clock.waiting, faults], [[], 0, []]);
});

test("a stop waits a second for a removal that takes long, and is not told how that went", async () => {
  const { retention, log, clock, faults } = bench({});
  const removal = Promise.withResolvers<void>();
  log.collect = () => removal.promise;
  retention.start();
  let over = false;

  const stopped = retention.stop().then(() => over = true);
  clock.advance(999);
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  const early = over;
  clock.advance(1);
  await stopped;
  removal.reject(new Error("the log is closed"));
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));

  assert.deepEqual([early, faults, clock.waiting], [false, [], 0]);
});
