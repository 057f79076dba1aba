import assert from "node:assert/strict";
import { test } from "node:test";
import { Meter, settled } from "../../src/jobs/meter.ts";
import type { SourceProgress } from "../../src/sources/source.ts";
import { NO_PROGRESS } from "../../src/sync/progress.ts";

const at = (changes: Partial<SourceProgress>): SourceProgress => ({
  type: "progress",
  ...NO_PROGRESS,
  ...changes,
});

test("Meter tells no percent before a total is final", () => {
  const { percent, etaS } = new Meter().read(at({ inserted: 5, bytesDone: 100 }), 0);

  assert.deepEqual([percent, etaS], [undefined, undefined]);
});

test("Meter counts percent by bytes when they are known, else by entities", () => {
  const byBytes = new Meter().read(at({ inserted: 1, total: 4, bytesDone: 30, bytesTotal: 40 }), 0);
  const byEntities = new Meter().read(at({ inserted: 1, kept: 1, skipped: 1, total: 4 }), 0);
  const { percent: ofNone } = new Meter().read(at({ total: 0 }), 0);

  assert.deepEqual([byBytes.percent, byEntities.percent, ofNone], [75, 75, undefined]);
});

test("Meter counts percent by entities where only the bytes in all are known", () => {
  const known = { bytesTotal: 1_000, total: 10 };
  const { percent } = new Meter().read(at({ ...known, inserted: 5 }), 0);
  const { percent: bytesAlone } = new Meter().read(at({ bytesTotal: 1_000, inserted: 5 }), 0);

  assert.deepEqual([percent, bytesAlone], [50, 0]);
});

test("Meter tells no rate of a source that counts no entities", () => {
  const meter = new Meter();
  const rates = [0, 5_000, 10_000].map((atMs) =>
    meter.read(at({ percent: atMs / 100 }), atMs).ratePerS
  );

  assert.deepEqual(rates, [undefined, undefined, undefined]);
});

test("Meter believes a percent that the source itself tells", () => {
  const { percent } = new Meter().read(at({ percent: 42.57, total: 4 }), 0);

  assert.equal(percent, 42.5);
});

test("Meter never lets percent go back nor beyond 100", () => {
  const meter = new Meter();

  const percents = [
    meter.read(at({ inserted: 3, total: 4 }), 0),
    meter.read(at({ inserted: 3, total: 8 }), 1),
    meter.read(at({ inserted: 9, total: 8 }), 2),
  ].map(({ percent }) => percent);

  assert.deepEqual(percents, [75, 75, 100]);
});

test("Meter tells rates over the last seconds and the time left at that rate", () => {
  const meter = new Meter();
  const total = { total: 1_000, bytesTotal: 10_000 };

  const early = meter.read(at({ ...total, inserted: 0, bytesDone: 0 }), 0);
  const slow = meter.read(at({ ...total, inserted: 100, bytesDone: 1_000 }), 10_000);
  const fast = meter.read(at({ ...total, inserted: 600, bytesDone: 6_000 }), 20_000);

  assert.deepEqual([early.ratePerS, early.etaS], [undefined, undefined]);
  assert.deepEqual([slow.ratePerS, slow.bytesPerS, slow.etaS], [10, 100, 90]);
  assert.deepEqual([fast.ratePerS, fast.bytesPerS, fast.etaS], [50, 500, 8]);
});

test("Meter tells no time left in the first three seconds, nor beyond the total", () => {
  const meter = new Meter();
  const left = (inserted: number, atMs: number) =>
    meter.read(at({ inserted, total: 4_000 }), atMs).etaS;

  assert.deepEqual([left(0, 0), left(1, 1_000), left(200, 2_999)], [
    undefined,
    undefined,
    undefined,
  ]);
  assert.deepEqual([left(2_000, 4_000), left(4_000, 8_000), left(4_001, 8_500)], [4, 0, undefined]);
});

test("settled() takes away what no longer holds, and ends a completed job at 100 percent", () => {
  const running = {
    ...NO_PROGRESS,
    percent: 99.9,
    ratePerS: 5,
    bytesPerS: 6,
    etaS: 7,
    current: "a",
  };

  assert.deepEqual(settled(running, true), { ...NO_PROGRESS, percent: 100 });
  assert.deepEqual(settled(running, false), { ...NO_PROGRESS, percent: 99.9 });
  assert.deepEqual(settled(NO_PROGRESS, true), NO_PROGRESS);
});
