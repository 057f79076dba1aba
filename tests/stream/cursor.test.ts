import assert from "node:assert/strict";
import { test } from "node:test";
import { freshJob } from "../../src/log/fold.ts";
import { eventId, openAt } from "../../src/stream/cursor.ts";
import { spacedJson } from "../../src/sync/json.ts";
import type { Epoch } from "../../src/sync/ids.ts";
import type { Job } from "../../src/sync/job.ts";
import { newJob } from "../support/log_contract.ts";

const EPOCH = "k3Xz9Q_1" as Epoch;
const at = (changes: Partial<Job>): Job => ({ ...freshJob(newJob()), epoch: EPOCH, ...changes });
const running = at({ seq: 10, trimmed: [4, 2, 0, 0], status: "in_progress" });
const over = at({ seq: 10, status: "completed" });

for (
  const [what, job, cursor, expected] of [
    ["no cursor and nothing logged is a start", at({}), undefined, ["start", 0, false]],
    ["no cursor is a snapshot of now", running, undefined, ["snapshot", 10, true]],
    ["no cursor at a finished job is its end", over, undefined, ["snapshot", 10, true]],
    ["an id resumes behind it", running, "k3Xz9Q_1-7", ["resumed", 7, false]],
    ["the newest id resumes", running, "k3Xz9Q_1-10", ["resumed", 10, false]],
    ["the last id before what was removed resumes", running, "k3Xz9Q_1-4", ["resumed", 4, false]],
    ["an id whose next entry was removed is a gap", running, "k3Xz9Q_1-3", ["gap", 10, true]],
    ["0 is a gap when the start was removed", running, "0", ["gap", 10, true]],
    ["0 replays from the start", over, "0", ["resumed", 0, false]],
    ["an id of another epoch is a gap", running, "other-7", ["gap", 10, true]],
    ["an id beyond the log is a gap", running, "k3Xz9Q_1-11", ["gap", 10, true]],
    ["a number is a gap", running, "7", ["gap", 10, true]],
    ["nonsense is a gap", running, "💥\u0000 -1", ["gap", 10, true]],
    ["a negative position is a gap", running, "k3Xz9Q_1--1", ["gap", 10, true]],
    ["a huge position is a gap", running, "k3Xz9Q_1-99999999999999999999", ["gap", 10, true]],
    ["nonsense at a job without entries is a gap without a snapshot", at({}), "x", [
      "gap",
      0,
      false,
    ]],
  ] as const
) {
  test(`openAt() ${what}`, () => {
    const opening = openAt(job, cursor, "debug");

    assert.ok(opening.kind === "open");
    assert.deepEqual([opening.resume, opening.cursor, opening.snapshot], expected);
  });
}

test("openAt() tells a gap only to those who asked for what was removed", () => {
  const cursor = eventId(EPOCH, 1);

  const resumes = ([undefined, "debug", "info", "warning"] as const).map((logs) => {
    const opening = openAt(running, cursor, logs);
    return opening.kind === "open" && opening.resume;
  });

  assert.deepEqual(resumes, ["resumed", "gap", "gap", "resumed"]);
});

test("openAt() is over only where the cursor stands at the terminal entry", () => {
  assert.deepEqual(openAt(over, eventId(EPOCH, 10)), { kind: "over" });
  assert.equal(openAt(over, eventId(EPOCH, 9)).kind, "open");
  assert.equal(openAt(running, eventId(EPOCH, 10)).kind, "open");
});

test("spacedJson() spaces as the contract does and is one line, whatever a string holds", () => {
  const value = { a: ["x,\n  y", { b: {} }], "c:d": " {,\n", e: [], f: null, g: undefined };

  const text = spacedJson(value);

  assert.equal(text, '{"a": ["x,\\n  y", {"b": {}}], "c:d": " {,\\n", "e": [], "f": null}');
  assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)));
});
