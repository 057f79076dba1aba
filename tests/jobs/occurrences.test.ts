import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers";
import { Hub } from "../../src/hub/hub.ts";
import { PublishedLog } from "../../src/hub/published_log.ts";
import type { Occurrence } from "../../src/jobs/occurrence.ts";
import { Occurrences, type OccurrencesOptions } from "../../src/jobs/occurrences.ts";
import { Silences } from "../../src/jobs/silences.ts";
import { MemoryLog } from "../support/memory_log.ts";
import { type JobKey, type JobKeyText, keyText } from "../../src/sync/ids.ts";
import { type Job, keyOf } from "../../src/sync/job.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { line, progress } from "../support/log_contract.ts";
import { begun, ended, jobOf, turns } from "../support/notify_bench.ts";
import type { Cleanup } from "../support/program.ts";

const STALL_AFTER_MS = 10_000;

function bench(t: Cleanup, sinceMs = 0, changes: Partial<OccurrencesOptions> = {}) {
  const clock = new FakeClock();
  const memory = new MemoryLog(clock);
  const hub = new Hub();
  const log = new PublishedLog(memory, hub, clock);
  const told: Occurrence[] = [];
  const gone: JobKey[] = [];
  const faults: unknown[] = [];
  const caughtUp: number[] = [];
  const occurrences = new Occurrences({
    log,
    hub,
    clock,
    stallAfterMs: STALL_AFTER_MS,
    tell: (occurrence) => void told.push(occurrence),
    onCaughtUp: (atMs) => caughtUp.push(atMs),
    onGone: (key) => gone.push(key),
    silenceOf: () => undefined,
    onFault: (cause) => faults.push(cause),
    ...changes,
  });
  t.after(() => occurrences.stop());
  return {
    clock,
    memory,
    log,
    told,
    gone,
    faults,
    caughtUp,
    occurrences,
    start: () => occurrences.start(sinceMs),
    /** What was told since the last call, when all that has happened is looked at. */
    async kinds(): Promise<string[]> {
      await turns();
      return told.splice(0).map(({ kind, sync }) => `${sync?.name} ${kind}`);
    },
    /** Lets time pass and the jobs be looked at. */
    async pass(ms: number): Promise<void> {
      await turns();
      clock.advance(ms);
      await turns();
    },
  };
}

test("a job's beginning and end are told once, an end with warnings as both", async (t) => {
  const { log, start, kinds } = bench(t);
  await start();

  const job = await begun(log, jobOf("docs"));
  const first = await kinds();
  await log.append(job, () => ({ facts: [progress("in_progress", 5), line("moving")] }));
  const moving = await kinds();
  await ended(log, job, { status: "completed", warnings: 2 });
  const last = await kinds();

  assert.deepEqual(first, ["docs started"]);
  assert.deepEqual(moving, []);
  assert.deepEqual(last, ["docs completed", "docs warning"]);
});

test("the beginning of a job that was created some time before is told", async (t) => {
  const { log, start, kinds } = bench(t);
  await start();

  const { job } = await log.create(jobOf("docs"));
  const created = await kinds();
  await log.append(job, () => ({ facts: [progress("in_progress", 0)] }));
  const begun = await kinds();

  assert.deepEqual([created, begun], [[], ["docs started"]]);
});

test("the first run of a sync that completes after a failed one is told as recovered", async (t) => {
  const { log, start, kinds } = bench(t);
  await start();
  const ends = ["completed", "failed", "failed", "cancelled", "completed", "completed"] as const;
  for (const status of ends) await ended(log, await begun(log, jobOf("docs")), { status });
  await ended(log, await begun(log, jobOf("other")), { status: "completed" });

  const told = (await kinds()).filter((kind) => !kind.endsWith("started"));

  assert.deepEqual(told, [
    "docs completed",
    "docs failed",
    "docs failed",
    "docs cancelled",
    "docs completed",
    "docs recovered",
    "docs completed",
    "other completed",
  ]);
});

test("a run is told as recovered, too, where others began since and a page of a list is short", async (t) => {
  const { log, memory, start, kinds } = bench(t);
  const list = memory.list.bind(memory);
  memory.list = (query) => list({ ...query, limit: Math.min(query.limit, 5) });
  await start();
  await ended(log, await begun(log, jobOf("docs")), { status: "failed" });
  const job = await begun(log, jobOf("docs"));
  for (let n = 0; n < 6; n++) await begun(log, jobOf("docs"));
  await ended(log, job, { status: "completed" });

  const told = (await kinds()).filter((kind) => !kind.endsWith("started"));

  assert.deepEqual(told, ["docs failed", "docs completed", "docs recovered"]);
});

test("jobs that fall silent together are told with turns for others in between", async (t) => {
  let turn = 0;
  const tells: number[] = []; // by the turn of the event loop
  const { clock, log, start } = bench(t, 0, {
    tell: ({ kind }) => {
      if (kind !== "stalled") return;
      tells.push(turn);
      clock.advance(8); // a slow disk
    },
  });
  await start();
  for (let n = 0; n < 10; n++) await begun(log, jobOf(`sync-${n}`));
  await turns();

  clock.advance(STALL_AFTER_MS);
  while (tells.length < 10) {
    await new Promise(setImmediate);
    turn++;
  }

  assert.equal(new Set(tells).size, 10);
});

test("a job that says nothing for long is told as stalled, once a silence, and as recovered", async (t) => {
  const { log, clock, start, kinds, pass } = bench(t);
  await start();
  const job = await begun(log, jobOf("docs"));
  await kinds();

  await pass(STALL_AFTER_MS - 1);
  const before = await kinds();
  await pass(1_000);
  const silent = await kinds();
  await pass(10 * STALL_AFTER_MS);
  const longer = await kinds();
  await log.append(job, () => ({ facts: [line("here again")] }));
  const again = await kinds();
  await pass(STALL_AFTER_MS + 1_000);
  const second = await kinds();
  await ended(log, job, { status: "failed" });
  const end = await kinds();

  assert.deepEqual([before, silent, longer, again, second, end], [
    [],
    ["docs stalled"],
    [],
    ["docs recovered"],
    ["docs stalled"],
    ["docs failed"],
  ]);
  assert.equal(clock.waiting, 0, "nothing is on its way, and no timer is left");
});

test("what is told of a silence says since when it is silent, and that it is over", async (t) => {
  const { log, clock, start, told, pass } = bench(t);
  await start();
  const job = await begun(log, jobOf("docs"));
  clock.advance(2_000);
  await log.append(job, () => ({ facts: [line("the last word")] }));

  await pass(STALL_AFTER_MS + 1_000);

  assert.equal(clock.now(), 1_013_000);
  await log.append(job, () => ({ facts: [line("here again")] }));
  await turns();

  assert.deepEqual(told.map(({ kind, detail }) => [kind, detail]), [
    ["started", undefined],
    ["stalled", "nothing was heard of it since 1970-01-01T00:16:42.000Z"],
    ["recovered", "it is heard again"],
  ]);
});

test("a clock that is set makes no job fall silent, and hides no silence", async (t) => {
  const { log, clock, start, kinds, pass } = bench(t);
  await start();
  const first = await begun(log, jobOf("first"));
  await pass(STALL_AFTER_MS / 2);
  await begun(log, jobOf("second"));
  await kinds();

  clock.set(clock.now() + 3_600_000);
  await log.append(first, () => ({ facts: [line("here")] }));
  await pass(STALL_AFTER_MS / 2);
  const ahead = await kinds();
  clock.set(clock.now() - 7_200_000);
  await pass(STALL_AFTER_MS / 2 + 250);

  assert.deepEqual([ahead, await kinds()], [[], ["first stalled", "second stalled"]]);
});

/** Silences by a clock whose timers come as late as a test likes. */
function lateBench() {
  let [nowMs, due] = [0, () => {}];
  let timers = 0;
  const clock = {
    now: () => nowMs,
    monotonic: () => nowMs,
    after(_ms: number, run: () => void) {
      due = run;
      timers++;
      return () => void timers--;
    },
  };
  const jobs = new Map<JobKeyText, Job>();
  const looked: JobKeyText[] = [];
  const silences = new Silences(clock, STALL_AFTER_MS, (key) => {
    looked.push(keyText(key));
    const job = jobs.get(keyText(key));
    if (job) silences.note(job, silences.heard(job));
  });
  const memory = new MemoryLog(clock);
  return {
    silences,
    /** A job that speaks at that moment. */
    async speaks(atMs: number): Promise<JobKeyText> {
      nowMs = atMs;
      const job = await begun(memory, jobOf("docs"));
      jobs.set(keyText(job), job);
      silences.note(job, undefined);
      return keyText(job);
    },
    /** Those that are looked at when the timer comes at that moment. */
    look(atMs: number): JobKeyText[] {
      nowMs = atMs;
      timers--;
      due();
      return looked.splice(0);
    },
    timers: () => timers,
  };
}

for (
  const [haltMs, graceMs] of [[3_600_000, STALL_AFTER_MS], [STALL_AFTER_MS + 1_500, 1_500]] as const
) {
  test(`a job whose server was halted up to ${haltMs} ms has ${graceMs} to be heard`, async () => {
    const { speaks, look } = lateBench();
    const job = await speaks(0);

    assert.deepEqual([look(haltMs), look(haltMs + graceMs)], [[], [job]]);
  });
}

test("a halt of the server brings nobody's silence nearer", async () => {
  const { speaks, look } = lateBench();
  const long = await speaks(0);
  const short = await speaks(STALL_AFTER_MS - 100);

  look(STALL_AFTER_MS + 1_500);
  const first = look(STALL_AFTER_MS + 3_000);

  assert.deepEqual([first, look(2 * STALL_AFTER_MS - 100)], [[long], [short]]);
});

test("a look that comes a little late puts no silence off", async () => {
  const { speaks, look } = lateBench();
  const job = await speaks(0);

  assert.deepEqual(look(STALL_AFTER_MS + 999), [job]);
});

test("a job that is forgotten is not looked at", async () => {
  const { silences, speaks, look } = lateBench();
  silences.forget(await speaks(0));

  assert.deepEqual(look(STALL_AFTER_MS), []);
});

test("no timer for silences is left after a stop", async () => {
  const { silences, speaks, timers } = lateBench();
  await speaks(0);
  const before = timers();

  silences.stop();

  assert.deepEqual([before, timers()], [1, 0]);
});

test("a thousand jobs are watched with one timer", async (t) => {
  const { log, clock, start, kinds } = bench(t);
  await start();
  for (let count = 0; count < 1_000; count++) await log.create(jobOf(`sync-${count}`));
  await turns();

  const timers = clock.waiting;
  clock.advance(STALL_AFTER_MS);
  const told = await kinds();

  assert.equal(timers, 1);
  assert.equal(told.filter((kind) => kind.endsWith("stalled")).length, 1_000);
});

test("to cancel a silent job is no word of its own", async (t) => {
  const { log, start, kinds, pass } = bench(t);
  await start();
  const job = await begun(log, jobOf("docs"));
  await pass(STALL_AFTER_MS);
  await kinds();

  await log.append(job, () => ({ facts: [progress("cancelling", 0)] }));
  const cancelling = await kinds();
  await ended(log, job, { status: "cancelled" });

  assert.deepEqual([cancelling, await kinds()], [[], ["docs cancelled"]]);
});

test("start() tells the ends that nobody heard of, and no beginning from before", async (t) => {
  const { memory, clock, start, kinds, caughtUp } = bench(t, 1_005_000);
  const old = await begun(memory, jobOf("old"));
  const running = await begun(memory, jobOf("running"));
  await ended(memory, old, { status: "failed" });
  clock.advance(5_000);
  await ended(memory, running, { status: "failed" });
  await ended(memory, await begun(memory, jobOf("short")), { status: "completed" });

  await start();

  assert.deepEqual(await kinds(), ["running failed", "short started", "short completed"]);
  assert.deepEqual(caughtUp, [1_005_000]);
});

test("a job that was there before has all its time anew before it counts as silent", async (t) => {
  const { memory, clock, start, kinds, pass } = bench(t);
  await begun(memory, jobOf("docs"));
  clock.advance(10 * STALL_AFTER_MS);

  await start();
  const first = await kinds();
  await pass(STALL_AFTER_MS);

  assert.deepEqual([first, await kinds()], [["docs started"], ["docs stalled"]]);
});

test("a silence told by an earlier process is not told again, its end is", async (t) => {
  const { memory, log, start, kinds, pass } = bench(t, 2_000_000, { silenceOf: () => 1 });
  const silent = await begun(memory, jobOf("silent"));
  const back = await begun(memory, jobOf("back"));
  await memory.append(back, () => ({ facts: [line("while the server was away")] }));

  await start();
  const first = await kinds();
  await pass(5 * STALL_AFTER_MS);
  const later = await kinds();
  await log.append(silent, () => ({ facts: [line("here again")] }));

  assert.deepEqual(first, ["back recovered"]);
  assert.deepEqual(later, ["back stalled"]);
  assert.deepEqual(await kinds(), ["silent recovered"]);
});

test("an end that comes while a start looks for earlier ones is told", async (t) => {
  const { log, memory, start, kinds } = bench(t);
  const job = await begun(log, jobOf("docs"));
  await kinds();
  const looked = Promise.withResolvers<void>();
  const recent = memory.recent.bind(memory);
  memory.recent = async (query) => {
    const found = await recent(query);
    await looked.promise;
    return found;
  };

  const started = start();
  await ended(log, job, { status: "failed" });
  const meanwhile = await kinds();
  looked.resolve();
  await started;

  assert.ok(meanwhile.includes("docs failed"), `${meanwhile}`);
});

test("a silence and its end that cannot be taken in are told again", async (t) => {
  const told: string[] = [];
  let full = false;
  const { log, start, pass } = bench(t, 0, {
    tell: ({ kind }) => {
      if (full) throw new Error("no room");
      told.push(kind);
    },
  });
  await start();
  const job = await begun(log, jobOf("docs"));
  await pass(0);

  for (const happens of [() => {}, () => log.append(job, () => ({ facts: [line("here")] }))]) {
    full = true;
    await happens();
    await pass(STALL_AFTER_MS);
    full = false;
    await pass(5_000);
  }

  assert.deepEqual(told.slice(0, 3), ["started", "stalled", "recovered"]);
});

test("nothing counts as caught up that happened while jobs were looked at", async (t) => {
  const { clock, log, memory, start, caughtUp } = bench(t);
  await start();
  const get = memory.get.bind(memory);
  const held = Promise.withResolvers<void>();
  let asked = false;
  memory.get = async (key) => {
    asked = true;
    await held.promise;
    return await get(key);
  };
  await begun(log, jobOf("docs"));
  while (!asked) await turns();
  const askedMs = clock.now();

  clock.advance(5_000);
  held.resolve();
  await turns();

  assert.equal(caughtUp.at(-1), askedMs);
});

test("what cannot be taken in is told again, and until then nothing counts as caught up", async (t) => {
  const told: string[] = [];
  let full = false;
  const { log, start, caughtUp, faults, pass } = bench(t, 0, {
    tell: ({ kind }) => {
      if (full) throw new Error("no room");
      told.push(kind);
    },
  });
  await start();
  const job = await begun(log, jobOf("docs"));
  await pass(1_000);
  full = true;
  caughtUp.splice(0);
  await ended(log, job, { status: "failed" });
  await pass(1_000);
  const whileFull = [...caughtUp];
  full = false;
  await pass(5_000);

  assert.deepEqual(whileFull, []);
  assert.deepEqual(told, ["started", "failed"]);
  assert.equal(faults.length, 1);
  assert.equal(caughtUp.length, 1);
});

test("why jobs cannot be taken in is reported once, until all are", async (t) => {
  let reason: string | undefined;
  const { log, start, faults, pass } = bench(t, 0, {
    tell: () => {
      if (reason) throw new Error(reason);
    },
  });
  await start();
  const reported: unknown[] = [];

  for (const why of ["no room", "no such table", undefined, "no room"]) {
    reason = why;
    for (let job = 0; job < 3; job++) await begun(log, jobOf(`docs-${job}`));
    await pass(5_000);
    await pass(5_000);
    reported.push(faults.splice(0).map((cause) => cause instanceof Error && cause.message));
  }

  assert.deepEqual(reported, [["no room"], ["no such table"], [], ["no room"]]);
});

test("a job that is removed is told to those who keep something of it", async (t) => {
  const { log, start, gone, kinds } = bench(t);
  await start();
  const job = await ended(log, await begun(log, jobOf("docs")), { status: "failed" });
  await kinds();

  await log.remove(job);
  await turns();

  assert.deepEqual(gone, [keyOf(job)]);
});

test("stop() waits until all that was woken before is told", async (t) => {
  const { log, memory, occurrences, start, told } = bench(t);
  await start();
  const read = Promise.withResolvers<void>();
  const get = memory.get.bind(memory);
  memory.get = async (key) => {
    await read.promise;
    return await get(key);
  };
  const job = await begun(log, jobOf("docs"));
  await ended(log, job, { status: "completed" });
  await turns();

  const stopped = occurrences.stop();
  read.resolve();
  await stopped;

  assert.deepEqual(told.map(({ kind }) => kind), ["started", "completed"]);
});

test("stop() sets no timer for what is looked at meanwhile, whatever comes of that", async (t) => {
  const refused = () => {
    throw new Error("It is not taken in");
  };
  for (const changes of [{}, { tell: refused }]) {
    const { clock, log, memory, occurrences, start } = bench(t, 0, changes);
    await start();
    const get = memory.get.bind(memory);
    let stopped: Promise<void> | undefined;
    memory.get = (key) => {
      stopped ??= occurrences.stop();
      return get(key);
    };

    await begun(log, jobOf("docs"));
    await turns();
    await stopped;

    assert.equal(clock.waiting, 0);
  }
});
