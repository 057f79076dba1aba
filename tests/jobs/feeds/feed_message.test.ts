import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { nameIn } from "../../../src/jobs/feeds/feed_channels.ts";
import { readFeedMessage } from "../../../src/jobs/feeds/feed_message.ts";
import { collectGarbage } from "../../support/collect_garbage.ts";

const read = (value: unknown, fields = {}, statuses = {}) =>
  readFeedMessage(typeof value === "string" ? value : JSON.stringify(value), fields, statuses);

test("a feed with our names needs no mapping, long or short", () => {
  const long = read({ entities_inserted: 3, entities_encountered: { user: 3, x: -1 }, total: 9 });
  const short = read({ inserted: 3, bytes_done: 7, phase: "copying" });

  assert.deepEqual([long?.counters.inserted, long?.counters.encountered, long?.measures.total], [
    3,
    { user: 3 },
    9,
  ]);
  assert.deepEqual([short?.counters.inserted, short?.counters.bytes, short?.measures.phase], [
    3,
    7,
    "copying",
  ]);
  assert.equal(long?.end, undefined);
});

test("names are mapped by dotted paths, which may lead nowhere", () => {
  const fields = { entities_inserted: "stats.new", status: "state.name", phase: "a.b.c" } as const;

  const message = read({ stats: { new: 5 }, state: { name: "Done" }, a: 1, phase: "x" }, fields);
  const other = read({ inserted: 7, entities_inserted: 8, status: "done" }, fields);
  const inherited = read({ stats: "x" }, { entities_inserted: "stats.length" });

  assert.deepEqual([message?.counters.inserted, message?.end?.status, message?.measures.phase], [
    5,
    "completed",
    undefined,
  ]);
  assert.deepEqual([other?.counters.inserted, other?.end], [undefined, undefined]);
  assert.equal(inherited?.counters.inserted, undefined);
});

test("words are cut to what a job can have", () => {
  const long = "x".repeat(100_000);

  const message = read({ phase: long, current: long, status: "failed", error: long });

  const { measures: { phase, current } = {}, end } = message ?? {};
  const lengths = [phase, current, end?.error?.message].map((words) => words?.length);
  assert.deepEqual(lengths, [1_000, 1_000, 65_536]);
});

for (
  const [what, message, status] of [
    ["status failed", { status: "failed" }, "failed"],
    ["its own word", { status: "RIP" }, "failed"],
    ["is_complete", { is_complete: true }, "completed"],
    ["is_failed beside is_complete", { is_complete: true, is_failed: true }, "failed"],
    ["canceled", { status: "canceled" }, "cancelled"],
    ["a status under way", { status: "running" }, undefined],
    ["a status of another kind", { status: 7, is_complete: "yes" }, undefined],
    ["its own word for one of ours", { status: "Finished" }, "cancelled"],
    ["is_failed of another kind", { is_failed: "no" }, undefined],
    ["a status that objects have", { status: "constructor" }, undefined],
  ] as const
) {
  test(`the end is read from ${what}`, () => {
    const end = read({ ...message, error: "why" }, {}, { rip: "failed", finished: "cancelled" })
      ?.end;

    assert.equal(end?.status, status);
    const told = status === undefined || status === "completed" ? undefined : "why";
    assert.equal(end?.error?.message, told);
  });
}

test("words that are cut do not keep the message in memory", async () => {
  const long = (index: number) => `${index}${"x".repeat(1_000_000)}`;
  await collectGarbage();
  const { heapUsed: before } = process.memoryUsage();

  const messages = Array.from({ length: 40 }, (_, index) => {
    const text = JSON.stringify({ phase: long(index), status: "failed", error: long(index) });
    return readFeedMessage(text, {}, {});
  });
  await collectGarbage();
  const { heapUsed: after } = process.memoryUsage();

  assert.ok(after - before < 20_000_000, `${messages.length} take ${after - before} bytes`);
});

test("names without a value say as little as none", () => {
  assert.equal(read({ inserted: null, status: null, x: 1 })?.empty, true);
  assert.equal(read({ inserted: 0 })?.empty, false);
});

test("what is no JSON object is undefined, and wrong values are left out", () => {
  for (const text of ["", "{", "7", "null", "[1]", '"x"']) assert.equal(read(text), undefined);
  const wrong = read({ inserted: -1, updated: 1.5, kept: "1", deleted: 2 ** 53, skipped: 1 });

  assert.deepEqual(wrong?.counters.skipped, 1);
  for (const name of ["inserted", "updated", "kept", "deleted"] as const) {
    assert.equal(wrong?.counters[name], undefined);
  }
});

test("a channel's job is named by what the star stands for", () => {
  assert.equal(nameIn("sync:*:progress", "sync:users:progress"), "users");
  assert.equal(nameIn("sync:*", "sync:a:b"), "a:b");
  assert.equal(nameIn("*", "x"), "x");
  assert.equal(nameIn("sync:*", "sync:"), "sync:");
});
