import assert from "node:assert/strict";
import { test } from "node:test";
import { progress } from "../support/log_contract.ts";
import { streamBench } from "../support/stream_bench.ts";

/** No heartbeat falls into the tests: it would have to be read too. */
const OPTIONS = { writeTimeoutMs: 1_000, heartbeatMs: 1e12 };

test("a viewer that does not take what it was sent is cut, and comes back to what it misses", async () => {
  const { job, open, add, viewers, clock } = streamBench(OPTIONS);
  const running = await job();
  const stuck = await open(running, "0");
  await stuck.next();
  await add(running, progress("in_progress", 1));
  await stuck.next();
  await add(running, progress("in_progress", 2)); // handed over unread: nothing pulls any more

  clock.advance(1_250);
  const open1 = viewers.size;
  clock.advance(500);

  assert.deepEqual([open1, viewers.size, viewers.totals.cut], [1, 0, 1]);
  await add(running, progress("completed", 3));
  const back = await open(running, `${running.epoch}-1`);
  const seqs = (await back.rest()).map(({ data }) => data.seq).filter(Boolean);
  assert.deepEqual(seqs, [2, 3]);
  assert.equal(clock.waiting, 0);
});

test("a viewer whose stream ends as it begins is not waited for", async () => {
  const { job, open, add, viewers, clock } = streamBench(OPTIONS);
  const over = await job();
  await add(over, progress("completed", 1));

  await (await open(over)).rest();
  const waiting = clock.waiting;
  clock.advance(10_000);

  assert.deepEqual([waiting, viewers.totals.cut], [0, 0]);
});

test("viewers that read, and those that have nothing to read, are left alone", async () => {
  const { job, open, add, viewers, clock } = streamBench(OPTIONS);
  const running = await job();
  const idle = await job();
  const reader = await open(running, "0");
  const waiting = await open(idle, "0");
  for (const each of [reader, waiting]) await each.next();
  const waits = waiting.next(); // it asks, and nothing comes

  for (let n = 1; n <= 10; n++) {
    await add(running, progress("in_progress", n));
    await reader.next();
    clock.advance(900);
  }

  assert.deepEqual([viewers.size, viewers.totals.cut], [2, 0]);
  await Promise.all([reader.cancel(), waiting.cancel(), waits]);
  assert.deepEqual([viewers.size, clock.waiting], [0, 0]);
});

test("quietMs is longer than a viewer may be quiet that is not cut, and 0 where none is cut", () => {
  const [some, none] = [60_000, 0].map((writeTimeoutMs) =>
    streamBench({ writeTimeoutMs }).viewers.quietMs
  );

  assert.deepEqual([some, none], [60_000 * 1.5 + 90_000, 0]);
});
