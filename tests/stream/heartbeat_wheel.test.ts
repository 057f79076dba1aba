import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../../src/clock.ts";
import { type Beating, HeartbeatWheel } from "../../src/stream/heartbeat_wheel.ts";
import { FakeClock } from "../support/fake_clock.ts";

const INTERVAL_MS = 6_000;

/** A wheel of 6 slots of a second; all viewers are put into the one at 3 s. */
function wheelBench() {
  const clock = new FakeClock();
  /** Heartbeats in each turn of the loop that had some. */
  const turns: number[] = [];
  const late: number[] = [];
  let haltedMs = 0;
  const counted: Clock = {
    now: () => clock.now(),
    monotonic: () => clock.monotonic() + haltedMs,
    after: (ms, run) =>
      clock.after(ms, () => {
        turns.push(0);
        run();
        if (turns.at(-1) === 0) turns.pop();
      }),
  };
  const wheel = new HeartbeatWheel(counted, INTERVAL_MS, () => 3 / 6, (ms) => late.push(ms));
  const viewer = (then = () => {}): Beating => ({
    heartbeat() {
      turns[turns.length - 1]++;
      then();
    },
  });
  /** Time goes by in which no timer runs. */
  const halt = (ms: number) => void (haltedMs += ms);
  return { clock, wheel, viewer, turns, late, halt };
}

test("HeartbeatWheel serves the viewers of a slot together, an interval apart", () => {
  const { clock, wheel, viewer, turns } = wheelBench();
  wheel.add(viewer());
  wheel.add(viewer());

  clock.advance(2_999);
  assert.deepEqual(turns, []);
  clock.advance(1);
  assert.deepEqual(turns, [2]);
  clock.advance(INTERVAL_MS - 1);
  assert.deepEqual(turns, [2]);
  clock.advance(1);

  assert.deepEqual(turns, [2, 2]);
});

test("HeartbeatWheel lets the loop turn after 128 viewers, and beats once for each", () => {
  const { clock, wheel, viewer, turns, late } = wheelBench();
  for (let n = 0; n < 300; n++) wheel.add(viewer());

  clock.advance(INTERVAL_MS);

  assert.deepEqual(turns, [128, 128, 44]);
  assert.deepEqual(late, [0, 0, 0]);
});

test("HeartbeatWheel passes over who left while the others of the slot were served", () => {
  const { clock, wheel, viewer, turns } = wheelBench();
  const last = viewer(() => assert.fail("it had left"));
  for (let n = 0; n < 127; n++) wheel.add(viewer());
  wheel.add(viewer(() => wheel.remove(last, 3)));
  for (let n = 0; n < 3; n++) wheel.add(viewer());
  wheel.add(last);

  clock.advance(INTERVAL_MS);

  assert.deepEqual(turns, [128, 3]);
});

test("HeartbeatWheel beats once after a long halt, and tells how late that is", () => {
  const { clock, wheel, viewer, turns, late, halt } = wheelBench();
  wheel.add(viewer());
  clock.advance(3_000);

  halt(9 * INTERVAL_MS + 1_500);
  clock.advance(1_000);
  assert.deepEqual(turns, [1, 1]);
  assert.deepEqual(late, [0, 8 * INTERVAL_MS + 2_500]);
  clock.advance(INTERVAL_MS - 1);
  assert.equal(turns.length, 2);
  clock.advance(1);

  assert.deepEqual(turns, [1, 1, 1]);
});

test("HeartbeatWheel rests once nobody is left, also in the middle of a slot", () => {
  const { clock, wheel, viewer, turns } = wheelBench();
  const all: Beating[] = [];
  const leave = () => {
    if (turns.at(-1) === 128) { for (const one of all) wheel.remove(one, 3); }
  };
  for (let n = 0; n < 200; n++) all.push(viewer(leave));
  for (const one of all) wheel.add(one);

  clock.advance(3_000);
  assert.deepEqual([turns, wheel.size, clock.waiting], [[128], 0, 0]);
  wheel.add(viewer());
  clock.advance(INTERVAL_MS);

  assert.deepEqual(turns, [128, 1]);
});
