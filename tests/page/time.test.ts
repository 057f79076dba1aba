import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { pageFile } from "../support/page_file.ts";

const { atMostEvery } = await pageFile("time.js");
const { syncsPauseMs } = await pageFile("list_stream.js");

/** Timers that are only noted. */
function noted(t: TestContext): { ms: number; run: () => void }[] {
  const timers: { ms: number; run: () => void }[] = [];
  const { setTimeout } = globalThis;
  t.after(() => Object.assign(globalThis, { setTimeout }));
  Object.assign(globalThis, {
    setTimeout: (run: () => void, ms: number) => timers.push({ ms, run }),
  });
  return timers;
}

test("atMostEvery() pauses for as long as is said at the time", (t) => {
  const timers = noted(t);
  let ms = 10;
  let acts = 0;
  const { soon } = atMostEvery(() => ms, () => acts++);

  soon();
  ms = 30;
  soon();
  timers[0].run();

  assert.deepEqual([acts, timers.map((timer) => timer.ms)], [2, [10, 30]]);
});

test("syncsPauseMs() is longer where many syncs are listed", () => {
  assert.deepEqual([0, 10, 500, 501, 5_000].map(syncsPauseMs), [
    2_000,
    2_000,
    2_000,
    2_004,
    20_000,
  ]);
});
