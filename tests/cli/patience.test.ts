import assert from "node:assert/strict";
import { test } from "node:test";
import { Patience } from "../../src/cli/patience.ts";

/** A clock whose timers are late: they run when the test says so. */
function lateClock() {
  let nowMs = 0;
  let due: { readonly atMs: number; readonly run: () => void } | undefined;
  return {
    now: () => nowMs,
    monotonic: () => nowMs,
    after(ms: number, run: () => void) {
      due = { atMs: nowMs + ms, run };
      return () => due = undefined;
    },
    passes(ms: number) {
      nowMs += ms;
      const now = due && due.atMs <= nowMs ? due : undefined;
      if (now) due = undefined;
      now?.run();
    },
  };
}

test("Patience lets a process that was halted read what has come meanwhile", () => {
  const clock = lateClock();
  const heard = new Patience(clock, undefined);
  clock.passes(600_000);
  const after = heard.over;
  heard.renew();
  clock.passes(1_000);
  const later = heard.over;
  heard.end();
  const silent = new Patience(clock, undefined);
  clock.passes(600_000);
  clock.passes(1_000);

  assert.deepEqual([after, later], [false, false]);
  assert.deepEqual([silent.over, silent.signal.aborted], [true, true]);
});

test("Patience that has ended is called off by nobody", () => {
  const clock = lateClock();
  const given = new AbortController();
  const ended = new Patience(clock, given.signal);
  const held = new Patience(clock, given.signal);

  ended.end();
  given.abort();

  assert.deepEqual([ended.signal.aborted, held.signal.aborted], [false, true]);
  assert.equal(held.over, false);
});
