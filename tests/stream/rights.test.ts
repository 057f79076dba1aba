import assert from "node:assert/strict";
import { test } from "node:test";
import type { Right } from "../../src/stream/rights.ts";
import { progress } from "../support/log_contract.ts";
import { streamBench, turns } from "../support/stream_bench.ts";

const EXPIRED = { code: "access_expired", message: "It has expired." };

/** A right that can be taken away, and how often it was looked at. */
function right(name = "one") {
  const state = { lapsed: false, looks: 0, broken: false };
  const held: Right = {
    name,
    lapsed() {
      state.looks++;
      if (state.broken) throw new Error("the store is locked");
      return state.lapsed ? EXPIRED : undefined;
    },
  };
  return { ...held, state, held };
}

test("a stream whose right has ended is told why, without an id, and broken off within a second", async () => {
  const { job, open, openJobs, clock, viewers } = streamBench({ heartbeatMs: 1e9 });
  const { held, state } = right();
  const running = await job();
  const one = await open(running, undefined, undefined, held);
  const many = openJobs({ right: held });
  for (const reader of [one, many, many, many]) await reader.next();
  const next = [one.next(), many.next()];
  await turns(1);

  state.lapsed = true;
  clock.advance(500);
  const [told, toldMany] = await Promise.all(next);

  assert.deepEqual(told, [{ data: { type: "error", job_id: running.id, ...EXPIRED } }]);
  assert.deepEqual(toldMany, [{ data: { type: "error", ...EXPIRED } }]);
  await assert.rejects(one.next());
  await assert.rejects(many.next());
  assert.equal(viewers.size, 0);
  assert.equal(clock.waiting, 0);
});

test("a stream whose right has ended gets nothing more of the job, however much it was behind", async () => {
  const { job, open, add, clock } = streamBench({ heartbeatMs: 1e9 });
  const { held, state } = right();
  const running = await job();
  const reader = await open(running, "0", undefined, held);
  await reader.next();
  for (let n = 0; n < 10; n++) await add(running, progress("in_progress", n));

  state.lapsed = true;
  clock.advance(500);
  const frames = await reader.next();

  assert.deepEqual(frames.map(({ data }) => data.code), ["access_expired"]);
  await assert.rejects(reader.next());
});

test("a viewer that does not take its farewell is cut off all the same", async () => {
  const { job, open, clock, viewers } = streamBench({ heartbeatMs: 1e9 });
  const { held, state } = right();
  const reader = await open(await job(), undefined, undefined, held);
  await reader.next();

  state.lapsed = true;
  clock.advance(500);
  const during = viewers.size;
  clock.advance(1_000);

  assert.deepEqual([during, viewers.size], [1, 0]);
  await assert.rejects(reader.next());
  assert.equal(clock.waiting, 0);
});

test("a right is looked at once a round, however many streams it has opened, and only while one is open", async () => {
  const { job, open, clock } = streamBench({ heartbeatMs: 1e9 });
  const { held, state } = right();
  const running = await job();
  const readers = [];
  for (let n = 0; n < 20; n++) readers.push(await open(running, undefined, undefined, held));

  clock.advance(2_000);
  const looks = state.looks;
  for (const reader of readers) await reader.cancel();
  clock.advance(10_000);

  assert.deepEqual([looks, state.looks, clock.waiting], [4, 4, 0]);
});

test("a right of which nothing can be known now ends no stream, and holds up no other's end", async () => {
  const { job, open, clock, faults, viewers } = streamBench({ heartbeatMs: 1e9 });
  const [broken, lapsing] = [right("broken"), right("lapsing")];
  const running = await job();
  const kept = await open(running, undefined, undefined, broken.held);
  const ending = await open(running, undefined, undefined, lapsing.held);
  for (const reader of [kept, ending]) await reader.next();

  broken.state.broken = true;
  lapsing.state.lapsed = true;
  clock.advance(500);
  const [told] = await ending.next();
  await assert.rejects(ending.next());
  const left = viewers.size;
  broken.state.broken = false;
  broken.state.lapsed = true;
  clock.advance(500);
  const [late] = await kept.next();

  assert.deepEqual([told.data.code, left], ["access_expired", 1]);
  assert.equal(late.data.code, "access_expired");
  assert.ok(faults[0] instanceof Error);
  await assert.rejects(kept.next());
});
