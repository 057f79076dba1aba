import assert from "node:assert/strict";
import { test } from "node:test";
import { durationMs, durationText } from "../../src/jobs/amounts.ts";

test("durationMs() and durationText() are each other's opposite", () => {
  const texts = ["1s", "90s", "15m", "36h", "1d", "366d"];

  assert.deepEqual(texts.map((text) => durationText(durationMs(text))), texts);
  assert.deepEqual(["24h", "60m", "120"].map((text) => durationText(durationMs(text))), [
    "1d",
    "1h",
    "2m",
  ]);
  assert.equal(durationMs("0s"), 0);
});
