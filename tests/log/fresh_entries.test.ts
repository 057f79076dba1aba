import assert from "node:assert/strict";
import { test } from "node:test";
import { FreshEntries } from "../../src/log/fresh_entries.ts";
import type { Entry } from "../../src/sync/entry.ts";

function entries(...seqs: number[]): Entry[] {
  return seqs.map((seq) => ({ kind: "log", level: "info", text: `${seq}`, seq, atMs: 0 }));
}

function seqsAfter(fresh: FreshEntries<object>, key: object, seq: number): number[] | undefined {
  return fresh.after(key, seq)?.map((entry) => entry.seq);
}

test("FreshEntries has what follows a position, or says that it may lack some of it", () => {
  const fresh = new FreshEntries<object>();
  const [job, other] = [{}, {}];

  fresh.add(job, entries(4, 5), 10);
  fresh.add(job, entries(6), 5);

  assert.deepEqual([2, 3, 5, 6].map((seq) => seqsAfter(fresh, job, seq)), [
    undefined,
    [4, 5, 6],
    [6],
    [],
  ]);
  assert.equal(fresh.after(other, 0), undefined);
});

test("FreshEntries keeps nothing with a hole, and no more than it has room for", () => {
  const fresh = new FreshEntries<object>();
  const [long, full] = [{}, {}];

  fresh.add(long, entries(1), 10);
  fresh.add(long, entries(2), 100_000);
  fresh.add(full, entries(1), 60_000);
  fresh.add(full, entries(2), 60_000);

  assert.equal(fresh.after(long, 0), undefined);
  assert.equal(fresh.after(long, 1), undefined);
  assert.equal(fresh.after(full, 0), undefined);
  assert.deepEqual(seqsAfter(fresh, full, 1), [2]);
});

test("FreshEntries lets go of the job that was written to longest ago", () => {
  const fresh = new FreshEntries<object>();
  const jobs = Array.from({ length: 100 }, () => ({}));

  for (const job of jobs) fresh.add(job, entries(1), 50_000);
  fresh.add(jobs[20], entries(2), 10);
  for (const job of jobs.slice(0, 15)) fresh.add(job, entries(1), 50_000);

  assert.equal(fresh.after(jobs[21], 0), undefined);
  assert.deepEqual(seqsAfter(fresh, jobs[20], 0), [1, 2]);
  assert.deepEqual(seqsAfter(fresh, jobs[14], 0), [1]);
});
