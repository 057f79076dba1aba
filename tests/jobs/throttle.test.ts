import assert from "node:assert/strict";
import { test } from "node:test";
import { LOG_LINES_PER_S, Throttle, type Throttled } from "../../src/jobs/throttle.ts";
import type { SourceLog, SourceProgress } from "../../src/sources/source.ts";
import { NO_PROGRESS } from "../../src/sync/progress.ts";
import { FakeClock } from "../support/fake_clock.ts";

const at = (inserted: number): SourceProgress => ({ type: "progress", ...NO_PROGRESS, inserted });
const line = (message: string): SourceLog => ({ type: "log", level: "info", message });

function throttled() {
  const clock = new FakeClock();
  const out: Throttled[] = [];
  const throttle = new Throttle(clock, 250, (event) => out.push(event));
  const seen = () =>
    out.splice(0).map((event) => event.type === "progress" ? event.inserted : event.message);
  return { clock, throttle, seen };
}

test("Throttle lets the first progress through at once and then the newest at most every interval", () => {
  const { clock, throttle, seen } = throttled();

  for (const n of [1, 2, 3]) throttle.progress(at(n));
  const first = seen();
  clock.advance(249);
  const early = seen();
  clock.advance(1);
  const due = seen();
  clock.advance(1_000);
  throttle.progress(at(4));

  assert.deepEqual([first, early, due, seen()], [[1], [], [3], [4]]);
  assert.equal(clock.waiting, 0);
});

test("Throttle.end() lets the last progress out and sets no timer", () => {
  const { clock, throttle, seen } = throttled();
  throttle.progress(at(1));
  throttle.progress(at(2));

  throttle.end();

  assert.deepEqual(seen(), [1, 2]);
  assert.equal(clock.waiting, 0);
});

test("Throttle.every() lets what waits out by the new interval, sooner or later", () => {
  const { clock, throttle, seen } = throttled();
  for (const n of [1, 2]) throttle.progress(at(n));
  seen();

  throttle.every(100);
  clock.advance(100);
  const sooner = seen();
  throttle.progress(at(3));
  throttle.every(5_000);
  clock.advance(4_999);
  const early = seen();
  clock.advance(1);
  const later = seen();
  throttle.progress(at(4));
  clock.advance(1_000);
  throttle.every(1_000);

  assert.deepEqual([sooner, early, later, seen()], [[2], [], [3], [4]]);
  assert.equal(clock.waiting, 0);
});

test("Throttle lets warnings and errors through that come among more lines than the rate", () => {
  const { clock, throttle, seen } = throttled();

  for (let n = 0; n < LOG_LINES_PER_S + 7; n++) throttle.log(line("copied"));
  throttle.log({ ...line("disk nearly full"), level: "warning" });
  for (let n = 0; n < LOG_LINES_PER_S; n++) throttle.log({ ...line("no file"), level: "error" });
  throttle.log(line("copied"));
  const passed = seen();
  clock.advance(1_000);
  throttle.log({ ...line("no file"), level: "error" });

  assert.deepEqual(passed.slice(LOG_LINES_PER_S, LOG_LINES_PER_S + 2), [
    "disk nearly full",
    "no file",
  ]);
  assert.equal(passed.length, 2 * LOG_LINES_PER_S);
  assert.deepEqual(seen(), ["9 lines left out: more than 100 a second", "no file"]);
});

test("Throttle counts log lines beyond the rate and tells how many it left out", () => {
  const { clock, throttle, seen } = throttled();

  for (let n = 0; n < LOG_LINES_PER_S + 7; n++) throttle.log(line(`${n}`));
  const passed = seen();
  clock.advance(1_000);
  throttle.log(line("next second"));
  const next = seen();
  for (let n = 0; n < LOG_LINES_PER_S; n++) throttle.log(line("x"));
  seen();
  throttle.end();

  assert.equal(passed.length, LOG_LINES_PER_S);
  assert.deepEqual(next, ["7 lines left out: more than 100 a second", "next second"]);
  assert.deepEqual(seen(), ["1 line left out: more than 100 a second"]);
});
