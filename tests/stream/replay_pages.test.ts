import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers";
import type { EventLog } from "../../src/log/event_log.ts";
import { MemoryLog } from "../support/memory_log.ts";
import {
  KEPT_BYTES_MAX,
  PAGE,
  type ReplayPage,
  ReplayPages,
} from "../../src/stream/replay_pages.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { newJob } from "../support/log_contract.ts";

/** A job with so many log lines, and pages that tell what is read. */
async function replay(lines: number, message = "m") {
  const log = new MemoryLog(new FakeClock());
  const { job } = await log.create(newJob());
  const facts = Array.from(
    { length: lines },
    () => ({ kind: "log", level: "info", message }) as const,
  );
  await log.append(job, () => ({ facts }));
  const reads: number[] = [];
  let fault: Error | undefined;
  const read: EventLog["read"] = (key, query) => {
    reads.push(query.after);
    if (fault) return Promise.reject(fault);
    return log.read(key, query);
  };
  const pages = new ReplayPages({ read } as EventLog); // it only reads
  const next = (after: number, over = () => false) =>
    pages.next({ job, after, logs: "debug", mergeBelow: 0, over });
  return { reads, next, break: (cause: Error | undefined) => fault = cause };
}

const idsOf = (page: ReplayPage | undefined) =>
  [...new TextDecoder().decode(page?.bytes).matchAll(/^id: \w+-(\d+)$/gm)].map(([, seq]) => +seq);

test("next() reads one page in a turn of the loop, in the order in which they were asked for", async () => {
  const { next } = await replay(PAGE * 6);
  const told: string[] = [];

  await Promise.all(["a", "b", "c"].map(async (name, at) => {
    for (let page = 0; page < 2; page++) {
      await next((at * 2 + page) * PAGE);
      told.push(`${name}${page}`);
      setImmediate(() => told.push("others"));
    }
  }));

  const pages = told.filter((word) => word !== "others");
  assert.deepEqual(pages, ["a0", "b0", "c0", "a1", "b1", "c1"]);
  const together = told.some((word, at) =>
    word !== "others" && at > 1 &&
    told[at - 1] !== "others" && told[at - 2] !== "others"
  );
  assert.equal(together, false, told.join(" "));
});

test("pages are read once for all, wherever they come in", async () => {
  const { next, reads } = await replay(PAGE * 3 + 5);

  const seen = await Promise.all([0, 1, 37, PAGE, 0].map(async (cursor) => {
    const ids: number[] = [];
    for (let at = cursor; at < PAGE * 3 + 5;) {
      const page = await next(at);
      ids.push(...idsOf(page));
      at = page?.through ?? NaN;
    }
    assert.deepEqual(ids, Array.from({ length: PAGE * 3 + 5 - cursor }, (_, n) => cursor + n + 1));
    return ids.length;
  }));

  assert.equal(seen.length, 5);
  assert.deepEqual(reads.sort((a, b) => a - b), [0, 1, 37, PAGE, PAGE * 2, PAGE * 3]);
});

test("a page keeps no more of its job than its readers ask for", async () => {
  const { next } = await replay(1);

  const page = await next(0);

  assert.deepEqual(Object.keys(page?.job ?? {}), ["epoch", "status", "seq", "trimmed"]);
});

test("only so many bytes are kept, the pages that were asked for last", async () => {
  const count = 10;
  const { next, reads } = await replay(
    PAGE * count,
    "m".repeat(KEPT_BYTES_MAX / PAGE / (count - 2)),
  );
  for (let page = 0; page < count; page++) {
    await next(page * PAGE);
    await next(0);
  }
  const before = reads.length;

  await next(0);
  await next(PAGE);

  assert.deepEqual(reads.slice(before), [PAGE]);
});

test("who has left is not read for, and a failed read is told to its reader alone", async () => {
  const { next, reads, break: breakLog } = await replay(PAGE * 2);
  breakLog(new Error("broken"));

  const [left, broken] = await Promise.allSettled([next(0, () => true), next(PAGE)]);
  breakLog(undefined);
  const later = await next(PAGE);

  assert.deepEqual(left, { status: "fulfilled", value: undefined });
  assert.equal(broken.status === "rejected" && broken.reason.message, "broken");
  assert.equal(later?.through, PAGE * 2);
  assert.deepEqual(reads, [PAGE, PAGE]);
});
