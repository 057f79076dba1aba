import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { chunksOf, Patience, patiently } from "../../src/cli/patience.ts";
import { FakeClock } from "../support/fake_clock.ts";

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

test("patiently() is called off by the given signal with its reason, and begins nothing after it", async () => {
  const clock = new FakeClock();
  const given = new AbortController();
  const begun: AbortSignal[] = [];
  const work = (signal: AbortSignal) => new Promise<never>(() => void begun.push(signal));

  const working = patiently(clock, given.signal, work);
  given.abort(new Error("stopped"));

  await assert.rejects(working, { message: "stopped" });
  await assert.rejects(patiently(clock, given.signal, work), { message: "stopped" });
  assert.deepEqual(begun.map(({ aborted }) => aborted), [true]);
  assert.equal(clock.waiting, 0);
});

test("chunksOf() lets go of a body that is read no further, and of one that breaks off", async () => {
  const clock = new FakeClock();
  let cancelled = false;
  const endless = new ReadableStream({
    pull: (controller) => controller.enqueue(new Uint8Array(1)),
    cancel: () => void (cancelled = true),
  });
  const broken = new ReadableStream({
    pull: (controller) => controller.error(new Error("broken off")),
  });

  for await (const _chunk of chunksOf(clock, undefined, endless)) break;
  const breaking = chunksOf(clock, undefined, broken).next();

  await assert.rejects(breaking, { message: "broken off" });
  await setImmediate(); // a rejection that nobody handles would fail this test
  assert.deepEqual([cancelled, clock.waiting], [true, 0]);
});
