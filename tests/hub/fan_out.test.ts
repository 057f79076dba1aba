import assert from "node:assert/strict";
import { test } from "node:test";
import { FanOut } from "../../src/hub/fan_out.ts";
import { CHUNK_BYTES_MAX } from "../../src/hub/ring.ts";

/** A fan-out whose turns of the event loop are the test's, and followers that note when they are served. */
function bench(count: number) {
  const served: number[] = [];
  const told: number[] = [];
  const faults: unknown[] = [];
  let turns: (() => void)[] = [];
  const fanOut = new FanOut<{ serve(): void }>({
    onServed: (atMs) => told.push(atMs),
    onFault: (cause) => faults.push(cause),
    nextTurn: (callback) => turns.push(callback),
  });
  const followers = Array.from({ length: count }, (_, number) => ({
    serve: () => void served.push(number),
  }));
  for (const follower of followers) fanOut.wait(follower);
  return {
    fanOut,
    followers,
    served,
    told,
    faults,
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

  fanOut.serve(100, 5);
  const counts = [count()];
  while (turn()) counts.push(count());

  assert.deepEqual(counts, Array(8).fill(100));
  assert.deepEqual(told, [5]);
});

test("a few are served at once, and no turn is asked for", () => {
  const { fanOut, count, turn, told } = bench(8);

  fanOut.serve(100, 5);

  assert.equal(count(), 8);
  assert.equal(turn(), false);
  assert.deepEqual(told, [5]);
});

test("what comes during a round is for another one after it, which serves all who wait then", () => {
  const { fanOut, followers, served, turn, told } = bench(16);
  // Who is served waits for more, as a viewer that reads does.
  for (const follower of followers) {
    const { serve } = follower;
    follower.serve = () => {
      serve();
      fanOut.wait(follower);
    };
  }

  fanOut.serve(100, 5);
  fanOut.serve(100, 6);
  fanOut.serve(100, 7);
  assert.deepEqual(served, [0, 1, 2, 3, 4, 5, 6, 7]);
  turn();
  assert.deepEqual(told, [5]);
  turn();
  turn();

  const all = Array.from({ length: 16 }, (_, number) => number);
  assert.deepEqual(served, [...all, ...all]);
  assert.deepEqual(told, [5, 6]);
  assert.equal(turn(), false);
});

test("when much has come since a round began, all that are left are served in the next turn", () => {
  const { fanOut, count, turn } = bench(800);

  fanOut.serve(100, 5);
  fanOut.serve(CHUNK_BYTES_MAX, 6);
  count();
  turn();

  assert.equal(count(), 700);
});

test("who leaves during a round is not served, and the round ends", () => {
  const { fanOut, followers, served, turn, told } = bench(16);

  fanOut.serve(100, 5);
  for (const follower of followers.slice(8)) fanOut.forget(follower);
  turn();

  assert.equal(served.length, 8);
  assert.deepEqual(told, [5]);
  assert.equal(turn(), false);
});

test("who comes during a round waits for the next one", () => {
  const { fanOut, count, turn } = bench(16);
  let late = 0;

  fanOut.serve(100, 5);
  fanOut.wait({ serve: () => void late++ });
  turn();
  assert.deepEqual([count(), late], [16, 0]);
  fanOut.serve(100, 6);

  assert.equal(late, 1);
});

test("what serving throws is told, and a later round serves who is left", () => {
  const { fanOut, followers, count, faults, turn } = bench(16);
  const fault = new Error("broken");
  followers[10].serve = () => {
    throw fault;
  };

  fanOut.serve(100, 5);
  turn();
  assert.deepEqual([count(), faults], [10, [fault]]);
  assert.equal(turn(), false);
  fanOut.serve(100, 6);

  assert.equal(count(), 5);
});
