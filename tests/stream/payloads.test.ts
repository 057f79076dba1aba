import assert from "node:assert/strict";
import { test } from "node:test";
import { freshJob } from "../../src/log/fold.ts";
import { lineText, listedText, progressText } from "../../src/stream/payloads.ts";
import { spacedJson } from "../../src/sync/json.ts";
import type { LogEntry, LogFact } from "../../src/sync/entry.ts";
import { logText } from "../../src/sync/log_text.ts";
import { NO_PROGRESS, type Progress } from "../../src/sync/progress.ts";
import { newJob } from "../support/log_contract.ts";

const ODD = 'a "b"\\ \n\r\u2028 \u0000 \ud800 é';
const job = freshJob(newJob());
const view = { seq: 7, atMs: 1_764_000_000_123 };
const all: Required<Progress> = {
  inserted: 1,
  updated: 2,
  deleted: 3,
  kept: 4,
  skipped: 5,
  encountered: { file: 10, [ODD]: 5 },
  total: 20,
  percent: 75.5,
  bytesDone: 1e21,
  bytesTotal: 2e21,
  ratePerS: 0.1,
  bytesPerS: 12,
  etaS: 0,
  phase: ODD,
  current: ODD,
  warnings: 1,
  paced: true,
};
function logEntry(said: Omit<LogFact, "kind" | "level">): LogEntry {
  const text = logText({ kind: "log", level: "error", ...said }, view.atMs);
  return { ...view, kind: "log", level: "error", text };
}

const texts = {
  "progress of which all is known": progressText(job, {
    ...view,
    status: "in_progress",
    progress: all,
  }),
  "progress of which nothing is known": progressText(job, {
    ...view,
    status: "pending",
    progress: NO_PROGRESS,
  }),
  "a failure": progressText(job, {
    ...view,
    status: "failed",
    progress: NO_PROGRESS,
    error: { code: "c", message: ODD },
  }),
  "a completion": progressText(job, { ...view, status: "completed", progress: all }),
  "a job in a list": listedText({ ...job, name: ODD, tags: ["a", ODD], startedAtMs: 5 }),
  "a log line": lineText(job.id, logEntry({ message: ODD })),
  "a log line with all": lineText(
    job.id,
    logEntry({
      message: "",
      source: ODD,
      timeMs: 5,
      fields: { [ODD]: [ODD, { n: null }], empty: {} },
    }),
  ),
  "a log line whose time is none": lineText(job.id, logEntry({ message: "", timeMs: NaN })),
};

for (const [what, text] of Object.entries(texts)) {
  test(`${what} is one line of spaced JSON`, () => {
    assert.equal(text, spacedJson(JSON.parse(text)));
    assert.doesNotMatch(text, /[\r\n\0]/);
    assert.ok(text.isWellFormed());
  });
}

test("progress carries the contract's keys in its order, then what else is known", () => {
  const payload = JSON.parse(texts["a completion"]);

  assert.deepEqual(
    Object.entries(payload),
    Object.entries({
      type: "progress",
      job_id: job.id,
      entities_inserted: 1,
      entities_updated: 2,
      status: "completed",
      entities_deleted: 3,
      entities_kept: 4,
      entities_skipped: 5,
      entities_encountered: { file: 10, [ODD]: 5 },
      sync_id: job.sync?.id ?? null,
      seq: 7,
      last_update_timestamp: "2025-11-24T16:00:00.123Z",
      inserted: 1,
      updated: 2,
      deleted: 3,
      kept: 4,
      skipped: 5,
      total: 20,
      percent: 75.5,
      bytes_done: 1e21,
      bytes_total: 2e21,
      rate_per_s: 0.1,
      bytes_per_s: 12,
      eta_s: 0,
      phase: ODD,
      current: ODD,
      warnings: 1,
      paced: true,
      is_complete: true,
      is_failed: false,
      error: null,
    }),
  );
});

test("what is not known is left out, and a failure says why", () => {
  const pending = JSON.parse(texts["progress of which nothing is known"]);
  const failed = JSON.parse(texts["a failure"]);

  assert.equal("total" in pending || "current" in pending || "error" in pending, false);
  assert.deepEqual([failed.is_complete, failed.is_failed, failed.error], [false, true, ODD]);
});

test("a log line carries its level, its own time and its fields", () => {
  const { type, level, source, time, fields, seq } = JSON.parse(texts["a log line with all"]);

  assert.deepEqual([type, level, source, time, seq], [
    "log",
    "error",
    ODD,
    "1970-01-01T00:00:00.005Z",
    7,
  ]);
  assert.deepEqual(fields, { [ODD]: [ODD, { n: null }], empty: {} });
  const plain = JSON.parse(texts["a log line"]);
  assert.deepEqual(["source" in plain, plain.time], [false, "2025-11-24T16:00:00.123Z"]);
  assert.equal(JSON.parse(texts["a log line whose time is none"]).time, plain.time);
});
