import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { pageFile } from "../support/page_file.ts";

const { atMostEvery, dueIn, lineTime, shortTime, showTime } = await pageFile("time.js");
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

test("showTime() tells what has happened as past, also where the server's clock is ahead", (t) => {
  const atMs = setClock(t);

  assert.deepEqual([-1_900, -600, 0, 600, 1_900, 8_000].map((ms) => shown(atMs - ms)), [
    "just now",
    "just now",
    "just now",
    "just now",
    "2 s ago",
    "8 s ago",
  ]);
});

test("showTime() tells of a run whose time has come that it is due, and of no run that was", (t) => {
  const atMs = setClock(t);

  assert.deepEqual([90_000, 1_000, 0, -42_000].map((ms) => shown(atMs + ms, dueIn)), [
    "in 1 min",
    "in a moment",
    "due",
    "due",
  ]);
});

test("shortTime() and lineTime() have the date where that is not today's", (t) => {
  const { now } = Date;
  t.after(() => {
    Date.now = now;
  });
  const local = (day: number, hour: number) => new Date(2026, 6, day, hour, 7, 8).getTime();
  Date.now = () => local(29, 3);

  assert.deepEqual([local(29, 0), local(28, 23)].map(shortTime), ["00:07:08", "28 Jul, 23:07"]);
  assert.deepEqual([local(29, 0), local(28, 23)].map(lineTime), ["00:07:08", "28 Jul, 23:07:08"]);
});

/** The browser's clock, which stands still. */
function setClock(t: TestContext): number {
  const { now } = Date;
  const atMs = now();
  t.after(() => {
    Date.now = now;
  });
  Date.now = () => atMs;
  return atMs;
}

/** What is shown for a time. */
function shown(atMs: number, ...words: unknown[]): string {
  const node = { hidden: true, textContent: "", dateTime: "", title: "" };
  showTime(node, new Date(atMs).toISOString(), ...words);
  return node.textContent;
}
