import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { cancel, giveUp } from "../../../src/jobs/changes.ts";
import type { EventLog } from "../../../src/log/event_log.ts";
import { StorageFaultError, StorageFullError } from "../../../src/log/log_errors.ts";
import { newJobId } from "../../../src/sync/ids.ts";
import { logWords } from "../../../src/sync/log_text.ts";
import { feedBench } from "../../support/feed_bench.ts";
import { TENANT } from "../../support/log_contract.ts";

/** Has the log refuse what is appended and created for as long as `cause` gives a reason. */
function refusing({ log }: ReturnType<typeof feedBench>, cause: () => Error | undefined): void {
  const append = log.append.bind(log);
  const create = log.create.bind(log);
  const or = <T>(go: () => Promise<T>): Promise<T> => {
    const reason = cause();
    return reason ? Promise.reject(reason) : go();
  };
  log.append = (key, decide) => or(() => append(key, decide));
  log.create = (job, options) => or(() => create(job, options));
}

test("messages that come together lose no total and no word", async () => {
  const feed = feedBench();
  const id = newJobId();

  await feed.say(
    "p:a",
    { inserted: 1, encountered: { user: 1 } },
    { inserted: 100, updated: 3, phase: "x", encountered: { user: 3 } },
    { inserted: 90, bytes_done: 7, encountered: { role: 1 } },
    { total: 200, bytes_total: 9 },
    { type: "ping" },
    { status: "done" },
  );
  await feed.say(`p:${id}`, { inserted: 1 }, { kept: 7 }, { inserted: 5 }, { is_complete: true });

  const [{ progress: one, status }, { progress }] = await feed.jobs();
  assert.deepEqual([one.inserted, one.kept, status], [5, 7, "completed"]);
  const { inserted, updated, bytesDone, phase, encountered } = progress;
  assert.deepEqual([inserted, updated, bytesDone, phase], [100, 3, 7, "x"]);
  assert.deepEqual([progress.total, progress.bytesTotal], [200, 9]);
  assert.deepEqual(encountered, { user: 3, role: 1 });
});

test("an end that comes at whatever moment of the storing of totals is stored", async () => {
  const feed = feedBench();

  for (let ticks = 0; ticks < 60; ticks++) {
    const totals = feed.say(`p:${ticks}`, { inserted: 1 });
    for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
    await Promise.all([totals, feed.say(`p:${ticks}`, { inserted: 2, status: "done" })]);
  }

  const left = (await feed.jobs()).filter(({ status }) => status !== "completed");
  assert.deepEqual(left.map(({ name }) => name), []);
});

test("a sign of life that comes with totals does not take their place", async () => {
  const feed = feedBench();

  await feed.say("p:a", { inserted: 1 }, { inserted: 7, current: "y" }, { type: "ping" });

  const [{ progress: { inserted, current } }] = await feed.jobs();
  assert.deepEqual([inserted, current], [7, "y"]);
});

test("a job that a worker counts itself is left alone, its end too, and that is told once", async () => {
  const feed = feedBench();
  const id = newJobId();
  const key = { tenant: TENANT, id };
  const stamp = { id: "", epoch: 0, number: undefined };
  await feed.outside.create({ ...key, sync: "legacy" });

  for (const inserted of [10, 20, 30]) {
    const event = { type: "progress", delta: false, counters: { inserted } } as const;
    await feed.outside.post(key, { stamp, offset: 0, events: [event] });
    await feed.say(`p:${id}`, { inserted });
  }
  await feed.say(`p:${id}`, { status: "done" });

  assert.deepEqual(await feed.shown(), ["null in_progress 30"]);
  assert.deepEqual(feed.refused, [
    `p:${id}: Cannot count what the feed says of job "${id}": a worker posts its totals`,
  ]);
  assert.equal(feed.clock.waiting, 0); // nor is it tried again
});

for (const type of ["constructor", "toString", "__proto__", "", "x".repeat(201)]) {
  const words = type.length > 200 ? "201 characters" : `"${type}"`;
  test(`an entity type of ${words} stops neither totals nor the end`, async () => {
    const feed = feedBench();
    const message = (count: number, rest = "") =>
      JSON.parse(`{"inserted":${count},"encountered":{"${type}":${count},"user":2}${rest}}`);

    await feed.say("p:a", message(1));
    await feed.say("p:a", message(2, ',"status":"done"'));

    const [{ progress: { encountered } }] = await feed.jobs();
    assert.deepEqual([await feed.shown(), feed.refused], [["a completed 2"], []]);
    assert.equal(encountered.user, 2);
    const kept = type === "constructor" || type === "toString";
    assert.equal(Object.hasOwn(encountered, type), kept);
  });
}

test("entity types beyond a thousand are left out, with a line in the job's log", async () => {
  const feed = feedBench();
  const types = Object.fromEntries(Array.from({ length: 999 }, (_, index) => [`a${index}`, 1]));

  await feed.say("p:a", { encountered: types });
  await feed.say("p:a", { encountered: { b: 1, c: 1 } });
  await feed.say("p:a", { inserted: 3, encountered: { d: 1, b: 2 }, status: "done" });

  const [job] = await feed.jobs();
  const { encountered } = job.progress;
  assert.deepEqual(await feed.shown(), ["a completed 3"]);
  assert.deepEqual([Object.keys(encountered).length, encountered.b], [1_000, 2]);
  const lines = { after: 0, limit: 10, logs: "debug", only: "logs" } as const;
  const { entries } = await feed.log.read(job, lines);
  assert.deepEqual(entries.map((entry) => entry.kind === "log" && logWords(entry).message), [
    "Entity types are left out: a job has at most 1000, of 1 to 200 characters",
  ]);
});

test("entity types are said to be left out also of messages that come together", async () => {
  const feed = feedBench();
  const types = (name: string) =>
    Object.fromEntries(Array.from({ length: 600 }, (_, index) => [`${name}${index}`, 1]));

  await feed.say("p:a", { inserted: 1 }, { encountered: { "": 1 } }, { inserted: 2 });
  await feed.say("p:b", { inserted: 1 }, { encountered: types("a") }, { encountered: types("b") });

  for (const job of await feed.jobs()) {
    const lines = { after: 0, limit: 10, logs: "debug", only: "logs" } as const;
    const { entries } = await feed.log.read(job, lines);
    assert.equal(entries.length, 1, `${job.name}`);
  }
});

test("an end that waits behind totals which are refused is appended at once", async () => {
  const feed = feedBench();
  await feed.say("p:a", { inserted: 1 });
  const reasons = [new StorageFullError()];
  refusing(feed, () => reasons.pop());

  await feed.say("p:a", { inserted: 2 }, { status: "done" });

  assert.deepEqual(await feed.shown(), ["a completed 2"]);
  assert.equal(feed.refused.length, 1);
});

test("an end that comes while totals wait for room is appended at once, where ends have some", async () => {
  const feed = feedBench();
  await feed.say("p:a", { inserted: 1 });
  const log: EventLog = feed.log;
  const append = log.append.bind(log);
  log.append = (key, decide, options) =>
    options?.urgent ? append(key, decide, options) : Promise.reject(new StorageFullError());

  await feed.say("p:a", { inserted: 5 });
  const before = await feed.shown();
  await feed.say("p:a", { status: "done" });

  assert.deepEqual([before, await feed.shown()], [["a in_progress 1"], ["a completed 5"]]);
  assert.equal(feed.clock.waiting, 0);
});

test("an end that waits is not made part of the next run", async () => {
  const feed = feedBench();
  await feed.say("p:a", { inserted: 5 });
  let reason: Error | undefined = new StorageFullError();
  refusing(feed, () => reason);

  await feed.say("p:a", { inserted: 9, status: "done" });
  await feed.say("p:a", { inserted: 1 });
  feed.clock.advance(100);
  await setImmediate();
  reason = undefined;
  feed.clock.advance(200);
  await setImmediate();

  assert.deepEqual(await feed.shown(), ["a completed 9", "a in_progress 1"]);
});

test("each run whose totals go back has its own line of that, once", async () => {
  const feed = feedBench();
  const lines = { after: 0, limit: 10, logs: "debug", only: "logs" } as const;

  for (let run = 0; run < 2; run++) {
    for (const inserted of [5, 4, 3]) {
      await feed.say("p:a", { inserted, encountered: { user: inserted } });
    }
    await feed.say("p:a", { inserted: 6 + run, status: "done" });
  }

  for (const job of await feed.jobs()) {
    const { entries } = await feed.log.read(job, lines);
    assert.deepEqual([entries.length, job.progress.encountered], [1, { user: 5 }]);
  }
  assert.deepEqual(await feed.shown(), ["a completed 6", "a completed 7"]);
});

for (
  const [what, first, second] of [
    ["a count", { inserted: 5 }, { inserted: 4 }],
    ["bytes", { bytes_done: 5 }, { bytes_done: 4 }],
    ["an entity type", { encountered: { user: 5 } }, { encountered: { user: 4 } }],
  ] as const
) {
  test(`totals of which ${what} alone goes back stay the highest, with a line of that`, async () => {
    const feed = feedBench();

    await feed.say("p:a", first);
    const [{ progress: before }] = await feed.jobs();
    await feed.say("p:a", second);

    const [job] = await feed.jobs();
    const lines = { after: 0, limit: 10, logs: "debug", only: "logs" } as const;
    const { entries } = await feed.log.read(job, lines);
    assert.equal(entries.length, 1);
    const totals = ({ inserted, bytesDone, encountered }: typeof before) => [
      inserted,
      bytesDone,
      encountered,
    ];
    assert.deepEqual(totals(job.progress), totals(before));
  });
}

for (
  const [what, counters] of [
    ["bytes", { bytes: 5 }],
    ["entity types", { encountered: { user: 5 } }],
  ] as const
) {
  test(`a job of which a worker counts no more than ${what} is left alone, too`, async () => {
    const feed = feedBench();
    const id = newJobId();
    const key = { tenant: TENANT, id };
    await feed.outside.create({ ...key, sync: "legacy" });
    const stamp = { id: "", epoch: 0, number: undefined };
    const event = { type: "progress", delta: false, counters } as const;
    await feed.outside.post(key, { stamp, offset: 0, events: [event] });

    await feed.say(`p:${id}`, { inserted: 9 });

    assert.deepEqual([await feed.shown(), feed.refused.length], [["null in_progress 0"], 1]);
  });
}

test("what cannot be stored is tried until it can, a run that begins with its end too", async () => {
  const feed = feedBench();
  await feed.say("p:a", { inserted: 1 });
  let reason: Error | undefined = new StorageFaultError(new Error("database is locked"));
  refusing(feed, () => reason);

  await feed.say("p:a", { inserted: 5 }, { inserted: 9, status: "done" });
  await feed.say("p:b", { inserted: 7, status: "failed" });
  for (let tries = 0; tries < 20; tries++) {
    feed.clock.advance(5_000);
    await setImmediate();
  }
  reason = undefined;
  feed.clock.advance(5_000);
  await setImmediate();

  assert.deepEqual(await feed.shown(), ["a completed 9", "b failed 7"]);
  const words = "Cannot write to the event log: database is locked";
  assert.deepEqual(feed.refused, [`p:a: ${words}`, `p:b: ${words}`]);
  assert.equal(feed.clock.waiting, 0);
});

test("what cannot be stored is tried less and less often", async () => {
  const feed = feedBench();
  await feed.say("p:a", { inserted: 1 });
  let tries = 0;
  refusing(feed, () => {
    tries++;
    return new StorageFullError();
  });
  const triesAfter = async (ms: number) => {
    feed.clock.advance(ms);
    await setImmediate();
    return tries;
  };

  await feed.say("p:a", { inserted: 5 });
  const first = [await triesAfter(99), await triesAfter(1)];
  const later = [await triesAfter(199), await triesAfter(1), await triesAfter(399)];

  assert.deepEqual([first, later], [[1, 2], [2, 3, 3]]);
  const stopped = feed.stop();
  feed.clock.advance(2_000);
  await stopped;
});

test("stop() waits two seconds for what cannot be stored, and says of how many channels", async () => {
  const feed = feedBench();
  refusing(feed, () => new StorageFullError());
  await feed.say("p:a", { inserted: 5, status: "done" });
  for (let tries = 0; tries < 20; tries++) {
    feed.clock.advance(5_000);
    await setImmediate();
  }

  const stopped = feed.stop();
  feed.clock.advance(2_000);

  assert.equal(await stopped, 1);
  assert.equal(feed.clock.waiting, 0);
});

test("stop() waits for no other try of what is being stored, and cannot be", async () => {
  const feed = feedBench();
  const full = Promise.withResolvers<never>();
  feed.log.append = () => full.promise;
  await feed.say("p:a", { inserted: 5, status: "done" });

  const stopped = feed.stop();
  feed.clock.advance(2_000);
  await setImmediate();
  full.reject(new StorageFullError());

  assert.deepEqual([await stopped, feed.clock.waiting], [1, 0]);
});

test("of many ends that wait the last thousand are kept", async () => {
  const feed = feedBench();

  const ends = Array.from({ length: 5_000 }, (_, inserted) => ({ inserted, status: "done" }));
  await feed.say("p:a", ...ends);

  const [newest] = await feed.jobs();
  assert.equal((await feed.log.counts()).get("completed"), 1_001); // the first was under way
  assert.equal(newest.progress.inserted, 4_999);
  assert.deepEqual(feed.refused, ["p:a: More than 1000 ends wait to be stored"]);
});

test("a job that was removed does not come again, and a name begins another", async () => {
  const feed = feedBench();
  const channels = ["p:users", `p:${newJobId()}`];
  for (const channel of channels) await feed.say(channel, { inserted: 5 });
  for (const job of await feed.jobs()) await feed.log.remove(job);

  for (const channel of channels) {
    await feed.say(channel, { inserted: 6 });
    await feed.say(channel, { inserted: 7, status: "done" });
  }

  assert.deepEqual(await feed.shown(), ["users completed 7"]);
  assert.deepEqual(feed.refused, []);
});

test("a job on its way goes on after a restart, also where the run before it is gone", async () => {
  const feed = feedBench();
  await feed.say("p:a", { inserted: 5, status: "done" });
  await feed.say("p:a", { inserted: 7 });
  const [, first] = await feed.jobs();
  await feed.log.remove(first);

  await feed.restart();
  await feed.say("p:a", { inserted: 8 });
  await feed.say("p:a", { inserted: 9, status: "done" });

  assert.deepEqual(await feed.shown(), ["a completed 9"]);
});

test("all jobs on their way go on after a restart, however many they are", async () => {
  const feed = feedBench();
  for (let index = 0; index <= 200; index++) await feed.say(`p:${index}`, { inserted: 1 });

  await feed.restart();
  for (let index = 0; index <= 200; index++) await feed.say(`p:${index}`, { status: "done" });

  const counts = await feed.log.counts();
  assert.deepEqual([counts.get("completed"), counts.get("in_progress") ?? 0], [201, 0]);
});

test("stop() waits for nothing where all is stored", async () => {
  const feed = feedBench();
  await feed.say("p:a", { inserted: 5, status: "done" });

  assert.deepEqual([await feed.stop(), feed.clock.waiting], [0, 0]);
});

test("different channels are different jobs, whatever they are called; one UUID is one", async () => {
  const feed = feedBench();
  const long = "q".repeat(600);
  const names = ["users", "users/2", `${long}1`, `${long}2`, "", "p:", `${"é".repeat(199)}😀`];
  const id = newJobId();

  for (let run = 1; run <= 2; run++) {
    for (const [index, name] of names.entries()) {
      await feed.say(`p:${name}`, { inserted: 10 * run + index });
    }
    await feed.restart();
    for (const [index, name] of names.entries()) {
      await feed.say(`p:${name}`, { inserted: 20 * run + index, status: "done" });
    }
  }
  await feed.say(`p:${id}`, { inserted: 1 });
  await feed.say(`p:${id.toUpperCase()}`, { inserted: 2, status: "done" });

  const jobs = await feed.jobs();
  assert.equal(jobs.length, 2 * names.length + 1);
  assert.deepEqual(new Set(jobs.map(({ status }) => status)), new Set(["completed"]));
  assert.ok(jobs.every(({ name }) => name && name.length <= 200 && name.isWellFormed()));
});

test("a channel that was forgotten for others goes on in its job", async () => {
  const feed = feedBench();

  for (let index = 0; index <= 10_000; index++) await feed.say(`p:${index}`, { inserted: 1 });
  await feed.say("p:0", { inserted: 2, status: "done" });

  const { items } = await feed.log.list({ tenant: TENANT, limit: 200, statuses: ["completed"] });
  assert.deepEqual(items.map(({ name, progress }) => [name, progress.inserted]), [["0", 2]]);
  assert.equal((await feed.log.counts()).get("in_progress"), 10_000);
});

test("channels that have something to store are not forgotten for others", async () => {
  const feed = feedBench();
  const held = Promise.withResolvers<void>();
  const create = feed.log.create.bind(feed.log);
  feed.log.create = (job, options) => held.promise.then(() => create(job, options));

  await feed.say("p:0", { inserted: 1 });
  await feed.say("p:0", { inserted: 2, status: "done" });
  for (let index = 1; index <= 10_001; index++) await feed.say(`p:${index}`, { inserted: 1 });
  await feed.say("p:1", { inserted: 3, status: "done" });
  held.resolve();
  await feed.stop();

  const { items } = await feed.log.list({ tenant: TENANT, limit: 200, statuses: ["completed"] });
  assert.deepEqual(items.map(({ name, progress }) => [name, progress.inserted]), [
    ["1", 3],
    ["0", 2],
  ]);
  assert.equal((await feed.log.counts()).get("in_progress"), 10_000);
});

test("of too many channels that have something to store one is forgotten, and that is told", async () => {
  const feed = feedBench();
  const full = Promise.withResolvers<never>();
  feed.log.create = () => full.promise;

  for (let index = 0; index <= 30_000; index++) feed.say(`p:${index}`, { inserted: 1 });
  full.reject(new StorageFullError());
  await setImmediate();

  const [told, ...others] = feed.refused.filter((line) => !line.includes("no room left"));
  assert.match(told, /^p:\d+: More than 30000 channels wait to be stored$/);
  assert.deepEqual(others, []);
});

test("an end that is said again begins no run, nor does a message that says nothing", async () => {
  const feed = feedBench();

  await feed.say("p:a", { inserted: 5 });
  for (let times = 0; times < 3; times++) await feed.say("p:a", { inserted: 9, status: "done" });
  for (const nothing of [{}, { type: "ping" }]) {
    for (const channel of ["p:a", "p:b", `p:${newJobId()}`]) await feed.say(channel, nothing);
  }
  assert.deepEqual(await feed.shown(), ["a completed 9"]);

  feed.clock.advance(60_000);
  await feed.say("p:a", { inserted: 9, status: "done" });
  assert.deepEqual(await feed.shown(), ["a completed 9", "a completed 9"]);
});

test("an end of the same totals and another error is another run", async () => {
  const feed = feedBench();

  for (const error of ["no network", "no network", "no disk"]) {
    await feed.say("p:a", { inserted: 0, status: "failed", error });
  }

  const errors = (await feed.jobs()).map(({ error }) => error?.message);
  assert.deepEqual(errors, ["no disk", "no network"]);
});

test("a message that says nothing keeps a job on its way", async () => {
  const feed = feedBench();
  await feed.say("p:a", { inserted: 5 });
  const [{ leaseUntilMs }] = await feed.jobs();
  feed.clock.advance(50_000);

  await feed.say("p:a", { type: "ping" });

  const [job] = await feed.jobs();
  assert.deepEqual([job.leaseUntilMs, job.seq], [Number(leaseUntilMs) + 50_000, 1]);
});

test("the worker of a cancelled job begins no other before its end, or a silence", async () => {
  const feed = feedBench();
  const cancelled = async () => {
    const [job] = await feed.jobs();
    await feed.log.append(job, cancel(feed.clock.now()));
    feed.clock.advance(1);
    await feed.log.append(job, giveUp(feed.clock.now()));
  };

  await feed.say("p:a", { inserted: 1 });
  await cancelled();
  for (let times = 0; times < 3; times++) {
    await feed.say("p:a", { inserted: 2 });
    feed.clock.advance(50_000);
  }
  for (let times = 0; times < 2; times++) await feed.say("p:a", { inserted: 3, status: "done" });
  assert.deepEqual(await feed.shown(), ["a cancelled 1"]);
  assert.equal((await feed.jobs())[0].lateEnd?.status, "completed");

  await feed.say("p:a", { inserted: 1 });
  await cancelled();
  feed.clock.advance(60_000);
  await feed.say("p:a", { inserted: 4 });
  assert.deepEqual(await feed.shown(), ["a cancelled 1", "a cancelled 1", "a in_progress 4"]);
});

test("what comes after a job that was lost, or cancelled by the feed itself, is the next run", async () => {
  const feed = feedBench();

  await feed.say("p:a", { inserted: 1 });
  feed.clock.advance(60_001);
  await feed.log.append((await feed.jobs())[0], giveUp(feed.clock.now()));
  await feed.say("p:a", { inserted: 2 });
  await feed.say("p:a", { inserted: 3, status: "cancelled" });
  await feed.say("p:a", { inserted: 4 });

  assert.deepEqual(await feed.shown(), ["a failed 1", "a cancelled 3", "a in_progress 4"]);
});

test("the end of a UUID's job that was given up is kept beside it, also after totals", async () => {
  const feed = feedBench();
  const id = newJobId();
  await feed.say(`p:${id}`, { inserted: 5 });
  feed.clock.advance(60_001);
  await feed.log.append({ tenant: TENANT, id }, giveUp(feed.clock.now()));

  await feed.say(`p:${id}`, { inserted: 6 });
  await feed.say(`p:${id}`, { inserted: 7, status: "done" });
  await feed.say(`p:${id}`, { inserted: 7, status: "failed" });

  const [job] = await feed.jobs();
  assert.deepEqual([job.status, job.lateEnd?.status], ["failed", "completed"]);
  assert.deepEqual(feed.refused, []);
});

test("what is refused is told once a channel and kind, and again once it was taken", async () => {
  const feed = feedBench(1);
  const words =
    "Cannot create a job: this tenant has as many on their way as it may have, which is 1";

  await feed.say("p:a", { inserted: 1 });
  for (let times = 0; times < 3; times++) await feed.say("p:b", { inserted: 1 });
  await feed.say("p:a", { inserted: 2, status: "done" });
  await feed.say("p:b", { inserted: 2, status: "done" });
  await feed.say("p:a", { inserted: 3 });
  await feed.say("p:b", { inserted: 3 });

  assert.deepEqual(await feed.shown(), ["a completed 2", "b completed 2", "a in_progress 3"]);
  assert.deepEqual(feed.refused, [`p:b: ${words}`, `p:b: ${words}`]);
});
