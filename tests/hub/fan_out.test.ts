import assert from "node:assert/strict";
import { test } from "node:test";
import { FanOut } from "../../src/hub/fan_out.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { CHUNK_BYTES_MAX, RING_FRAMES_MAX } from "../../src/hub/ring.ts";

/** When a FakeClock begins. */
const START_MS = 1_000_000;

/** What was appended so many milliseconds later. */
const little = (ms: number) => ({ frames: 1, bytes: 100, atMs: START_MS + ms, grownMs: ms });

/** A fan-out whose turns of the event loop are the test's, and followers that note when they are served. */
function bench(count: number) {
  const served: number[] = [];
  const told: number[] = [];
  const faults: unknown[] = [];
  let turns: (() => void)[] = [];
  const clock = new FakeClock();
  const fanOut = new FanOut<{ serve(): void }>({
    onServed: (atMs) => told.push(atMs - START_MS),
    onFault: (...fault) => faults.push(fault),
    clock,
    nextTurn: (callback) => turns.push(callback),
  });
  const followers = Array.from({ length: count }, (_, number) => ({
    serve: () => void served.push(number),
  }));
  for (const follower of followers) fanOut.wait(follower);
  return {
    fanOut,
    clock,
    followers,
    served,
    told,
    faults,
    /** From now on who is served waits for more, as a viewer that reads does. */
    reading(): void {
      for (const follower of followers) {
        const { serve } = follower;
        follower.serve = () => {
          serve();
          fanOut.wait(follower);
        };
      }
    },
    /** How many were served since the last question. */
    count: () => served.splice(0).length,
    /** Lets the loop turn once; false when nobody has asked for it. */
    turn(): boolean {
      const due = turns;
      turns = [];
      for (const callback of due) callback();
      return due.length > 0;
    },
  };
}

test("an eighth of those who wait is served in each turn, the first at once", () => {
  const { fanOut, count, turn, told } = bench(800);

  fanOut.serve(little(5));
  const counts = [count()];
  while (turn()) counts.push(count());

  assert.deepEqual(counts, Array(8).fill(100));
  assert.deepEqual(told, [5]);
});

test("a few are served at once, and no turn is asked for", () => {
  const { fanOut, count, turn, told } = bench(16);

  fanOut.serve(little(5));

  assert.equal(count(), 16);
  assert.equal(turn(), false);
  assert.deepEqual(told, [5]);
});

test("what comes during a round is for another one after it, which serves all who wait then", () => {
  const { fanOut, reading, served, turn, told } = bench(32);
  reading();

  fanOut.serve(little(5));
  fanOut.serve(little(6));
  fanOut.serve(little(7));
  assert.equal(served.length, 16);
  turn();
  assert.deepEqual(told, [5]);
  turn();
  turn();

  const all = Array.from({ length: 32 }, (_, number) => number);
  assert.deepEqual(served, [...all, ...all]);
  assert.deepEqual(told, [5, 6]);
  assert.equal(turn(), false);
});

test("where much is owed all who wait are served at once", () => {
  const { fanOut, followers, count, turn, told } = bench(800);

  fanOut.serve(little(5));
  fanOut.serve({ frames: 1, bytes: CHUNK_BYTES_MAX, atMs: START_MS + 6 });

  assert.equal(count(), 800);
  assert.deepEqual(told, [5]);
  assert.equal(turn(), true);
  assert.deepEqual([turn(), count()], [false, 0]);
  for (const follower of followers) fanOut.wait(follower);
  fanOut.serve({ frames: RING_FRAMES_MAX, bytes: 100, atMs: START_MS + 7 });
  assert.equal(count(), 800);
});

test("who leaves during a round is not served, and the round ends", () => {
  const { fanOut, followers, served, turn, told } = bench(32);

  fanOut.serve(little(5));
  for (const follower of followers.slice(16)) fanOut.forget(follower);
  turn();

  assert.equal(served.length, 16);
  assert.deepEqual(told, [5]);
  assert.equal(turn(), false);
});

test("who comes during a round waits for the next one", () => {
  const { fanOut, count, turn } = bench(32);
  let late = 0;

  fanOut.serve(little(5));
  fanOut.wait({ serve: () => void late++ });
  turn();
  assert.deepEqual([count(), late], [32, 0]);
  fanOut.serve(little(6));

  assert.equal(late, 1);
});

test("what serving a follower throws is told of it, and the others are served", () => {
  const { fanOut, followers, count, faults, turn } = bench(32);
  const fault = new Error("broken");
  followers[20].serve = () => {
    throw fault;
  };

  fanOut.serve(little(5));
  turn();

  assert.deepEqual([count(), faults], [31, [[fault, followers[20]]]]);
  assert.equal(turn(), false);
});

test("what is owed counts from one round into the next", () => {
  const { fanOut, reading, count, turn } = bench(800);
  reading();
  const third = { frames: 1, bytes: CHUNK_BYTES_MAX / 3, atMs: START_MS };

  fanOut.serve(little(5));
  fanOut.serve(third);
  for (let turns = 0; turns < 7; turns++) turn();
  assert.equal(count(), 800);
  fanOut.serve(third);
  turn();
  assert.equal(count(), 100);
  fanOut.serve(third);

  assert.equal(count(), 800);
});

test("flush() ends a round with all who wait, and does nothing where there is none", () => {
  const { fanOut, count, turn, told } = bench(32);

  fanOut.flush();
  assert.equal(count(), 0);
  fanOut.serve(little(5));
  fanOut.flush();

  assert.equal(count(), 32);
  assert.deepEqual(told, [5]);
  turn();
  assert.equal(turn(), false);
});

test("a round that begins while the loop is still to turn for the one before has no turns of its own", () => {
  const { fanOut, followers, count, turn } = bench(32);

  fanOut.serve(little(5));
  fanOut.flush();
  for (const follower of followers) fanOut.wait(follower);
  count();
  fanOut.serve(little(6));
  const counts = [count()];
  while (turn()) counts.push(count());

  assert.deepEqual(counts, [0, 16, 16]);
});

test("the time of what has come is that of the oldest that has one", () => {
  const { fanOut, turn, told } = bench(32);

  fanOut.serve(little(5));
  fanOut.serve({ frames: 0, bytes: 0 });
  fanOut.serve(little(7));
  while (turn());

  assert.deepEqual(told, [5, 7]);
});

test("where other work makes the turns long, those who are left are served at once", () => {
  const { fanOut, clock, count, turn } = bench(800);

  fanOut.serve(little(0));
  clock.advance(5);
  turn();
  assert.equal(count(), 200); // serving a hundred takes that long
  clock.advance(7);
  turn();

  assert.equal(count(), 600);
});

test("what comes long after its commit is served to all at once, but not where a round has been in the way", () => {
  const { fanOut, clock, followers, count, turn } = bench(800);

  fanOut.serve(little(-5));
  assert.equal(count(), 800);
  for (const follower of followers) fanOut.wait(follower);
  clock.advance(5);
  fanOut.serve(little(5));
  while (turn());
  assert.equal(count(), 800);
  for (const follower of followers) fanOut.wait(follower);
  fanOut.serve(little(0));

  assert.equal(count(), 100);
});

test("what serving takes by itself is no other work", () => {
  const { fanOut, clock, followers, count, turn } = bench(800);
  followers[99].serve = () => void clock.advance(50);

  fanOut.serve(little(0));
  turn();

  assert.equal(count(), 199);
});
