import assert from "node:assert/strict";
import { test } from "node:test";
import { NotOutsideError } from "../../src/jobs/batch.ts";
import { end, WORKER_LOST } from "../../src/jobs/changes.ts";
import { JobExistsError, OutsideJobs } from "../../src/jobs/outside_jobs.ts";
import { WORKER_LEASE_MS } from "../../src/sync/event_limits.ts";
import { NO_STAMP, ProducerFencedError, ProducerOrderError } from "../../src/jobs/producers.ts";
import { Syncs } from "../../src/jobs/syncs.ts";
import {
  CounterTooLargeError,
  CounterWentBackError,
  TooManyTypesError,
} from "../../src/jobs/worker_totals.ts";
import { JobEndedError } from "../../src/log/log_errors.ts";
import { MemoryLog } from "../support/memory_log.ts";
import type { ProgressEvent, WorkerEvent } from "../../src/sync/event.ts";
import { type JobKey, newJobId, parseSyncId } from "../../src/sync/ids.ts";
import { logWords } from "../../src/sync/log_text.ts";
import type { Counters } from "../../src/sync/producer.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { newJob, TENANT } from "../support/log_contract.ts";

const at = (counters: Partial<Counters>, more: Partial<ProgressEvent> = {}): WorkerEvent => ({
  type: "progress",
  delta: false,
  counters,
  ...more,
});
const add = (counters: Partial<Counters>) => at(counters, { delta: true });
const say = (message: string): WorkerEvent => ({
  type: "log",
  line: { kind: "log", level: "info", message },
});
const done: WorkerEvent = { type: "end", status: "completed" };

async function bench() {
  const clock = new FakeClock();
  const log = new MemoryLog(clock);
  const outside = new OutsideJobs({ log, syncs: new Syncs([], []), clock });
  const { job } = await outside.create({ tenant: TENANT, sync: "nightly" });
  const post = (key: JobKey, events: WorkerEvent[], stamp = {}, offset = 0) =>
    outside.post(key, { stamp: { ...NO_STAMP, ...stamp }, offset, events });
  return { clock, log, outside, job, post };
}

test("create() twice is once, also with other words; another sync's id is refused", async () => {
  const { outside, clock, log, job } = await bench();
  const asked = { tenant: TENANT, id: newJobId(), sync: "users", total: 9, tags: ["a"] };

  const first = await outside.create(asked);
  const again = await outside.create({ ...asked, tags: ["b"] });

  assert.deepEqual([first.created, again.created], [true, false]);
  assert.deepEqual(again.job, first.job);
  assert.deepEqual([first.job.progress.total, first.job.status], [9, "pending"]);
  assert.equal(first.job.leaseUntilMs, clock.now() + WORKER_LEASE_MS);
  await assert.rejects(outside.create({ ...asked, sync: "orders" }), JobExistsError);
  const own = await log.create(newJob({ sync: job.sync }));
  await assert.rejects(
    outside.create({ tenant: TENANT, id: own.job.id, sync: "nightly" }),
    (error) => error instanceof JobExistsError && error.message.endsWith("the server's own"),
  );
});

test("create() counts the first lease from when the job is stored, not from when it was asked for", async () => {
  const { outside, clock, log } = await bench();
  const create = log.create.bind(log);
  log.create = (job, options) => {
    clock.advance(8_000); // a slow disk
    return create(job, options);
  };

  const { job } = await outside.create({ tenant: TENANT, leaseMs: 5_000 });

  assert.deepEqual([job.createdAtMs, job.leaseUntilMs], [clock.now() - 8_000, clock.now() + 5_000]);
});

test("a batch of progress with a long table of types is as few entries as it takes, and all lines", async () => {
  const { log, job, post } = await bench();
  const types = Array.from({ length: 1_000 }, (_, n) => [`${n}`.padEnd(200, "x"), 1]);
  await post(job, [at({ encountered: Object.fromEntries(types) })]);
  const events = Array.from(
    { length: 1_000 },
    (_, n) => n % 100 === 0 ? say(`${n}`) : add({ kept: 1 }),
  );
  const stamp = { id: "p", number: 0 };

  const first = await post(job, events, stamp);
  const again = await post(job, events, stamp);
  const { entries } = await log.read(job, { after: 1, limit: 2_000, logs: "debug" });

  const length = entries.reduce((sum, entry) => sum + JSON.stringify(entry).length, 0);
  assert.ok(length < 2 * 1024 * 1024, `${length} characters`);
  assert.deepEqual(entries.map(({ seq }) => seq), entries.map((_, n) => n + 2));
  assert.equal(entries.filter(({ kind }) => kind === "log").length, 10);
  const last = entries.at(-1);
  assert.equal(last?.kind === "progress" && last.progress.kept, 990);
  assert.deepEqual([again.firstSeq, again.lastSeq], [first.firstSeq, first.lastSeq]);
  assert.equal((await log.get(job))?.progress.kept, 990);
});

test("create() finds a registered sync by its id, and counts attempts", async () => {
  const { outside, job } = await bench();
  const syncId = job.sync?.id ?? "";

  const again = await outside.create({ tenant: TENANT, sync: syncId, retryOf: job.id });
  const third = await outside.create({ tenant: TENANT, retryOf: again.job.id });
  const ofNone = await outside.create({ tenant: TENANT, retryOf: newJobId() });

  assert.deepEqual(again.job.sync, { id: parseSyncId(syncId), name: "nightly" });
  // Of a job that is gone no more is known than that it was tried.
  const attempts = [again, third, ofNone].map((each) => each.job.attempt);
  assert.deepEqual(attempts, [2, 3, 2]);
});

test("post() makes each event one entry, and the first progress begins the job", async () => {
  const { post, job, log } = await bench();

  const posted = await post(job, [say("hello"), at({ inserted: 3 }), at({}, { phase: "index" })]);
  const { entries } = await log.read(job, { after: 0, limit: 9, logs: "debug" });

  assert.deepEqual([posted.firstSeq, posted.lastSeq], [1, 3]);
  assert.deepEqual(entries.map((entry) => entry.kind), ["log", "progress", "progress"]);
  const now = posted.job;
  assert.deepEqual([now.status, now.progress.inserted, now.progress.phase], [
    "in_progress",
    3,
    "index",
  ]);
});

test("post() sums the totals of producers, so that they do not overwrite each other", async () => {
  const { post, job } = await bench();

  for (const total of [1, 5]) {
    for (const id of ["a", "b", "c"]) {
      await post(job, [at({ inserted: total, encountered: { user: total } })], { id });
    }
  }
  await post(job, [at({ kept: 4 })]);
  const { job: now } = await post(job, [add({ kept: 2, bytes: 10 }), add({ kept: 1, bytes: 5 })]);

  assert.deepEqual(
    [now.progress.inserted, now.progress.kept, now.progress.bytesDone, now.progress.encountered],
    [15, 7, 15, { user: 15 }],
  );
});

test("post() refuses a total that goes back, and all that came with it", async () => {
  const { post, job, log } = await bench();
  await post(job, [at({ inserted: 5 })]);

  await assert.rejects(
    post(job, [at({ inserted: 6 }), at({ inserted: 4 })]),
    (error) => error instanceof CounterWentBackError && /inserted to 4.*was 6/.test(error.message),
  );

  assert.equal((await log.get(job))?.seq, 1);
});

test("post() counts entities of any type, also one that is named as what every object has", async () => {
  const { post, job } = await bench();
  const types = { constructor: 1, toString: 2, valueOf: 3 };

  await post(job, [at({ encountered: types })]);
  const { job: now } = await post(job, [at({ encountered: { constructor: 5 } })]);

  assert.deepEqual(now.progress.encountered, { ...types, constructor: 5 });
});

test("post() refuses more entity types than every entry can carry", async () => {
  const { job, post, log } = await bench();
  const types = (from: number, count: number) =>
    at({ encountered: Object.fromEntries(Array.from({ length: count }, (_, n) => [from + n, 1])) });
  await post(job, [types(0, 600)]);

  await assert.rejects(post(job, [types(600, 401)]), TooManyTypesError);
  await post(job, [types(600, 400)]);

  assert.equal((await log.get(job))?.seq, 2);
});

test("post() tells of each event the types as they stood then, also of those beyond its limit", async () => {
  const { job, post, log } = await bench();
  const names = Array.from({ length: 1_000 }, (_, n) => `type ${n}`);
  await post(job, [at({ encountered: Object.fromEntries(names.map((name) => [name, 0])) })]);
  const events = Array.from({ length: 3_000 }, (_, n) => [
    add({ encountered: { [names[n % 1_000]]: 1 } }),
    add({ inserted: 1 }),
  ]);

  await post(job, events.flat());

  const { entries } = await log.read(job, { after: 1, limit: 1_000 });
  const told = entries.filter((entry) => entry.kind === "progress").map(({ progress }) => progress);
  const sum = (counts: Readonly<Record<string, number>>) =>
    Object.values(counts).reduce((all, count) => all + count, 0);
  assert.ok(told.length > 10 && told.length < 200, `${told.length} entries`);
  for (const [n, { inserted, encountered }] of told.slice(0, -1).entries()) {
    assert.deepEqual([sum(encountered), inserted], [Math.floor(n / 2) + 1, Math.ceil(n / 2)]);
  }
  assert.deepEqual([sum(told.at(-1)?.encountered ?? {}), told.at(-1)?.inserted], [3_000, 3_000]);
});

test("post() of a request that was posted before answers its seqs and appends nothing", async () => {
  const { post, job, log } = await bench();
  const stamp = { id: "w", number: 0 };
  const first = await post(job, [add({ inserted: 2 }), say("x")], stamp);
  await post(job, [add({ inserted: 1 })], { id: "other", number: 0 });
  await post(job, [add({ inserted: 1 })], { id: "w", number: 1 });

  const again = await post(job, [add({ inserted: 2 }), say("x")], stamp);

  assert.deepEqual([again.firstSeq, again.lastSeq], [first.firstSeq, first.lastSeq]);
  const now = await log.get(job);
  assert.deepEqual([now?.seq, now?.progress.inserted], [4, 4]);
});

test("post() remembers five requests, and a repeated one leaves the next number as it was", async () => {
  const { post, job } = await bench();
  const posted = (number: number) => post(job, [say(`${number}`)], { id: "w", number });
  for (let number = 0; number < 6; number++) await posted(number);

  const again = await posted(1);
  const forgotten = posted(0);

  assert.deepEqual([again.firstSeq, again.lastSeq], [2, 2]);
  await assert.rejects(
    forgotten,
    (error) => error instanceof ProducerOrderError && error.expected === 6,
  );
  assert.equal((await posted(6)).lastSeq, 7);
});

test("post() goes on where a request was cut", async () => {
  const { post, job, log } = await bench();
  const stamp = { id: "w", number: 0 };
  const events = [1, 2, 3, 4].map((n) => say(`${n}`));
  await post(job, events.slice(0, 3), stamp);

  const again = await post(job, events, stamp);

  const { entries } = await log.read(job, { after: 0, limit: 9, logs: "debug" });
  assert.deepEqual(entries.map((entry) => entry.kind === "log" && logWords(entry).message), [
    "1",
    "2",
    "3",
    "4",
  ]);
  assert.deepEqual([again.firstSeq, again.lastSeq], [1, 4]);
});

test("post() takes no event twice, though a repetition is cut sooner than what it repeats", async () => {
  const { post, job } = await bench();
  const stamp = { id: "w", number: 0 };
  const events = [1, 2, 3, 4].map((n) => say(`${n}`));
  await post(job, events, stamp);

  await post(job, events.slice(0, 2), stamp);
  const again = await post(job, events, stamp);

  assert.deepEqual([again.firstSeq, again.lastSeq, again.job.seq], [1, 4, 4]);
});

test("post() leaves what a total does not name as it was", async () => {
  const { post, job } = await bench();
  const told = { total: 9, bytesTotal: 900, phase: "copying", current: "a.txt" };

  await post(job, [at({ warnings: 1 }, told)]);
  const { job: now } = await post(job, [at({ inserted: 1 })]);

  const { total, bytesTotal, phase, current, warnings } = now.progress;
  assert.deepEqual({ total, bytesTotal, phase, current }, told);
  assert.equal(warnings, 1);
});

test("post() takes the parts of one request in turn, and an empty request counts", async () => {
  const { post, job } = await bench();
  const stamp = { id: "w", number: 0 };

  await post(job, [say("1"), say("2")], stamp);
  await post(job, [say("3")], stamp, 2);
  const empty = await post(job, [], { id: "w", number: 1 });
  const again = await post(job, [], { id: "w", number: 1 });
  const next = await post(job, [say("4")], { id: "w", number: 2 });

  assert.ok(empty.firstSeq > empty.lastSeq);
  assert.deepEqual([again.firstSeq, again.lastSeq], [empty.firstSeq, empty.lastSeq]);
  assert.deepEqual([next.firstSeq, next.lastSeq], [4, 4]);
});

test("post() fences a producer whose name a newer one has taken, and tells the number it expects", async () => {
  const { post, job } = await bench();
  await post(job, [at({ inserted: 5 })], { id: "w", epoch: 1, number: 0 });
  const newer = await post(job, [at({ inserted: 2 })], { id: "w", epoch: 2, number: 0 });

  assert.equal(newer.job.progress.inserted, 7);
  await assert.rejects(post(job, [say("x")], { id: "w", epoch: 1 }), ProducerFencedError);
  await assert.rejects(
    post(job, [say("x")], { id: "w", epoch: 2, number: 3 }),
    (error) => error instanceof ProducerOrderError && error.expected === 1,
  );
});

test("post() renews the lease, but not of a job that is to stop", async () => {
  const { post, job, log, clock } = await bench();
  clock.advance(60_000);

  await post(job, []);
  const renewed = (await log.get(job))?.leaseUntilMs;
  await log.append(job, () => ({
    facts: [{ kind: "progress", status: "cancelling", progress: job.progress }],
    leaseUntilMs: 5,
  }));
  const { job: cancelling } = await post(job, [at({ inserted: 1 })]);

  assert.equal(renewed, clock.now() + WORKER_LEASE_MS);
  assert.deepEqual([cancelling.status, cancelling.leaseUntilMs], ["cancelling", 5]);
});

test("hold() adds the time that a worker is told to wait to its lease, but not to one that is to stop", async () => {
  const { outside, job, log, clock } = await bench();
  clock.advance(60_000);

  await outside.hold(job, 7_000);
  const held = (await log.get(job))?.leaseUntilMs;
  await log.append(job, () => ({
    facts: [{ kind: "progress", status: "cancelling", progress: job.progress }],
    leaseUntilMs: 5,
  }));
  await outside.hold(job, 7_000);

  assert.equal(held, clock.now() + 7_000 + WORKER_LEASE_MS);
  assert.equal((await log.get(job))?.leaseUntilMs, 5);
});

test("hold() leaves alone what the server runs itself, and what is over", async () => {
  const { outside, post, job, log } = await bench();
  const { job: own } = await log.create(newJob({ leaseUntilMs: 5 }));
  await post(job, [done]);

  for (const each of [own, job]) await outside.hold(each, 7_000);

  const leases = [await log.get(own), await log.get(job)].map((each) => each?.leaseUntilMs);
  assert.deepEqual(leases, [5, null]);
});

test("a failure that its worker gives no reason for says that", async () => {
  const { outside, post, job } = await bench();
  const { job: cancelled } = await outside.create({ tenant: TENANT });

  const failed = await post(job, [{ type: "end", status: "failed" }]);
  const over = await post(cancelled, [{ type: "end", status: "cancelled" }]);

  assert.equal(failed.job.error?.code, "worker_failed");
  assert.equal(over.job.error, null);
});

test("an end that comes after the job was lost is kept beside it, once", async () => {
  const { post, job, log, clock } = await bench();
  await log.append(job, end({ status: "failed", error: WORKER_LOST }));
  clock.advance(1_000);

  await assert.rejects(post(job, [say("I live"), done]), JobEndedError);
  const failed: WorkerEvent = { type: "end", status: "failed", error: { code: "x", message: "y" } };
  await assert.rejects(post(job, [failed]), JobEndedError);

  const { status, seq, lateEnd } = await log.get(job) ?? {};
  assert.deepEqual([status, seq], ["failed", 1]);
  assert.deepEqual(lateEnd, { status: "completed", error: null, atMs: clock.now() });
});

test("an end is repeated in vain, but a repeated request is answered also after the end", async () => {
  const { post, job, log } = await bench();
  const stamp = { id: "w", number: 0 };
  const first = await post(job, [at({ inserted: 1 }), done], stamp);

  const again = await post(job, [at({ inserted: 1 }), done], stamp);

  assert.deepEqual([again.firstSeq, again.lastSeq, again.job.status], [1, 2, "completed"]);
  assert.equal(first.lastSeq, 2);
  await assert.rejects(post(job, [done]), JobEndedError);
  assert.equal((await log.get(job))?.lateEnd, null);
});

test("post() of a job that the server runs itself is refused", async () => {
  const { post, log } = await bench();
  const { job } = await log.create(newJob());

  await assert.rejects(post(job, [say("x")]), NotOutsideError);
});

test("rate, percent and time left follow from what is posted", async () => {
  const { post, job, clock } = await bench();
  await post(job, [at({ inserted: 0 }, { total: 1_000 })]);
  let now = job;
  for (let second = 1; second <= 20; second++) {
    clock.advance(1_000);
    now = (await post(job, [at({ inserted: second * 20 })])).job;
  }

  const { ratePerS, percent, etaS } = now.progress;
  assert.ok(ratePerS && Math.abs(ratePerS - 20) < 0.5, `${ratePerS}`);
  assert.equal(percent, 40);
  assert.ok(etaS && Math.abs(etaS - 30) <= 1, `${etaS}`);
});

test("two posts of one moment are no rate of thousands, and a steady rate is told soon", async () => {
  const { post, job, clock } = await bench();
  const rate = async (inserted: number, ms: number) => {
    clock.advance(ms);
    return (await post(job, [at({ inserted })])).job.progress.ratePerS;
  };

  await rate(0, 0);
  const moment = await rate(280, 4) ?? 0;
  for (let tenth = 1; tenth < 30; tenth++) await rate(280 + tenth * 20, 100);
  const steady = await rate(880, 100) ?? 0;

  assert.ok(moment > 270 && moment < 300, `${moment}`);
  assert.ok(steady > 250 && steady < 310, `${steady}`); // 880 in three seconds
});

test("no rate is above all that has been counted, a second", async () => {
  const { post, job, clock } = await bench();
  await post(job, [at({ inserted: 0, bytes: 0 })]);

  for (let tenth = 1; tenth <= 12; tenth++) {
    clock.advance(100);
    const counted = { inserted: tenth * 100, bytes: tenth * 1_000 };
    const { ratePerS, bytesPerS } = (await post(job, [at(counted)])).job.progress;

    assert.ok(ratePerS && ratePerS <= counted.inserted, `${ratePerS} of ${counted.inserted}`);
    assert.ok(bytesPerS && bytesPerS <= counted.bytes, `${bytesPerS} of ${counted.bytes}`);
  }
});

test("no time left is told in a job's first three seconds, nor beyond its total", async () => {
  const { post, job, clock } = await bench();
  const left = async (inserted: number, ms: number) => {
    clock.advance(ms);
    return (await post(job, [at({ inserted }, { total: 4_000 })])).job.progress.etaS;
  };

  const early = [await left(1, 0), await left(2, 1_000), await left(200, 1_999)];
  const told = await left(2_000, 1_001);
  const beyond = await left(4_001, 4_000);

  assert.deepEqual([early, beyond], [[undefined, undefined, undefined], undefined]);
  assert.ok(told !== undefined && told > 0, `${told}`);
});

test("percent is what its worker says where no total is known, and never goes back", async () => {
  const { post, job } = await bench();
  const percent = async (event: WorkerEvent) => (await post(job, [event])).job.progress.percent;

  assert.equal(await percent(at({}, { percent: 12.34 })), 12.3);
  assert.equal(await percent(at({}, { percent: 5 })), 12.3);
  assert.equal(await percent(at({ inserted: 1 })), 12.3);
  assert.equal(await percent(at({ inserted: 50 }, { total: 100, percent: 99 })), 50);
});

test("percent is by bytes where they are known, and never goes back", async () => {
  const { post, job } = await bench();
  const percent = async (event: WorkerEvent) => (await post(job, [event])).job.progress.percent;

  assert.equal(await percent(at({ inserted: 50 }, { total: 100 })), 50);
  assert.equal(await percent(at({ bytes: 700 }, { bytesTotal: 1_000 })), 70);
  assert.equal(await percent(at({}, { bytesTotal: 10_000 })), 70);
  assert.equal((await post(job, [done])).job.progress.percent, 100);
});

test("percent is by entities where a worker tells its bytes in all and never those that are done", async () => {
  const { post, job } = await bench();
  const percent = async (event: WorkerEvent) => (await post(job, [event])).job.progress.percent;

  assert.equal(await percent(at({}, { bytesTotal: 1_000 })), 0);
  assert.equal(await percent(at({ inserted: 50 }, { total: 100 })), 50);
  assert.equal(await percent(at({ inserted: 60, bytes: 800 })), 80);
});

test("percent is 100 only of what is done, never above, and deleting is no part of it", async () => {
  const { post, job } = await bench();
  const percent = async (event: WorkerEvent) => (await post(job, [event])).job.progress.percent;

  assert.equal(await percent(at({ deleted: 5_000 }, { total: 10_000 })), 0);
  assert.equal(await percent(at({ skipped: 500 })), 5);
  assert.equal(await percent(at({ inserted: 9_499 })), 99.9);
  assert.equal(await percent(at({ updated: 1 })), 100);
  assert.equal(await percent(at({ kept: 500 })), 100);
});

test("nothing is left where all is done, and bytes that are done are left no more", async () => {
  const { post, job, clock } = await bench();
  const left = async (event: WorkerEvent) => {
    clock.advance(4_000);
    return (await post(job, [event])).job.progress.etaS;
  };

  await left(at({ inserted: 0 }, { total: 100 }));
  assert.equal(await left(at({ inserted: 100 })), 0);
  await left(at({ bytes: 500 }, { bytesTotal: 1_000 }));
  const half = await left(at({ bytes: 900 })) ?? 0;
  const all = await left(at({ bytes: 1_000 }));

  assert.deepEqual([half > 0 && half < 4, all], [true, 0], `${half} s`);
});

test("bytes that were told stay where an event tells none", async () => {
  const { post, job } = await bench();
  await post(job, [at({ bytes: 700, warnings: 2 }, { bytesTotal: 1_000 })]);

  const { progress } = (await post(job, [at({ inserted: 1 })])).job;

  assert.deepEqual([progress.bytesDone, progress.warnings, progress.percent], [700, 2, 70]);
});

test("rates are numbers, whatever the clock does between two events", async () => {
  const { post, job, clock } = await bench();
  const rate = async (inserted: number, ms: number) => {
    clock.set(clock.now() + ms);
    return (await post(job, [at({ inserted })])).job.progress.ratePerS;
  };

  const first = [await rate(99, 0), await rate(100, 0)];
  const steady = await rate(110, 4_000) ?? NaN;
  const same = await rate(115, 0) ?? NaN;
  const later = await rate(1_000, 7_200_000) ?? NaN;
  const back = await rate(1_000, -3_600_000) ?? NaN;

  const unknown = [undefined, undefined];
  assert.deepEqual(first, unknown, "nobody knows for how long those were counted");
  assert.ok(steady > 2 && steady < 4, `${steady}`);
  assert.notEqual(steady, Math.round(steady));
  assert.ok(same > steady && same < 10, `${same}`);
  assert.ok(later > 0 && later < 1, `${later}`);
  assert.ok(back > 0 && back < 1, `${back}`);
});

test("counters of several producers that would add up to more than a number holds are refused", async () => {
  const { post, job } = await bench();
  const most = Number.MAX_SAFE_INTEGER;
  await post(job, [at({ inserted: most - 1, encountered: { user: most - 1 } })], { id: "a" });

  for (const counters of [{ inserted: 2 }, { encountered: { user: 2 } }]) {
    await assert.rejects(post(job, [at(counters)], { id: "b" }), CounterTooLargeError);
  }
  const { progress } = (await post(job, [at({ inserted: 1 })], { id: "b" })).job;

  assert.deepEqual([progress.inserted, progress.encountered], [most, { user: most - 1 }]);
});

test("a worker that counts no entities has no rate", async () => {
  const { clock, post, job, log } = await bench();
  for (const percent of [10, 20, 30]) {
    clock.advance(1_000);
    await post(job, [at({}, { percent })]);
  }

  const { progress } = await log.get(job) ?? {};
  assert.deepEqual([progress?.ratePerS, progress?.percent], [undefined, 30]);
});
