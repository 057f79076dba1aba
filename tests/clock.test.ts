import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../src/clock.ts";

test("systemClock.after() waits longer than a timer of the runtime can, and can be called off", async () => {
  const fired: number[] = [];
  const spans = [2 ** 31, 30 * 86_400_000, Infinity];

  const callOffs = spans.map((ms) => systemClock.after(ms, () => void fired.push(ms)));
  // One that cannot wait is due before this.
  await new Promise<void>((resolve) => void systemClock.after(5, resolve));
  for (const callOff of callOffs) callOff();

  assert.deepEqual(fired, []);
});
