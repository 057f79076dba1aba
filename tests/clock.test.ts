import assert from "node:assert/strict";
import { test } from "node:test";
import { atMost, systemClock } from "../src/clock.ts";
import { FakeClock } from "./support/fake_clock.ts";

test("systemClock.after() waits longer than a timer of the runtime can, and can be called off", async () => {
  const fired: number[] = [];
  const spans = [2 ** 31, 30 * 86_400_000, Infinity];

  const callOffs = spans.map((ms) => systemClock.after(ms, () => void fired.push(ms)));
  // One that cannot wait is due before this.
  await new Promise<void>((resolve) => void systemClock.after(5, resolve));
  for (const callOff of callOffs) callOff();

  assert.deepEqual(fired, []);
});

test("atMost() waits for the work, for so long at the most, and leaves no timer behind", async () => {
  const clock = new FakeClock();
  const work = Promise.withResolvers<void>();

  const late = atMost(clock, 1_000, work.promise);
  clock.advance(1_000);
  await late;
  const soon = atMost(clock, 1_000, work.promise);
  work.resolve();
  await soon;

  assert.equal(clock.waiting, 0);
  await assert.rejects(atMost(clock, 1_000, Promise.reject(new Error("broken"))), /broken/);
  assert.equal(clock.waiting, 0);
});
