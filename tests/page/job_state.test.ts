import assert from "node:assert/strict";
import { test } from "node:test";
import { pageFile } from "../support/page_file.ts";

const { JobState } = await pageFile("job_state.js");

const STALL_MS = 60_000;

/** The time of that second. */
const at = (second: number) => new Date(second * 1_000).toISOString();

/** A running job, as the API gives it, that has its third entry of second 3. */
function running(more = {}) {
  return new JobState({
    id: "j1",
    status: "in_progress",
    seq: 3,
    stalled: false,
    rate_per_s: 5,
    phase: "copying",
    started_at: at(1),
    updated_at: at(3),
    ended_at: null,
    error: null,
    ...more,
  }, STALL_MS);
}

const progress = (seq: number, second: number, more = {}) => ({
  type: "progress",
  job_id: "j1",
  status: "in_progress",
  seq,
  last_update_timestamp: at(second),
  ...more,
});

test("progressed() forgets the measures that a frame leaves out, and keeps who the job is", () => {
  const state = running();

  state.progressed(progress(4, 4, { percent: 40, phase: "checking" }));

  const { id, rate_per_s, percent, phase, started_at, ended_at } = state.job;
  assert.deepEqual([id, rate_per_s, percent, phase], ["j1", undefined, 40, "checking"]);
  assert.deepEqual([started_at, ended_at, state.toldMs], [at(1), null, 4_000]);
});

test("progressed() begins the job where it had not begun", () => {
  const state = running({ status: "pending", started_at: null });

  state.progressed(progress(4, 4));

  assert.equal(state.job.started_at, at(4));
});

test("progressed() ends a job that was cancelled before it began as one that never began", () => {
  const state = running({ status: "pending", started_at: null });

  state.progressed(progress(4, 4, { status: "cancelled", is_complete: false }));

  assert.deepEqual([state.job.started_at, state.job.ended_at], [null, at(4)]);
});

test("progressed() ends the job, with the error that was told before", () => {
  const state = running();
  const error = { code: "disk", message: "The disk is full" };

  state.failed(error);
  state.progressed(progress(4, 5, { status: "failed", is_complete: false, error: "as text" }));

  assert.deepEqual([state.job.ended_at, state.job.error], [at(5), error]);
});

test("a stalled job is silent since it was last heard, and speaks with its next entry", () => {
  const state = running({ stalled: true });

  state.heard({ type: "log", seq: 3 }, 4_000); // the stream begins with what is known
  const known = state.silentSinceMs;
  state.heard({ type: "log", seq: 4 }, 5_000);

  assert.deepEqual([known, state.silentSinceMs, state.stalled], [4_000, undefined, false]);
});

test("a heartbeat tells of a stall, which counts from when lines that are not shown may have come", (t) => {
  const state = running();
  const { now } = Date;
  t.after(() => Object.assign(Date, { now }));
  Date.now = () => 200_000;

  state.connected();
  state.beat({ type: "heartbeat" });
  const before = state.silentSinceMs;
  Date.now = () => 230_000;
  state.beat({ type: "heartbeat", stalled: true });
  const first = state.silentSinceMs;
  Date.now = () => 260_000;
  state.beat({ type: "heartbeat", stalled: true });

  assert.deepEqual([before, first, state.silentSinceMs], [undefined, 170_000, 170_000]);
});

test("a stalled job is silent since its newest entry, however late an older one comes, and not in the time to come", (t) => {
  const state = running({ stalled: true, seq: 9, updated_at: at(100) });
  const { now } = Date;
  t.after(() => Object.assign(Date, { now }));
  Date.now = () => 200_000;

  state.heard({ type: "log", seq: 8 }, 90_000);
  const before = state.silentSinceMs;
  state.heard({ type: "log", seq: 9 }, 300_000); // by a worker's clock, which is ahead

  assert.deepEqual([before, state.silentSinceMs], [100_000, 200_000]);
});

test("an entry that comes again does not end a stall, and the heartbeat before a lost connection dates none", (t) => {
  const state = running();
  const { now } = Date;
  t.after(() => Object.assign(Date, { now }));
  Date.now = () => 200_000;
  state.heard({ type: "log", seq: 4 }, 100_000);
  state.beat({ type: "heartbeat" });

  Date.now = () => 500_000;
  state.connected();
  state.beat({ type: "heartbeat", stalled: true });
  state.heard({ type: "log", seq: 4 }, 100_000);

  assert.deepEqual([state.stalled, state.silentSinceMs], [true, 140_000]);
});

test("a job that is over is not stalled", () => {
  const state = running({ stalled: true, status: "completed" });

  assert.deepEqual([state.stalled, state.silentSinceMs], [false, undefined]);
});
