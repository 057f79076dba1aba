import assert from "node:assert/strict";
import { test } from "node:test";
import { pageFile } from "../support/page_file.ts";

const { duration, known, learnTime, now, relative, setHeard, setTold } = await pageFile("time.js");
const {
  bytes,
  counts,
  isOfBytes,
  isQuiet,
  isStalled,
  many,
  number,
  percent,
  rate,
  shareOf,
  shortened,
  title,
  warningsOf,
} = await pageFile("words.js");

const S = 1_000;
const MIN = 60 * S;
const H = 60 * MIN;
const D = 24 * H;

test("duration() says two units at most, and no zero", () => {
  for (
    const [ms, words] of [
      [999, "under 1 s"],
      [S, "1 s"],
      [59 * S, "59 s"],
      [MIN, "1 min"],
      [80 * S, "1 min 20 s"],
      [H - S, "59 min 59 s"],
      [2 * H + 5 * MIN, "2 h 5 min"],
      [D - S, "23 h 59 min"],
      [D, "1 d"],
      [3 * D + 4 * H, "3 d 4 h"],
    ] as const
  ) assert.equal(duration(ms), words);
});

/** With the browser's clock standing still. */
function standing(act: (nowMs: number) => void) {
  const real = Date.now;
  const nowMs = real();
  Date.now = () => nowMs;
  try {
    act(nowMs);
  } finally {
    Date.now = real;
  }
}

test("relative() tells what was from what comes", () => {
  standing((nowMs) => {
    for (
      const [ms, words] of [
        [0, "just now"],
        [-S, "just now"],
        [S, "in a moment"],
        [-8 * S, "8 s ago"],
        [8 * S, "in 8 s"],
        [-3 * MIN, "3 min ago"],
        [2 * H, "in 2 h"],
        [-49 * H, "2 d ago"],
      ] as const
    ) assert.equal(relative(nowMs + ms), words);
  });
});

test("time is the server's where the browser's clock is wrong, and stands while nothing is heard", () => {
  const answer = (ms: number) =>
    new Response("", { headers: { Date: new Date(ms).toUTCString() } });
  standing((nowMs) => {
    const whole = Math.floor(nowMs / S) * S;
    learnTime(answer(whole + H));
    const ahead = now() - nowMs;
    setHeard(nowMs - 20 * S);
    const heard = known() - nowMs;
    setHeard(nowMs + H); // the clock was put back since
    const back = known() - nowMs;
    setHeard(undefined);
    const live = known() - nowMs;
    setTold(nowMs);
    const told = [0, 1].map((ms) =>
      isStalled({
        status: "in_progress",
        heard_at: new Date(nowMs + ahead - MIN + ms).toISOString(),
      }, MIN)
    );
    setTold(0);
    learnTime(answer(whole + S));
    const close = now() - nowMs;
    learnTime(new Response(""));

    assert.ok(ahead > H - S && ahead <= H);
    assert.deepEqual([heard, back, live, close], [ahead - 20 * S, ahead, ahead, 0]);
    assert.deepEqual(told, [true, false]);
  });
});

test("numbers are written as people read them", () => {
  assert.deepEqual([number(18_291), percent(40.66), many(1, "line"), many(2_000, "line")], [
    "18,291",
    "40.7 %",
    "1 line",
    "2,000 lines",
  ]);
  assert.deepEqual([rate(0.1234), rate(4_817.4), bytes(1_023), bytes(1_536), bytes(2 ** 50)], [
    "0.123/s",
    "4,817/s",
    "1023 B",
    "1.5 KiB",
    "1024.0 TiB",
  ]);
});

test("a job's counts, warnings and name are said where there are some", () => {
  const totals = {
    status: "completed",
    warnings: 2,
    entities_inserted: 1_200,
    entities_updated: 0,
    entities_deleted: 0,
    entities_kept: 3,
    entities_skipped: 0,
  };
  const id = "770e8400-e29b-41d4-a716-446655440002";

  assert.equal(counts(totals), "1,200 inserted, 3 kept");
  assert.equal(warningsOf(totals), "2 warnings");
  assert.equal(warningsOf({ ...totals, status: "failed" }), "");
  assert.equal(warningsOf({ ...totals, warnings: 0 }), "");
  assert.equal(title({ sync: "docs", name: "nightly", id }), "docs \u00b7 nightly");
  assert.equal(title({ sync: null, name: null, id }), "Job 770e8400");
});

test("there is no percent beyond the bytes that are told, else beyond the entities", () => {
  const of = (told: object) =>
    shareOf({
      percent: 100,
      entities_inserted: 2,
      entities_updated: 0,
      entities_kept: 0,
      entities_skipped: 0,
      ...told,
    });

  assert.equal(of({ total: 1 }), undefined);
  assert.equal(of({ total: 1, bytes_total: 10 }), undefined);
  assert.equal(of({ total: 1, bytes_done: 10, bytes_total: 10 }), 100);
  assert.equal(of({ bytes_done: 11, bytes_total: 10 }), undefined);
  assert.equal(of({ bytes_total: 10 }), 100);
});

test("a percent is told to be one of bytes only where it is", () => {
  assert.equal(isOfBytes({ percent: 40.1, bytes_done: 402, bytes_total: 1_000 }), true);
  assert.equal(isOfBytes({ percent: 40.1, bytes_done: 500, bytes_total: 1_000 }), false);
  assert.equal(isOfBytes({ percent: 0, bytes_total: 1_000 }), true);
  assert.equal(isOfBytes({ percent: 0, bytes_total: 0 }), false);
  assert.equal(isOfBytes({ bytes_done: 0, bytes_total: 1_000 }), false);
});

test("a rate is of then when no totals were told for ten seconds", () => {
  standing((nowMs) => {
    assert.deepEqual([isQuiet(nowMs - 10 * S), isQuiet(nowMs - 10 * S + 1)], [true, false]);
    setHeard(nowMs - 20 * S); // what is shown is of then
    assert.deepEqual([isQuiet(nowMs - 30 * S), isQuiet(nowMs - 30 * S + 1)], [true, false]);
    setHeard(undefined);
  });
});

test("a job is stalled by what the list was told until then, and by nothing where it was told nothing", () => {
  standing((nowMs) => {
    const silent = (ms: number, status = "in_progress") =>
      isStalled({ status, heard_at: new Date(nowMs - ms).toISOString() }, MIN);
    setTold(nowMs - 10 * S);
    const told = [silent(70 * S), silent(70 * S - 1), silent(D, "failed")];
    setTold(nowMs + H); // the clock was put back since
    const back = [silent(MIN), silent(MIN - 1)];
    setTold(0);
    const untold = silent(D);

    assert.deepEqual([told, back, untold], [[true, false, false], [true, false], false]);
  });
});

test("shortened() cuts no character in two", () => {
  assert.deepEqual(
    ["abc", "abcd", "a😀c", "ab😀"].map((text) => shortened(text, 3)),
    ["abc", "ab…", "a…", "ab…"],
  );
});
