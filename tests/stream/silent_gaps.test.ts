import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../support/fake_clock.ts";
import { line, newJob, progress } from "../support/log_contract.ts";
import { MemoryLog } from "../support/memory_log.ts";
import { type Seen, streamBench, type StreamReader, turns } from "../support/stream_bench.ts";

/** No heartbeat falls into the tests: it would have to be read too. So long a retry is never hit again. */
const OPTIONS = { heartbeatMs: 1e12, retryMs: 1e12 };

/** Whatever comes until a frame passes, or the stream ends. */
async function until(reader: StreamReader, passes: (frame: Seen) => boolean): Promise<Seen[]> {
  const frames: Seen[] = [];
  for (;;) {
    const chunk = await reader.next();
    frames.push(...chunk);
    if (chunk.length === 0 || chunk.some(passes)) return frames;
  }
}

test("a burst that is larger than what a tail keeps reaches a waiting viewer whole", async () => {
  const { job, open, add } = streamBench(OPTIONS);
  const running = await job();
  const viewer = await open(running, "0", "debug");
  await viewer.next();
  const waiting = viewer.next();

  // Two bytes a character: what one read of the log gives is more than the ring holds.
  const burst = Array.from({ length: 20 }, () => line("é".repeat(60_000)));
  await add(running, ...burst, progress("completed", 1));
  const frames = [...await waiting, ...await viewer.rest()];

  assert.deepEqual(frames.map(({ data }) => data.seq), Array.from({ length: 21 }, (_, i) => i + 1));
});

test("log lines that are removed before anybody was sent them are told as a gap", async () => {
  const { job, open, add, log, viewers } = streamBench(OPTIONS);
  const running = await job();
  const [reader, blind] = [await open(running, "0", "debug"), await open(running, "0")];
  for (const each of [reader, blind]) await each.next();
  const waits = [until(reader, ({ retry }) => retry !== undefined), blind.next()] as const;

  await add(running, ...Array.from({ length: 50 }, () => line("x")), progress("in_progress", 1));
  await log.trim(running, { entriesMax: 10 });
  const [told, seen] = await Promise.all(waits);

  assert.ok((told.at(-1)?.retry ?? 0) > OPTIONS.retryMs); // those who lag come back apart
  assert.deepEqual(told.filter(({ id }) => id !== undefined), []);
  assert.deepEqual(seen.map(({ data }) => data.seq), [51]); // to whom no lines are owed
  const back = await open(running, "0", "debug");
  assert.equal((await back.next())[0].data.resume, "gap");
  await Promise.all([reader.cancel().catch(() => {}), blind.cancel(), back.cancel()]);
  assert.equal(viewers.size, 0);
});

test("log lines that are removed before anybody was sent them are told as a gap, also where nothing is left", async () => {
  const { job, open, add, log } = streamBench(OPTIONS);
  const running = await job();
  const reader = await open(running, "0", "debug");
  await reader.next();
  const wait = until(reader, ({ retry }) => retry !== undefined);

  await add(running, line("x"), line("y"));
  await log.trim(running, { entriesMax: 0 });
  const told = await wait;

  assert.ok((told.at(-1)?.retry ?? 0) > OPTIONS.retryMs); // those who lag come back apart
  assert.deepEqual(told.filter(({ id }) => id !== undefined), []);
});

test("an end that is written while a viewer's opening is read reaches it", async () => {
  const { job, open, add, log } = streamBench(OPTIONS);
  const running = await job();
  await add(running, progress("in_progress", 1));
  const firstSeq = log.firstSeq.bind(log);
  log.firstSeq = async (key) => {
    const first = await firstSeq(key);
    await add(running, progress("completed", 2));
    await turns(5); // whoever follows by then is woken
    return first;
  };

  const viewer = await open(running, "of-another-log");
  const frames = await viewer.rest();

  assert.deepEqual(frames.map(({ data }) => [data.type, data.status]), [
    ["connected", undefined],
    ["progress", "in_progress"],
    ["progress", "completed"],
  ]);
});

test("an end that is written while what was before is read reaches who follows", async () => {
  const { job, open, add, log } = streamBench(OPTIONS);
  const running = await job();
  const viewer = await open(running);
  await viewer.next();
  const read = log.read.bind(log);
  let ends = true;
  log.read = async (...query) => {
    const page = await read(...query);
    if (ends && page.entries.length > 0) {
      ends = false;
      await add(running, progress("completed", 2));
      await turns(5); // whoever follows is woken
    }
    return page;
  };

  await add(running, progress("in_progress", 1));
  const frames = await viewer.rest();

  assert.deepEqual(frames.map(({ data }) => data.status), ["in_progress", "completed"]);
});

test("who is behind by nothing that he asks for has what comes next at once", async () => {
  const { job, open, add } = streamBench(OPTIONS);
  const running = await job();
  await add(running, progress("in_progress", 1), line("x"), line("y"));
  const viewer = await open(running, `${running.epoch}-1`);
  await viewer.next();
  const waiting = viewer.next();
  await turns(5);

  await add(running, progress("in_progress", 2));

  assert.deepEqual((await waiting).map(({ data }) => data.seq), [4]);
  await viewer.cancel();
});

test("a replay of a job that has been made anew tells nothing of the new one", async () => {
  const store = new MemoryLog(new FakeClock());
  const { open, viewers } = streamBench({ ...OPTIONS, store });
  const wanted = newJob();
  await store.create(wanted);
  await store.append(wanted, () => ({ facts: [progress("in_progress", 1)] }));
  const viewer = await open((await store.get(wanted))!, "0");
  await viewer.next();

  await store.remove(wanted);
  await store.create(wanted);
  await store.append(wanted, () => ({ facts: [progress("in_progress", 5)] }));
  const [frame] = await viewer.next();
  await assert.rejects(viewer.next());

  assert.equal(frame.data.code, "job_deleted");
  assert.equal(viewers.size, 0);
});

test("a job that is removed and created again is told as removed to those who follow the first", async () => {
  const { open, add, log, viewers, clock } = streamBench(OPTIONS);
  const wanted = newJob();
  const { job: first } = await log.create(wanted);
  await add(first, progress("in_progress", 1));
  const stuck = await open(first, "0");
  const follower = await open(first, "0");
  await stuck.next();
  await until(follower, ({ data }) => data.seq === 1);
  const waiting = follower.next();

  await log.remove(first);
  const { job: second } = await log.create(wanted);
  await add(second, progress("in_progress", 7), progress("completed", 8));
  const fresh = await open(second, "0");
  const told = await waiting;
  const seen = await fresh.rest();

  assert.deepEqual(told.map(({ data }) => data.code), ["job_deleted"]);
  assert.deepEqual(
    seen.map(({ id, data }) => [id, data.resume ?? data.inserted]),
    [[undefined, "resumed"], [`${second.epoch}-1`, 7], [`${second.epoch}-2`, 8]],
  );
  assert.deepEqual((await stuck.next()).map(({ data }) => data.code), ["job_deleted"]);
  for (const each of [stuck, follower]) await assert.rejects(each.rest());
  assert.deepEqual([viewers.size, viewers.followed, clock.waiting], [0, 0, 0]);
});
