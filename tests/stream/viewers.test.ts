import assert from "node:assert/strict";
import { test } from "node:test";
import { turnedAway } from "../../src/stream/send_away.ts";
import type { Fact } from "../../src/sync/entry.ts";
import { collectGarbage } from "../support/collect_garbage.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { line, progress } from "../support/log_contract.ts";
import { MemoryLog } from "../support/memory_log.ts";
import { type Seen, streamBench, StreamReader, turns } from "../support/stream_bench.ts";

const types = (frames: Seen[]) => frames.map(({ data }) => data.type);
const counts = (frames: Seen[]) => frames.map(({ data }) => data.entities_inserted);
const failed: Fact = {
  ...progress("failed", 7),
  error: { code: "source_unreadable", message: "the disk is gone" },
} as Fact;

test("subscribe() to a job without entries starts with connected alone, frame by frame as the contract has it", async () => {
  const { job, open, add, viewers, hub } = streamBench();
  const started = await job();
  const reader = await open(started);

  const opening = await reader.chunk();
  await add(started, progress("in_progress", 10));
  const update = await reader.chunk();

  assert.equal(
    opening,
    `retry: 3000\ndata: {"type": "connected", "job_id": "${started.id}", "resume": "start"}\n\n`,
  );
  assert.equal(
    update,
    `data: {"type": "progress", "job_id": "${started.id}", "entities_inserted": 10, ` +
      `"entities_updated": 0, "status": "in_progress", "entities_deleted": 0, "entities_kept": 0, ` +
      `"entities_skipped": 0, "entities_encountered": {}, "sync_id": "${started.sync?.id}", ` +
      `"seq": 1, "last_update_timestamp": "1970-01-01T00:16:40.000Z", "inserted": 10, ` +
      `"updated": 0, "deleted": 0, "kept": 0, "skipped": 0}\nid: ${started.epoch}-1\n\n`,
  );
  await reader.cancel();
  assert.deepEqual([viewers.size, hub.size], [0, 0]);
});

test("a stream keeps no more of its job than its frames name", async () => {
  const { job, viewers } = streamBench();
  const given: WeakRef<object>[] = [];
  const follow = async () => {
    const one = { ...await job(), meta: { text: "long" } };
    given.push(new WeakRef(one.meta));
    const stream = await viewers.subscribe(one, { cursor: undefined, logs: undefined });
    assert.ok(stream);
    const reader = new StreamReader(stream);
    await reader.chunk();
    return reader;
  };

  const readers = [];
  for (let n = 0; n < 20; n++) readers.push(await follow());
  await collectGarbage();
  const held = given.filter((ref) => ref.deref() !== undefined).length;

  assert.equal(viewers.size, 20);
  assert.ok(held <= 2, `${held} of 20 are held`); // the last ones may lie on the stack still
  for (const reader of readers) await reader.cancel();
});

test("subscribe() without a cursor shows a late viewer the totals of now, then follows", async () => {
  const { job, open, add, viewers } = streamBench();
  const running = await job();
  await add(running, progress("in_progress", 1), progress("in_progress", 2), line("unseen"));

  const reader = await open(running);
  const opening = await reader.next();
  await add(running, progress("in_progress", 3));
  await add(running, progress("completed", 4));
  const rest = await reader.rest();

  assert.deepEqual(types(opening), ["connected", "progress"]);
  assert.equal(opening[0].data.resume, "snapshot");
  assert.deepEqual([opening[1].id, opening[1].data.seq], [`${running.epoch}-3`, 3]);
  assert.deepEqual(counts(rest), [3, 4]);
  assert.deepEqual(rest.map(({ id }) => id), [`${running.epoch}-4`, `${running.epoch}-5`]);
  assert.equal(viewers.size, 0);
});

test("subscribe() to a finished job sends its terminal frame once and ends", async () => {
  const { job, open, add, viewers, hub } = streamBench();
  const over = await job();
  await add(over, progress("in_progress", 1), progress("completed", 5));

  const frames = await (await open(over)).rest();

  assert.deepEqual(types(frames), ["connected", "progress"]);
  const { status, is_complete, is_failed, error } = frames[1].data;
  assert.deepEqual({ status, is_complete, is_failed, error }, {
    status: "completed",
    is_complete: true,
    is_failed: false,
    error: null,
  });
  assert.deepEqual([viewers.size, hub.size], [0, 0]);
});

test("subscribe() of a failed job sends the error without an id just before the terminal frame, in one chunk", async () => {
  const { job, open, add } = streamBench();
  const running = await job();
  await add(running, progress("in_progress", 1));
  const live = await open(running);
  await live.next();

  await add(running, failed);
  const chunk = await live.next();
  const end = await live.next();
  const late = await (await open(running)).rest();

  for (const frames of [chunk, late.slice(1)]) {
    assert.deepEqual(types(frames), ["error", "progress"]);
    assert.deepEqual(frames[0], {
      data: {
        type: "error",
        job_id: running.id,
        code: "source_unreadable",
        message: "the disk is gone",
      },
    });
    assert.equal(frames[1].id, `${running.epoch}-2`);
    const { is_complete, is_failed, error } = frames[1].data;
    assert.deepEqual([is_complete, is_failed, error], [false, true, "the disk is gone"]);
  }
  assert.deepEqual(end, []);
});

test("subscribe() tells a cancelled job's end as neither complete nor failed", async () => {
  const { job, open, add } = streamBench();
  const over = await job();
  await add(over, progress("in_progress", 1), progress("cancelled", 1));

  const [, terminal] = await (await open(over)).rest();

  const { status, is_complete, is_failed, error } = terminal.data;
  assert.deepEqual([status, is_complete, is_failed, error], ["cancelled", false, false, null]);
});

test("subscribe() tells why a job was cancelled in its terminal frame alone", async () => {
  const { job, open, add } = streamBench();
  const over = await job();
  const error = { code: "server_stopped", message: "The server was stopped." };
  await add(over, { ...progress("cancelled", 1), error } as Fact);

  const frames = [await open(over), await open(over, "0")].map((reader) => reader.rest());
  const told = (await Promise.all(frames)).map((each) =>
    each.map(({ data }) => [data.type, data.error])
  );

  const each = [["connected", undefined], ["progress", error.message]];
  assert.deepEqual(told, [each, each]);
});

test("subscribe() shows a late viewer when the totals of now were counted", async () => {
  const { job, open, add, clock } = streamBench();
  const running = await job();
  clock.advance(60_000);
  await add(running, progress("in_progress", 1));
  clock.advance(60_000);
  await add(running, line("says no total"));

  const reader = await open(running);
  const [, snapshot] = await reader.next();
  await reader.cancel();

  assert.equal(snapshot.data.last_update_timestamp, new Date(1_060_000).toISOString());
});

test("subscribe() resumes behind the id without a gap and without a repetition", async () => {
  const { job, open, add } = streamBench();
  const running = await job();
  await add(running, ...[1, 2, 3, 4].map((n) => progress("in_progress", n)));

  const reader = await open(running, `${running.epoch}-2`);
  const opening = await reader.next();
  const missed = await reader.next();
  await add(running, progress("completed", 5));
  const rest = await reader.rest();

  const connected = { type: "connected", job_id: running.id, resume: "resumed" };
  assert.deepEqual(opening.map(({ data }) => data), [connected]);
  assert.deepEqual(counts(missed), [3, 4]);
  assert.deepEqual(counts(rest), [5]);
});

test("subscribe() replays a finished job from 0 and ends", async () => {
  const { job, open, add } = streamBench();
  const over = await job();
  await add(over, progress("in_progress", 1), progress("in_progress", 2), progress("completed", 3));

  const frames = await (await open(over, "0")).rest();

  assert.deepEqual(types(frames), ["connected", "progress", "progress", "progress"]);
  assert.deepEqual(counts(frames.slice(1)), [1, 2, 3]);
});

test("subscribe() tells a gap with what was asked for and what is left, and a fresh snapshot", async () => {
  const { job, open, add } = streamBench();
  const running = await job();
  await add(running, progress("in_progress", 1), progress("in_progress", 2));

  const reader = await open(running, "nonsense\u0001");
  const [connected, snapshot] = await reader.next();

  assert.deepEqual(connected.data, {
    type: "connected",
    job_id: running.id,
    resume: "gap",
    requested: "nonsense\u0001",
    first_available: `${running.epoch}-1`,
  });
  assert.equal(snapshot.id, `${running.epoch}-2`);
  await reader.cancel();
});

test("subscribe() tells a gap of a job that has said nothing yet, of which nothing is to be had", async () => {
  const { job, open, add } = streamBench();
  const running = await job();

  const reader = await open(running, "another-7");
  const [connected, ...more] = await reader.next();
  await add(running, progress("completed", 1));

  const { resume, requested, first_available } = connected.data;
  assert.deepEqual([resume, requested, first_available], ["gap", "another-7", null]);
  assert.deepEqual([more, counts(await reader.rest())], [[], [1]]);
});

test("subscribe() is over where the cursor stands at the end", async () => {
  const { job, viewers, log, add } = streamBench();
  const over = await job();
  await add(over, progress("completed", 1));
  const now = await log.get(over);
  assert.ok(now);

  const stream = await viewers.subscribe(now, { cursor: `${over.epoch}-1`, logs: undefined });

  assert.equal(stream, undefined);
});

test("subscribe({logs}) adds log lines of that level, each once, and nobody else sees them", async () => {
  const { job, open, add } = streamBench();
  const running = await job();
  await add(running, progress("in_progress", 1), line("old", "warning"));
  const all = await open(running, "0", "debug");
  const warnings = await open(running, undefined, "warning");
  const plain = await open(running);
  for (const reader of [all, warnings, plain]) await reader.next();

  const replayed = await all.next();
  await add(running, line("low", "debug"), line("high", "error"));
  await add(running, progress("completed", 2));

  const messages = (frames: Seen[]) =>
    frames.map(({ data }) => data.type === "log" ? data.message : data.status);
  assert.deepEqual(messages(replayed), ["in_progress", "old"]);
  assert.deepEqual(messages(await all.rest()), ["low", "high", "completed"]);
  assert.deepEqual(messages(await warnings.rest()), ["high", "completed"]);
  assert.deepEqual(messages(await plain.rest()), ["completed"]);
});

test("subscribe() leaves superseded progress out only for a viewer too far behind", async () => {
  const { job, open, add, viewers } = streamBench({ mergeAfter: 5 });
  const running = await job();
  await add(running, progress("in_progress", 1));
  for (let n = 2; n <= 7; n++) await add(running, progress("in_progress", n), line(`line ${n}`));

  const far = await open(running, `${running.epoch}-1`, "debug");
  const near = await open(running, `${running.epoch}-8`, "debug");
  const seqs = async (reader: StreamReader) => {
    await reader.next();
    const frames = await reader.next();
    await reader.cancel();
    return frames.map(({ data }) => data.seq);
  };

  assert.deepEqual(await seqs(near), [9, 10, 11, 12, 13]);
  assert.equal(viewers.totals.merged, 0);
  assert.deepEqual(await seqs(far), [3, 5, 7, 9, 11, 12, 13]);
  assert.equal(viewers.totals.merged, 1);
});

test("subscribe() leaves out what is superseded by the time that a viewer reads, also where it came in later", async () => {
  const { job, add, open } = streamBench({ mergeAfter: 100, heartbeatMs: 1e12 });
  const running = await job();
  const viewer = await open(running);
  for (let inserted = 0; inserted < 1_200; inserted += 100) {
    await add(
      running,
      ...Array.from({ length: 100 }, (_, n) => progress("in_progress", inserted + n)),
    );
  }
  await add(running, progress("completed", 1_200));
  await turns(10); // that is more than is kept for who follows
  const frames = (await viewer.rest()).map(({ data }) => data);

  assert.deepEqual(frames.map(({ seq }) => seq), [undefined, 1, 1_201]);
});

test("subscribe() sends a viewer that did not read everything unseen in one chunk", async () => {
  const { job, open, add } = streamBench();
  const running = await job();
  const reader = await open(running);
  await reader.next();
  await add(running, progress("in_progress", 1));
  await reader.next();

  await add(running, progress("in_progress", 2));
  await add(running, progress("in_progress", 3));
  await turns(8);

  assert.deepEqual(counts(await reader.next()), [2, 3]);
  await reader.cancel();
});

test("subscribe() gives viewers at the same position the same bytes", async () => {
  const { job, add, viewers, log } = streamBench();
  const running = await job();
  const streams = await Promise.all([1, 2].map(async () => {
    const now = await log.get(running);
    const stream = now && await viewers.subscribe(now, { cursor: undefined, logs: undefined });
    assert.ok(stream);
    return stream.getReader();
  }));
  for (const reader of streams) await reader.read();

  const reads = streams.map((reader) => reader.read());
  await add(running, progress("in_progress", 1));
  const [a, b] = await Promise.all(reads);

  assert.ok(a.value);
  assert.equal(a.value, b.value);
  for (const reader of streams) await reader.cancel();
});

test("an idle viewer gets its first heartbeat within an interval, later ones an interval apart", async () => {
  const { job, open, clock } = streamBench({ heartbeatMs: 30_000 });
  const reader = await open(await job());
  await reader.next();
  const cameAt: number[] = [];

  for (let beat = 0; beat < 3; beat++) {
    let frames: Seen[] | undefined;
    reader.next().then((seen) => frames = seen);
    for (; !frames; await turns(1)) clock.advance(250);
    assert.deepEqual(frames, [{ data: { type: "heartbeat" } }]);
    cameAt.push(clock.monotonic());
  }

  assert.ok(cameAt[0] <= 30_250, `the first came after ${cameAt[0]} ms`);
  assert.deepEqual([cameAt[1] - cameAt[0], cameAt[2] - cameAt[1]].map(nearest250), [
    30_000,
    30_000,
  ]);
  await reader.cancel();
  assert.equal(clock.waiting, 0);
});

test("heartbeats do not pile up for a viewer that does not read", async () => {
  const { job, open, add, clock } = streamBench();
  const running = await job();
  const reader = await open(running);
  await reader.next();
  const waiting = reader.next();

  for (let beats = 0; beats < 5; beats++) clock.advance(30_000);
  await add(running, progress("in_progress", 1));
  await turns(5);
  const told = [await waiting, await reader.next(), await reader.next()];
  await reader.cancel();

  assert.deepEqual(told.map(types), [["heartbeat"], ["heartbeat"], ["progress"]]);
});

test("a viewer that asks for no log lines has progress at once behind them", async () => {
  const { job, open, add } = streamBench({ heartbeatMs: 1e12 });
  const running = await job();
  const reader = await open(running);
  await reader.next();
  const waiting = reader.next();
  await add(running, line("not for this one"));
  await turns(5);

  await add(running, progress("in_progress", 1));

  assert.deepEqual(counts(await waiting), [1]);
  await reader.cancel();
});

test("a busy viewer gets its heartbeats between the progress", async () => {
  const { job, open, add, clock } = streamBench({ heartbeatMs: 30_000 });
  const running = await job();
  const reader = await open(running);
  await reader.next();
  let beats = 0;

  for (let second = 1; second <= 90; second++) {
    await add(running, progress("in_progress", second));
    clock.advance(1_000);
    for (let seen = 0; seen < second;) {
      for (const { data } of await reader.next()) {
        if (data.type === "heartbeat") beats++;
        else seen = data.entities_inserted;
      }
    }
  }

  // The third may still be due behind the last progress.
  assert.ok(beats === 3 || beats === 2, `${beats} heartbeats in 90 s`);
  await reader.cancel();
});

test("drain() sends viewers away with a retry, then breaks off; new ones get the same answer", async () => {
  const { job, open, viewers, clock, hub } = streamBench();
  const running = await job();
  const reader = await open(running);
  await reader.next();
  const read = reader.next();

  const drained = viewers.drain(1_000);
  const [farewell] = await read;
  const broken = assert.rejects(reader.chunk());
  await drained;
  await broken;
  const late = await open(running);
  const [again] = await late.next();

  for (const frame of [farewell, again]) {
    assert.deepEqual(frame.data, { type: "heartbeat" });
    assert.ok(frame.retry !== undefined && frame.retry >= 3_000 && frame.retry <= 6_000);
  }
  await assert.rejects(late.chunk());
  assert.deepEqual([viewers.size, hub.size, clock.waiting], [0, 0, 0]);
});

test("drain() breaks off who does not read when its grace is over", async () => {
  const { job, open, viewers, clock } = streamBench();
  const reader = await open(await job());

  const drained = viewers.drain(1_000);
  clock.advance(1_000);
  await drained;

  await assert.rejects(reader.chunk());
  assert.equal(viewers.size, 0);
});

test("drain() is over with its grace, also where the log does not answer", async () => {
  const { job, open, viewers, clock, log } = streamBench();
  const reader = await open(await job());
  await reader.next();
  log.read = () => new Promise(() => {});

  const drained = viewers.drain(1_000);
  await turns(5);
  clock.advance(1_000);
  await drained;

  await assert.rejects(reader.chunk());
  assert.deepEqual([viewers.size, clock.waiting], [0, 0]);
});

test("a log that cannot be read ends a stream with a typed error and no words of the cause", async () => {
  const { job, log, add, viewers, faults } = streamBench();
  const running = await job();
  const now = await log.get(running);
  assert.ok(now);
  const broken = new Error("secret path");
  const stream = await viewers.subscribe(now, { cursor: undefined, logs: undefined });
  assert.ok(stream);
  const reader = new StreamReader(stream);
  await reader.next();
  log.read = () => Promise.reject(broken);

  await add(running, progress("in_progress", 1));
  const [error] = await reader.next();

  assert.deepEqual([error.data.type, error.data.code], ["error", "stream_fault"]);
  assert.ok(!JSON.stringify(error).includes("secret"));
  assert.deepEqual(faults, [broken]);
  await assert.rejects(reader.chunk());
  assert.equal(viewers.size, 0);
});

function nearest250(ms: number): number {
  return Math.round(ms / 250) * 250;
}

test("heartbeats tell that a job is stalled until its source says something", async () => {
  const { job, open, add, clock } = streamBench({ heartbeatMs: 30_000, stallAfterMs: 60_000 });
  const running = await job({ createdAtMs: clock.now() });
  const reader = await open(running);
  await reader.next();
  const beat = async () => {
    let frames: Seen[] | undefined;
    reader.next().then((seen) => frames = seen);
    for (; !frames; await turns(1)) clock.advance(250);
    return frames[0].data;
  };

  const silent = [await beat(), await beat(), await beat(), await beat()];
  await add(running, progress("in_progress", 1));
  await reader.next();
  const moved = await beat();

  assert.deepEqual(silent.at(-1), { type: "heartbeat", stalled: true });
  assert.deepEqual(silent[0], { type: "heartbeat" });
  assert.deepEqual(moved, { type: "heartbeat" });
  await reader.cancel();
});

test("heartbeats do not tell that a job is stalled which is over, to who has not read of it yet", async () => {
  const { job, open, add, clock } = streamBench({ heartbeatMs: 30_000, stallAfterMs: 60_000 });
  const over = await job({ createdAtMs: clock.now() });
  const reader = await open(over);
  await reader.next();
  await add(over, progress("completed", 1));
  await turns(5);

  clock.advance(300_000);
  const frames = await reader.rest();

  assert.deepEqual(frames.map(({ data }) => [data.type, data.stalled]), [
    ["heartbeat", undefined],
    ["progress", undefined],
  ]);
});

test("a stream ends with the terminal frame, also where the tail has not read it yet", async () => {
  const store = new MemoryLog(new FakeClock());
  const { job, open, add, clock, viewers } = streamBench({ store });
  const over = await job();
  await add(over, progress("in_progress", 1));
  const early = await open(over, "0");
  await turns(5);
  await store.append(over, () => ({ facts: [progress("completed", 2)] })); // wakes nobody

  const replayed = [...await early.next(), ...await early.next()];
  clock.advance(300_000);
  const late = await open(over);
  clock.advance(300_000);
  const shown = await late.next();

  assert.deepEqual([...replayed, ...shown].map(({ data }) => data.is_complete), [
    ...[undefined, undefined, true],
    ...[undefined, true],
  ]);
  assert.deepEqual([await early.next(), await late.next()], [[], []]);
  assert.equal(viewers.size, 0);
});

test("a stream that begins with the terminal frame ends with it, though others wait for it still", async () => {
  const store = new MemoryLog(new FakeClock());
  const { job, open, add, clock, viewers } = streamBench({ store });
  const over = await job();
  await add(over, progress("in_progress", 1));
  const waits = await open(over);
  await waits.next();
  await store.append(over, () => ({ facts: [progress("completed", 2)] })); // wakes nobody

  const late = await open(over);
  const [shown, more] = [late.next(), late.next()];
  clock.advance(300_000);

  assert.deepEqual([types(await shown), await more], [["connected", "progress"], []]);
  await waits.cancel();
  assert.equal(viewers.size, 0);
});

test("a line that comes while the last ones are looked for is told once", async () => {
  const { job, log, viewers, add } = streamBench({ heartbeatMs: 1e12 });
  const running = await job();
  await add(running, progress("in_progress", 7), line("1"), line("2"));
  const now = await log.get(running);
  const before = log.beforeLastLogs.bind(log);
  log.beforeLastLogs = async (...query) => {
    const seq = await before(...query);
    await add(running, line("3"));
    await turns(5);
    return seq;
  };

  const stream = now && await viewers.subscribe(now, { cursor: undefined, logs: "info", tail: 9 });
  assert.ok(stream);
  const reader = new StreamReader(stream);
  const [, ...opening] = await reader.next();
  const next = await reader.next();
  await reader.cancel();

  const words = (frames: Seen[]) => frames.map(({ data }) => data.message ?? data.inserted);
  assert.deepEqual([words(opening), words(next)], [["1", "2", 7], ["3"]]);
});

test("with a tail the last log lines come before the totals of now, and ids only go up", async () => {
  const { job, log, viewers, add } = streamBench();
  const running = await job();
  const lines = [line("1"), line("2"), line("debug", "debug"), line("3")];
  await add(running, progress("in_progress", 7), ...lines);
  const now = await log.get(running);
  assert.ok(now);

  const stream = await viewers.subscribe(now, { cursor: undefined, logs: "info", tail: 2 });
  assert.ok(stream);
  const reader = new StreamReader(stream);
  const [connected, ...frames] = await reader.next();
  await add(running, line("4"));
  const [next] = await reader.next();
  await reader.cancel();

  assert.equal(connected.data.resume, "snapshot");
  assert.deepEqual(frames.map(({ data }) => data.message ?? data.inserted), ["2", "3", 7]);
  assert.deepEqual(
    [...frames, next].map(({ id }) => id?.split("-")[1]),
    ["3", undefined, "5", "6"],
  );
});

test("the last log lines that a viewer starts with are at most a mebibyte", async () => {
  const { job, add, log, viewers } = streamBench();
  const running = await job();
  for (let n = 0; n < 40; n++) await add(running, line("x".repeat(60_000)));
  const now = await log.get(running);
  assert.ok(now);

  const stream = await viewers.subscribe(now, { cursor: undefined, logs: "debug", tail: 1_000 });
  const reader = new StreamReader(stream ?? assert.fail("There is no stream"));
  const frames = await reader.next();
  await reader.cancel();

  const seqs = frames.filter(({ data }) => data.type === "log").map(({ data }) => data.seq);
  assert.deepEqual(seqs, Array.from({ length: 17 }, (_, n) => 24 + n));
});

test("a viewer whose entries are removed while it replays is sent away, and then told of the gap", async () => {
  const { job, log, open, add } = streamBench();
  const running = await job();
  for (let n = 0; n < 30; n++) {
    await add(running, ...Array.from({ length: 100 }, (_, i) => line(`${n} ${i}`)));
  }
  await add(running, progress("in_progress", 1));
  const reader = await open(running, "0", "debug");
  await reader.next();
  const [first] = await reader.next();

  await log.trim(running, { entriesMax: 10 });
  const [away] = await reader.next();
  await assert.rejects(reader.next());
  const again = await open(running, first.id, "debug");
  const [connected] = await again.next();
  await again.cancel();

  assert.equal(away.data.type, "heartbeat");
  assert.ok(away.retry);
  assert.equal(connected.data.resume, "gap");
  assert.match(connected.data.first_available, /-2992$/);
});

test("a log that cannot be read is told of once, however many follow and whatever is appended", async () => {
  const { job, log, add, open, faults } = streamBench();
  const running = await job();
  const readers = [await open(running), await open(running), await open(running)];
  for (const reader of readers) await reader.next();
  const broken = new Error("broken");
  log.read = () => Promise.reject(broken);

  await add(running, progress("in_progress", 1));
  await turns(5);
  await add(running, progress("in_progress", 2));
  await turns(5);

  for (const reader of readers) {
    assert.equal((await reader.next())[0].data.code, "stream_fault");
    await reader.cancel();
  }
  assert.deepEqual(faults, [broken]);
});

test("who comes after a fault follows the job, though somebody is there still who has not read of it", async () => {
  const { job, log, add, open, viewers } = streamBench();
  const running = await job();
  const still = await open(running);
  await still.next();
  const read = log.read.bind(log);
  log.read = () => Promise.reject(new Error("broken"));
  await add(running, progress("in_progress", 1));
  await turns(5);
  log.read = read;

  const later = await open(running);
  const opening = await later.next();
  await add(running, progress("in_progress", 2));
  const next = await later.next();

  assert.deepEqual([types(opening), counts(next)], [["connected", "progress"], [2]]);
  assert.equal((await still.next())[0].data.code, "stream_fault");
  await still.cancel();
  assert.deepEqual([viewers.of(running), viewers.followed], [1, 1]);
  await later.cancel();
  assert.equal(viewers.size, 0);
});

test("whoever follows a job that is removed is told, and broken off", async () => {
  const { job, log, open, add, faults } = streamBench();
  const running = await job();
  await add(running, progress("in_progress", 1));
  const reader = await open(running);
  await reader.next();

  await log.remove(running);
  const [frame] = await reader.next();
  await assert.rejects(reader.next());

  assert.equal(frame.data.code, "job_deleted");
  assert.deepEqual(faults, []);
});

test("drain() sends many away in a stagger, to come back spread over 2 ms for each", async () => {
  const { job, open, viewers, clock } = streamBench();
  const running = await job();
  const readers = await Promise.all(Array.from({ length: 2_000 }, () => open(running)));
  for (const reader of readers) await reader.next();
  const farewells = readers.map((reader) => reader.next());
  let told = 0;
  for (const each of farewells) each.then(() => told++);

  const drained = viewers.drain(10_000);
  await new Promise((resolve) => setTimeout(resolve, 0));
  const inTheFirstGo = told;
  while (told < readers.length) {
    clock.advance(20);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  const waits = (await Promise.all(farewells)).map(([{ retry = 0 }]) => retry);
  await Promise.all(readers.map((reader) => assert.rejects(reader.next())));
  await drained;

  assert.equal(inTheFirstGo, 250);
  assert.ok(waits.every((wait) => wait >= 3_000 && wait <= 7_000), `${Math.max(...waits)}`);
  const seconds = [3, 4, 5, 6].map((s) =>
    waits.filter((wait) => Math.floor(wait / 1000) === s).length
  );
  assert.ok(Math.max(...seconds) <= 2 * (2_000 / 4), `${seconds}`);
  assert.ok(seconds[3] > 0, `${seconds}`);
});

test("turnedAway() spreads viewers over 2 ms for each, and over a minute at most", async (t) => {
  const { random } = Math;
  t.after(() => void (Math.random = random));
  Math.random = () => 1;
  const told = [];

  for (const count of [1, 2_000, 1_000_000]) {
    const reader = turnedAway(3_000, count).getReader();
    const { value } = await reader.read();
    await reader.cancel();
    told.push(/^retry: (\d+)\n/.exec(new TextDecoder().decode(value))?.[1]);
  }

  assert.deepEqual(told, ["6000", "7000", "63000"]);
});

test("viewers that read get all of a burst, however many they are", async () => {
  const { job, open, add, viewers, clock } = streamBench();
  const bursting = await job();
  const readers: StreamReader[] = [];
  for (let n = 0; n < 40; n++) readers.push(await open(bursting));
  const all = readers.map((reader) => reader.rest());

  const burst = Array.from({ length: 1_300 }, (_, n) => progress("in_progress", n + 1));
  await add(bursting, ...burst);
  for (let n = 1_301; n <= 2_500; n += 400) {
    const some = Array.from({ length: 400 }, (_, more) => progress("in_progress", n + more));
    await add(bursting, ...some);
    clock.advance(10);
  }
  await add(bursting, progress("completed", 3_000));
  clock.advance(10);

  for (const frames of await Promise.all(all)) {
    assert.equal(frames.filter(({ data }) => data.type === "progress").length, 2_501);
  }
  assert.equal(viewers.totals.merged, 0);
});

test("all viewers get what came before lines that are removed unread, also those whose turn had not come", async () => {
  const { job, open, add, log, faults, clock } = streamBench();
  const busy = await job();
  const readers: StreamReader[] = [];
  for (let n = 0; n < 80; n++) readers.push(await open(busy, undefined, "debug"));
  const all = readers.map(async (reader) => {
    const frames: Seen[] = [];
    await (async () => {
      for (;;) frames.push(...await reader.next());
    })().catch(() => {}); // it is sent away: when it comes back it is told of the gap
    return types(frames);
  });

  await add(busy, line("read by all"));
  await turns(3);
  await add(busy, line("read by nobody"), line("kept"));
  await log.trim(busy, { entriesMax: 1 });
  clock.advance(10);

  for (const seen of await Promise.all(all)) {
    assert.deepEqual(seen, ["connected", "log", "heartbeat"]);
  }
  assert.deepEqual(faults, []);
});

test("all viewers get what was there before the job was removed, also those whose turn had not come", async () => {
  const { job, open, add, log, faults, clock } = streamBench();
  const removed = await job();
  const readers: StreamReader[] = [];
  for (let n = 0; n < 80; n++) readers.push(await open(removed));
  const all = readers.map(async (reader) => {
    const frames: Seen[] = [];
    await (async () => {
      for (;;) frames.push(...await reader.next());
    })().catch(() => {}); // it is broken off
    return types(frames);
  });

  await add(removed, progress("in_progress", 1));
  await turns(3);
  await log.remove(removed);
  clock.advance(10);

  for (const seen of await Promise.all(all)) {
    assert.deepEqual(seen, ["connected", "progress", "error"]);
  }
  assert.deepEqual(faults, []);
});
