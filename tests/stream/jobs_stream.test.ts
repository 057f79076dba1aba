import assert from "node:assert/strict";
import { test } from "node:test";
import { type EventLog, LIST_LIMIT_MAX } from "../../src/log/event_log.ts";
import { CHANGES_MAX } from "../../src/stream/job_feed.ts";
import type { JobId, TenantId } from "../../src/sync/ids.ts";
import { isTerminal, type Status } from "../../src/sync/status.ts";
import { newJob, progress, TENANT } from "../support/log_contract.ts";
import { ALL, type Seen, streamBench, type StreamReader, turns } from "../support/stream_bench.ts";

/** A bench on which nobody is given a heartbeat that the test did not wait for. */
const quietBench = (options: Parameters<typeof streamBench>[0] = {}) =>
  streamBench({ heartbeatMs: 1e9, ...options });

const OTHER = "other" as TenantId;
const COMPLETE = { data: { type: "heartbeat", snapshot_complete: true } };

/** What each frame says of its job: `job 2 in_progress`, by the order in `ids`. */
const told = (frames: Seen[], ids: readonly string[] = []) =>
  frames.map(({ data: { type, job_id, code, status, entities_inserted: inserted } }) => {
    if (type === "progress") return `${ids.indexOf(job_id)} ${status} ${inserted}`;
    return type === "error" ? `${ids.indexOf(job_id)} ${code}` : type;
  });

/** The frames up to the one that says that all has been shown. */
async function snapshot(reader: StreamReader): Promise<Seen[]> {
  const frames: Seen[] = [];
  while (frames.at(-1)?.data.snapshot_complete !== true) frames.push(...await reader.next());
  return frames;
}

/** A log whose reads wait until they are let go. */
function heldBack(log: EventLog) {
  const waiting: (() => void)[] = [];
  let holds = false;
  return {
    get: (key: Parameters<EventLog["get"]>[0]) => {
      const found = log.get(key);
      if (!holds) return found;
      return new Promise<void>((resolve) => waiting.push(resolve)).then(() => found);
    },
    hold: () => void (holds = true),
    letGo() {
      holds = false;
      for (const go of waiting.splice(0)) go();
    },
  };
}

/** The log with other methods in the place of some. */
function changed(log: EventLog, changes: Partial<EventLog>): EventLog {
  return new Proxy(log, {
    get(target, name: keyof EventLog) {
      const method = changes[name] ?? target[name];
      return (method as (...given: unknown[]) => unknown).bind(target);
    },
  });
}

test("subscribeToJobs() shows each job as it stands, active ones first, and then says so", async () => {
  const { job, add, openJobs, viewers } = quietBench();
  const over = await job({ name: "first" });
  await add(over, progress("in_progress", 1), progress("completed", 5));
  const running = await job({ tags: ["a", "b"] });
  await add(running, progress("in_progress", 2));
  const reader = openJobs();

  const opening = await reader.chunk();
  const frames = await snapshot(reader);

  assert.equal(opening, `retry: 3000\ndata: {"type": "connected", "resume": "snapshot"}\n\n`);
  assert.deepEqual(told(frames, [over.id, running.id]), [
    "1 in_progress 2",
    "0 completed 5",
    "heartbeat",
  ]);
  assert.deepEqual(frames[2], COMPLETE);
  assert.deepEqual(frames.map(({ id }) => id), [undefined, undefined, undefined]);
  const { tags, name, sync, created_at, ended_at } = frames[0].data;
  assert.deepEqual({ tags, name, sync, created_at, ended_at }, {
    tags: ["a", "b"],
    name: null,
    sync: "docs",
    created_at: "1970-01-01T00:00:00.500Z",
    ended_at: null,
  });
  assert.equal(frames[1].data.is_complete, true);
  await reader.cancel();
  assert.equal(viewers.size, 0);
});

test("subscribeToJobs() without a job says at once that all have been shown", async () => {
  const { openJobs } = quietBench();
  const reader = openJobs({ statuses: ["completed"], endedMax: 0 });

  const frames = await snapshot(reader);

  assert.deepEqual(frames[1], COMPLETE);
  await reader.cancel();
});

test("subscribeToJobs() tells of new jobs, of progress and of ends, each change once", async () => {
  const { job, add, openJobs, tell, clock } = quietBench();
  const reader = openJobs();
  await snapshot(reader);

  const started = await job();
  await tell();
  const born = await reader.next();
  await add(started, progress("in_progress", 1));
  await add(started, progress("in_progress", 2));
  await tell();
  const moved = await reader.next();
  await add(started, progress("completed", 3));
  await tell();
  const ended = await reader.next();

  const ids = [started.id];
  assert.deepEqual([born, moved, ended].map((frames) => told(frames, ids)), [
    ["0 pending 0"],
    ["0 in_progress 2"],
    ["0 completed 3"],
  ]);
  await reader.cancel();
  assert.equal(clock.waiting, 0);
});

test("subscribeToJobs() follows on also for who comes when all others have left", async () => {
  const { job, add, openJobs, tell, clock } = quietBench();
  const first = openJobs();
  await snapshot(first);
  const running = await job();
  await tell();
  await first.next();

  await first.cancel();
  await add(running, progress("in_progress", 1));
  await turns(5);
  const idle = clock.waiting;
  const later = openJobs();
  await snapshot(later);
  await add(running, progress("in_progress", 2));
  await tell();

  assert.equal(idle, 0); // nobody watches, so nobody looks at what changes
  assert.deepEqual(told(await later.next(), [running.id]), ["0 in_progress 2"]);
  await later.cancel();
});

test("subscribeToJobs() tells of a removal also who comes when all others have left", async () => {
  const { job, log, openJobs, tell } = quietBench();
  const first = openJobs();
  await snapshot(first);
  const running = await job();
  await tell();
  await first.next();
  await first.cancel();

  const later = openJobs();
  await snapshot(later);
  await log.remove(running);
  await tell();

  assert.deepEqual(told(await later.next(), [running.id]), ["0 job_deleted"]);
  await later.cancel();
});

test("subscribeToJobs() tells of a job that was in the filter to its end, and of no other", async () => {
  const { job, add, openJobs, tell } = quietBench();
  const [shown, other] = [await job(), await job()];
  const ids = [shown.id, other.id];
  await add(shown, progress("in_progress", 1));
  const reader = openJobs({ statuses: ["in_progress"] });
  const opening = await snapshot(reader);

  await add(shown, progress("cancelling", 2));
  await add(other, progress("cancelling", 2));
  await tell();
  const left = await reader.next();
  await add(shown, progress("cancelled", 2));
  await add(other, progress("cancelled", 2));
  await tell();
  const ended = await reader.next();
  const back = await job();
  await add(back, progress("in_progress", 9));
  await tell();

  assert.deepEqual(told(opening, ids), ["connected", "0 in_progress 1", "heartbeat"]);
  assert.deepEqual([told(left, ids), told(ended, ids)], [["0 cancelling 2"], ["0 cancelled 2"]]);
  assert.deepEqual(told(await reader.next(), [back.id]), ["0 in_progress 9"]);
  await reader.cancel();
});

test("subscribeToJobs() tells no more than it may show, whatever changes", async () => {
  const { job, add, openJobs, tell } = quietBench();
  const [ours, theirs] = [await job({ tags: ["ours"] }), await job({ tags: ["theirs"] })];
  const reader = openJobs({ matches: ({ tags }) => tags.includes("ours") });
  const opening = await snapshot(reader);

  await add(theirs, progress("in_progress", 1));
  await add(ours, progress("in_progress", 2));
  await job({ tags: ["theirs"] });
  await tell();

  const ids = [ours.id, theirs.id];
  assert.deepEqual(told(opening, ids), ["connected", "0 pending 0", "heartbeat"]);
  assert.deepEqual(told(await reader.next(), ids), ["0 in_progress 2"]);
  await reader.cancel();
});

test("subscribeToJobs() tells of a job that has come into the filter to its end, too", async () => {
  const { job, add, openJobs, tell } = quietBench();
  const reader = openJobs({ statuses: ["in_progress"] });
  await snapshot(reader);
  const started = await job();
  const seen: string[][] = [];

  for (const status of ["in_progress", "cancelling", "cancelled"] as const) {
    await add(started, progress(status, 1));
    await tell();
    seen.push(told(await reader.next(), [started.id]));
  }

  assert.deepEqual(seen, [["0 in_progress 1"], ["0 cancelling 1"], ["0 cancelled 1"]]);
  await reader.cancel();
});

test("subscribeToJobs() shows as many jobs that are over as are asked for, on several pages", async () => {
  const { job, add, openJobs, tell } = quietBench();
  // A third page is left that nobody asks for.
  for (let n = 0; n <= 2 * LIST_LIMIT_MAX; n++) await add(await job(), progress("completed", n));
  await turns(5); // so that the feed has no change of theirs to tell
  const reader = openJobs({ endedMax: LIST_LIMIT_MAX + 1 });

  const frames = await snapshot(reader);
  const fresh = await job();
  await tell();

  assert.equal(frames.filter(({ data }) => data.type === "progress").length, LIST_LIMIT_MAX + 1);
  assert.deepEqual(told(await reader.next(), [fresh.id]), ["0 pending 0"]);
  await reader.cancel();
});

test("subscribeToJobs() limits the jobs that are over, and pages through all that are not", async () => {
  const { job, add, openJobs } = quietBench();
  for (let n = 0; n < 3; n++) await add(await job(), progress("completed", n));
  for (let n = 0; n < 201; n++) await job();
  const reader = openJobs({ endedMax: 2 });

  const frames = await snapshot(reader);

  const statuses = frames.map(({ data }) => data.status);
  assert.equal(statuses.filter((status) => status === "pending").length, 201);
  assert.deepEqual(told(frames).slice(-3), ["-1 completed 2", "-1 completed 1", "heartbeat"]);
  await reader.cancel();
});

test("subscribeToJobs() shows no other tenant's jobs, nor that one of them was removed", async () => {
  const { job, log, add, openJobs, tell } = quietBench();
  const theirs = await job({ tenant: OTHER });
  const reader = openJobs();
  const frames = await snapshot(reader);

  await add(theirs, progress("in_progress", 1));
  await tell();
  await log.remove(theirs);
  await tell();
  const ours = await job();
  await tell();
  frames.push(...await reader.next());

  assert.deepEqual(told(frames, [ours.id]), ["connected", "heartbeat", "0 pending 0"]);
  await reader.cancel();
});

test("subscribeToJobs() tells that a job was removed: of shown ones, and of missed ones where it may", async () => {
  const { job, log, add, openJobs, tell } = quietBench();
  const [running, over] = [await job(), await job()];
  await add(over, progress("completed", 1));
  await turns(5); // so that the feed, which nobody watches yet, has no change of theirs to tell
  const ids = [running.id, over.id];
  const every = openJobs();
  const some = openJobs({ missed: () => false });
  for (const reader of [every, some]) {
    await snapshot(reader);
  }

  await log.remove(over);
  await log.remove(running);
  await tell();

  assert.deepEqual(told(await every.next(), ids).sort(), ["0 job_deleted", "1 job_deleted"]);
  assert.deepEqual(told(await some.next(), ids), ["0 job_deleted"]);
  for (const reader of [every, some]) await reader.cancel();
});

test("subscribeToJobs() tells of a job that was removed and made anew under its id", async () => {
  const { job, log, add, openJobs, tell } = quietBench();
  const first = await job();
  await add(first, ...[1, 2, 3].map((n) => progress("in_progress", n)));
  const reader = openJobs();
  await snapshot(reader);

  await log.remove(first);
  const again = await job({ id: first.id });
  await add(again, progress("in_progress", 1));
  await tell();

  assert.deepEqual(told(await reader.next(), [first.id]), ["0 in_progress 1"]);
  await reader.cancel();
});

test("subscribeToJobs() tells of a job that was made anew between two looks, however much it says", async () => {
  const { job, log, add, openJobs, tell } = quietBench();
  const reader = openJobs();
  await snapshot(reader);
  const first = await job();
  await add(first, progress("in_progress", 1));
  await tell();
  await reader.next();

  await log.remove(first);
  await add(await job({ id: first.id }), progress("in_progress", 5));
  await tell();

  assert.deepEqual(told(await reader.next(), [first.id]), ["0 in_progress 5"]);
  await reader.cancel();
});

test("subscribeToJobs() tells that a job is gone whose id another has that it does not show", async () => {
  const { job, log, add, openJobs, tell } = quietBench();
  const first = await job({ tags: ["a"] });
  const reader = openJobs({ matches: ({ tags }) => tags.includes("a"), missed: () => false });
  await snapshot(reader);

  await log.remove(first);
  const other = await job({ id: first.id, tags: ["b"] });
  await tell();
  const gone = told(await reader.next(), [first.id]);
  await add(other, progress("in_progress", 1));
  await tell();
  const shown = await job({ tags: ["a"] });
  await tell();

  assert.deepEqual(gone, ["0 job_deleted"]);
  assert.deepEqual(told(await reader.next(), [shown.id]), ["0 pending 0"]); // of the other nothing
  await reader.cancel();
});

test("subscribeToJobs() tells that a job is gone that was over and whose id one of another status has", async () => {
  const { job, log, add, openJobs, tell } = quietBench();
  const wish = { statuses: ["completed"] } as const;
  const [every, some] = [openJobs(wish), openJobs({ ...wish, missed: () => false })];
  for (const reader of [every, some]) await snapshot(reader);
  const first = await job();
  await add(first, progress("completed", 1));
  await tell();
  const ended = [told(await every.next(), [first.id]), told(await some.next(), [first.id])];

  await log.remove(first);
  await job({ id: first.id });
  await tell();
  const gone = told(await every.next(), [first.id]);
  const shown = await job();
  await add(shown, progress("completed", 1));
  await tell();

  assert.deepEqual(ended, Array(2).fill(["0 completed 1"]));
  assert.deepEqual(gone, ["0 job_deleted"]);
  assert.deepEqual(told(await every.next(), [shown.id]), ["0 completed 1"]);
  assert.deepEqual(told(await some.next(), [shown.id]), ["0 completed 1"]);
  for (const reader of [every, some]) await reader.cancel();
});

test("subscribeToJobs() tells who waits what is for him at once, also behind what is not", async () => {
  const { job, openJobs, tell } = quietBench();
  const reader = openJobs({ matches: ({ tags }) => tags.includes("mine") });
  await snapshot(reader);
  const waiting = reader.next();
  await job({ tags: ["theirs"] });
  await tell();

  const mine = await job({ tags: ["mine"] });
  await tell();

  assert.deepEqual(told(await waiting, [mine.id]), ["0 pending 0"]);
  await reader.cancel();
});

test("subscribeToJobs() shows one job that is asked for by its id once, where its status is", async () => {
  const { job, add, openJobs } = quietBench();
  const [running, over] = [await job(), await job()];
  await add(over, progress("failed", 1));
  await turns(5);
  const shown = [];
  for (const { id: jobId } of [running, over]) {
    for (const statuses of [undefined, ["pending"], ["failed"]] as const) {
      const reader = openJobs({ jobId, statuses, matches: ({ id }) => id === jobId });
      shown.push(told(await snapshot(reader), [running.id, over.id]).slice(1, -1));
      await reader.cancel();
    }
  }

  const [first, second] = ["0 pending 0", "1 failed 1"];
  assert.deepEqual(shown, [[first], [first], [], [second], [], [second]]);
});

test("subscribeToJobs() tells of one job that is asked for by its id also where it comes later", async () => {
  const { job, openJobs, tell } = quietBench();
  const { id } = newJob();
  const reader = openJobs({ jobId: id, matches: (found) => found.id === id });
  const frames = await snapshot(reader);

  await job({ id });
  await tell();

  assert.deepEqual(told(frames), ["connected", "heartbeat"]);
  assert.deepEqual(told(await reader.next(), [id]), ["0 pending 0"]);
  await reader.cancel();
});

test("a viewer of many jobs that leaves while they are listed is no fault", async () => {
  const { job, openJobs, faults, viewers } = quietBench();
  await job();
  const reader = openJobs();
  await reader.next();

  const listed = reader.next();
  await reader.cancel();
  await turns(10);

  assert.deepEqual([await listed, faults, viewers.size], [[], [], 0]);
});

test("subscribeToJobs() never shows an older state after a newer one, nor an end twice", async () => {
  let held: ReturnType<typeof heldBack> | undefined;
  const { job, add, openJobs, clock } = quietBench({
    between: (log) => changed(log, { get: (held = heldBack(log)).get }),
  });
  const early = openJobs();
  await snapshot(early);
  const [one, two] = [await job(), await job()];
  await add(one, progress("in_progress", 1));
  await add(two, progress("completed", 2));
  await turns(5);
  held?.hold();
  clock.advance(250); // the feed has read `one`, and waits for it
  await turns(5);
  await add(one, progress("completed", 7));

  const late = openJobs();
  const frames = await snapshot(late);
  held?.letGo();
  await turns(5);
  clock.advance(250);
  await turns(5);
  const news = await job();
  await turns(5);
  clock.advance(250);
  await turns(5);
  frames.push(...await late.next());

  assert.deepEqual(told(frames, [one.id, two.id, news.id]), [
    "connected",
    "1 completed 2",
    "0 completed 7",
    "heartbeat",
    "2 pending 0",
  ]);
  for (const reader of [early, late]) await reader.cancel();
});

test("subscribeToJobs() tells nobody what was looked up for viewers that have left", async () => {
  let held: ReturnType<typeof heldBack> | undefined;
  const { job, add, openJobs, tell } = quietBench({
    between: (log) => changed(log, { get: (held = heldBack(log)).get }),
  });
  const early = openJobs();
  await snapshot(early);
  const over = await job();
  await add(over, progress("completed", 1));
  held?.hold();
  await tell(); // the feed waits for the job
  await early.cancel();

  const late = openJobs();
  const frames = await snapshot(late);
  held?.letGo();
  await tell();
  const news = await job();
  await tell();
  frames.push(...await late.next());
  await late.cancel();

  assert.deepEqual(told(frames, [over.id, news.id]), [
    "connected",
    "0 completed 1",
    "heartbeat",
    "1 pending 0",
  ]);
});

test("subscribeToJobs() encodes each of 1,000 changes once, and viewers share the chunk", async () => {
  const { job, add, viewers, tell } = quietBench();
  const jobs = [];
  for (let n = 0; n < 1_000; n++) jobs.push(await job());
  const wish = { ...ALL, endedMax: 0 };
  const readers = [1, 2, 3].map(() => viewers.subscribeToJobs(wish).getReader());
  for (const reader of readers) {
    for (let chunks = 0; chunks < 6; chunks++) await reader.read();
  }

  for (const each of jobs) await add(each, progress("in_progress", 1));
  await tell();
  const chunks = [];
  for (const reader of readers) chunks.push((await reader.read()).value);

  assert.equal(new TextDecoder().decode(chunks[0]).split("\n\n").length, 1_001);
  assert.equal(chunks[1], chunks[0]);
  assert.equal(chunks[2], chunks[0]);
  for (const reader of readers) await reader.cancel();
});

test("subscribeToJobs() keeps nothing for a viewer that does not read, and sends it away at once when it reads too late", async () => {
  const retryMs = 1e12; // so long that no random one is the same
  const { job, openJobs, tell, viewers } = quietBench({ retryMs });
  const reader = openJobs();
  await snapshot(reader); // from here on it does not read
  const ids: JobId[] = [];
  for (let n = 0; n < 2 * CHANGES_MAX; n++) ids.push((await job()).id);
  await tell();
  const frames: Seen[] = await reader.next();

  assert.equal(ids.length, 20_000);
  assert.deepEqual(frames.map(({ data }) => data), [{ type: "heartbeat" }]);
  assert.ok((frames[0].retry ?? 0) > retryMs); // those who lag come back apart
  await assert.rejects(reader.next());
  assert.equal(viewers.size, 0);
  const again = openJobs({ endedMax: 0 });
  assert.equal((await again.next())[0].data.resume, "snapshot");
  assert.equal((await again.next()).length, 200);
  await again.cancel();
});

test("subscribeToJobs() beats, and is sent away with a retry when the server stops", async () => {
  const { openJobs, clock, viewers } = quietBench({ heartbeatMs: 30_000 });
  const reader = openJobs();
  await snapshot(reader);
  const waiting = reader.next();
  await turns(1);

  clock.advance(30_000);
  const beat = await waiting;
  const drained = viewers.drain(1_000);
  const farewell = await reader.next();

  assert.deepEqual(beat, [{ data: { type: "heartbeat" } }]);
  assert.deepEqual(farewell[0].data, { type: "heartbeat" });
  assert.ok((farewell[0].retry ?? 0) >= 3_000);
  await assert.rejects(reader.next());
  await drained;
  assert.equal(viewers.size, 0);
});

test("a viewer whose jobs are long searched for is given heartbeats, and is not cut off", async () => {
  let pages = 0;
  const bench = streamBench({
    heartbeatMs: 600,
    writeTimeoutMs: 1_000,
    between: (log) =>
      changed(log, {
        list() {
          bench.clock.advance(500);
          return Promise.resolve({ items: [], nextCursor: ++pages < 20 ? "more" : null });
        },
      }),
  });
  const reader = bench.openJobs();

  const frames = await snapshot(reader);

  assert.ok(told(frames).filter((type) => type === "heartbeat").length > 5);
  assert.equal(bench.viewers.totals.cut, 0);
  await reader.cancel();
});

test("a viewer whose jobs are searched for is sent away while that goes on", async () => {
  const { openJobs, viewers } = quietBench({
    between: (log) =>
      changed(log, { list: () => Promise.resolve({ items: [], nextCursor: "more" }) }),
  });
  const reader = openJobs();
  await reader.chunk();
  const farewell = reader.chunk();

  const drained = viewers.drain(10_000);

  assert.match(await farewell ?? "", /^retry: \d+\ndata: \{"type": "heartbeat"\}\n\n$/);
  await assert.rejects(reader.chunk());
  await drained;
});

test("subscribeToJobs() tells of a fault without its story, and breaks off", async () => {
  const { openJobs, faults, viewers } = quietBench({
    between: (log) => changed(log, { list: () => Promise.reject(new Error("disk on fire")) }),
  });
  const reader = openJobs();
  await reader.next();

  const [fault] = await reader.next();

  assert.deepEqual(fault.data, {
    type: "error",
    code: "stream_fault",
    message: "The stream broke inside the server. The jobs go on; reconnect to follow them.",
  });
  await assert.rejects(reader.next());
  assert.deepEqual([faults.length, viewers.size], [1, 0]);
});

test("a job that cannot be read holds up no other, and is told of once it can", async () => {
  let broken: string | undefined;
  const { job, openJobs, tell, faults } = quietBench({
    between: (log) =>
      changed(log, {
        get: (key) => key.id === broken ? Promise.reject(new Error("damaged")) : log.get(key),
      }),
  });
  const reader = openJobs();
  await snapshot(reader);

  const [one, two] = [await job(), await job()];
  broken = one.id;
  await tell();
  const first = await reader.next();
  broken = undefined;
  await tell();
  const second = await reader.next();

  const ids = [one.id, two.id];
  assert.deepEqual([told(first, ids), told(second, ids)], [["1 pending 0"], ["0 pending 0"]]);
  assert.equal(faults.length, 1);
  await reader.cancel();
});

/** Numbers that look random and are the same at every run. */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

for (const seed of [1, 2, 3, 4, 5, 6]) {
  test(`subscribeToJobs() shows at rest what the log holds, whatever came when (seed ${seed})`, async () => {
    const below = seeded(seed);
    const { log, add, openJobs, clock } = quietBench();
    const ids: JobId[] = [];
    let made = 0;
    const act = async () => {
      const id = ids[below(ids.length)];
      const now = id && await log.get({ tenant: TENANT, id });
      const kind = below(12);
      const name = `${made++}`; // tells a job from a later one of the same id
      if (kind < 3 || !id) ids.push((await log.create(newJob({ name }))).job.id);
      else if (kind === 3) await log.remove({ tenant: TENANT, id });
      else if (kind === 4 && !now) await log.create(newJob({ id, name }));
      else if (now && !isTerminal(now.status)) {
        const status: Status = kind < 7 ? "completed" : "in_progress";
        await add(now, progress(status, now.progress.inserted + 1));
      }
    };
    for (let n = 0; n < 450; n++) await act();
    const reader = openJobs();
    const seen = new Map<string, Seen["data"]>();
    let atRest = false;
    let ends = 0;
    const reading = (async () => {
      while (!atRest) {
        for (const { data } of await reader.next()) {
          const { job_id, type, seq, status, name } = data;
          const before = seen.get(job_id);
          if (type === "error") seen.delete(job_id);
          if (type !== "progress") continue;
          seen.set(job_id, data);
          if (isTerminal(status)) ends++;
          if (before?.name === name) assert.ok(seq > before.seq, `${before.seq}, then ${seq}`);
        }
        for (let pause = below(3); pause > 0; pause--) await turns(1); // a viewer that takes its time
      }
    })();

    for (let n = 0; n < 1_500; n++) {
      await act();
      if (below(4) === 0) await turns(below(3));
      if (below(10) === 0) clock.advance(below(400));
    }
    for (let n = 0; n < 20; n++) {
      await turns(5);
      clock.advance(250);
    }
    atRest = true;
    await log.create(newJob());
    await turns(5);
    clock.advance(250);
    await reading;

    const stands = new Map<string, string>();
    for (const id of ids) {
      const now = await log.get({ tenant: TENANT, id });
      if (now) stands.set(id, `${now.status} ${now.seq}`);
    }
    const shown = new Map([...seen].map(([id, { status, seq }]) => [id, `${status} ${seq}`]));
    for (const id of shown.keys()) if (!ids.includes(id as JobId)) shown.delete(id); // the last one
    assert.ok(stands.size > 200 && ends > 100);
    assert.deepEqual([...shown].sort(), [...stands].sort());
    await reader.cancel();
  });
}
