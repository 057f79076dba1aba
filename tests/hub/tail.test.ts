import assert from "node:assert/strict";
import { test } from "node:test";
import { Hub } from "../../src/hub/hub.ts";
import { PublishedLog } from "../../src/hub/published_log.ts";
import { Tail } from "../../src/hub/tail.ts";
import { entryEncoder } from "../../src/stream/frames.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { newJob, progress } from "../support/log_contract.ts";
import { MemoryLog } from "../support/memory_log.ts";
import { turns } from "../support/stream_bench.ts";

/** The tail of a new job, which nobody follows yet. */
async function tailOf(onFault: (cause: unknown) => void) {
  const [clock, hub] = [new FakeClock(), new Hub()];
  const memory = new MemoryLog(clock);
  const log = new PublishedLog(memory, hub, clock);
  const { job } = await log.create(newJob());
  const encoder = entryEncoder(job);
  const tail = new Tail({ log, hub, clock, job, encoder, onIdle: () => {}, onFault });
  return { clock, hub, memory, log, job, tail };
}

test("a follower that cannot be served is told of it, and so is the server", async () => {
  const faults: unknown[] = [];
  const told: unknown[] = [];
  const { hub, log, job, tail } = await tailOf((cause) => faults.push(cause));
  const cause = new Error("it broke");
  const follower = {
    serve() {
      throw cause;
    },
    fail: (why: unknown) => told.push(why),
  };
  tail.join(follower);
  tail.want(follower);

  await log.append(job, () => ({ facts: [progress("in_progress", 1)] }));
  await turns(10);
  tail.leave(follower);

  assert.deepEqual([faults, told, hub.size], [[cause], [cause], 0]);
});

/** A tail with followers that note how many entries each chunk has for them. */
async function following(count: number) {
  const { clock, memory, log, job, tail } = await tailOf((cause) => assert.fail(String(cause)));
  const chunks: number[][] = Array.from({ length: count }, () => []);
  const followers = chunks.map((got) => {
    let cursor = job.seq;
    const follower = {
      serve() {
        const chunk = tail.chunkAfter(cursor, undefined);
        if (chunk) got.push(chunk.through - cursor);
        cursor = chunk?.through ?? cursor;
        tail.want(follower);
      },
      fail: (cause: unknown) => assert.fail(String(cause)),
    };
    return follower;
  });
  for (const follower of followers) {
    tail.join(follower);
    tail.want(follower);
  }
  const add = async (inserted: number) => {
    await log.append(job, () => ({ facts: [progress("in_progress", inserted)] }));
    await turns(20);
  };
  await turns(20);
  return { clock, memory, tail, followers, chunks, add };
}

test("what comes while a tail rests goes to all followers in one chunk, once it has rested", async () => {
  const { clock, chunks, add } = await following(40);

  await add(1);
  for (let n = 2; n <= 5; n++) await add(n);
  assert.deepEqual(chunks, Array(40).fill([1]));
  clock.advance(3);
  await turns(20);
  assert.deepEqual(chunks, Array(40).fill([1]));
  clock.advance(1);
  await turns(20);
  assert.deepEqual(chunks, Array(40).fill([1, 4]));
  assert.equal(clock.waiting, 0);
  await add(6);
  clock.advance(4);
  await turns(20);
  assert.deepEqual(chunks, Array(40).fill([1, 4, 1]));
});

test("a rest makes nothing late: who waits is served in turns after it, too", async () => {
  const { clock, chunks, add } = await following(100);
  await add(1);
  clock.advance(1);
  await add(2);

  clock.advance(9);
  while (chunks[0].length === 1) await turns(1);
  const last = chunks[99].length;
  await turns(20);

  assert.deepEqual([last, chunks[99]], [1, [1, 1]]);
});

test("a tail rests no longer than 10 ms, and not at all for a few followers", async () => {
  const many = await following(1_000);
  await many.add(1);
  await many.add(2);
  many.clock.advance(10);
  await turns(20);
  assert.deepEqual(many.chunks, Array(1_000).fill([1, 1]));

  const few = await following(9);
  for (let n = 1; n <= 3; n++) await few.add(n);
  assert.deepEqual(few.chunks, Array(9).fill([1, 1, 1]));
  assert.equal(few.clock.waiting, 0);
});

test("a tail that nobody follows any more rests no more", async () => {
  const { clock, tail, followers, add } = await following(40);
  for (let n = 1; n <= 3; n++) await add(n);
  assert.equal(clock.waiting, 1);

  for (const follower of followers) tail.leave(follower);

  assert.equal(clock.waiting, 0);
});

test("hurry() serves all who wait at once, in the middle of a rest and of a round", async () => {
  const { clock, tail, chunks, add } = await following(100);
  await add(1);
  await add(2);
  assert.deepEqual(chunks, Array(100).fill([1]));

  await tail.hurry();

  assert.deepEqual(chunks, Array(100).fill([1, 1]));
  assert.equal(clock.waiting, 0);
  await add(3);
  assert.deepEqual(chunks, Array(100).fill([1, 1, 1]));
});

test("hurry() serves also what came while the tail read", async () => {
  const { memory, tail, chunks, add } = await following(1);
  const held = Promise.withResolvers<void>();
  const read = memory.read.bind(memory);
  memory.read = async (key, query) => {
    const page = await read(key, query);
    await held.promise;
    return page;
  };
  await add(1);
  await add(2);
  assert.deepEqual(chunks, [[]]);

  const hurried = tail.hurry();
  held.resolve();
  await hurried;

  assert.deepEqual(chunks, [[1, 1]]);
});
