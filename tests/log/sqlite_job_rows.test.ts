import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { freshJob } from "../../src/log/fold.ts";
import { JobRows } from "../../src/log/sqlite_job_rows.ts";
import { MIGRATIONS } from "../../src/log/sqlite_schema.ts";
import type { Epoch } from "../../src/sync/ids.ts";
import type { Job } from "../../src/sync/job.ts";
import { newProducer } from "../../src/sync/producer.ts";
import { NO_PROGRESS } from "../../src/sync/progress.ts";
import { newJob } from "../support/log_contract.ts";
import type { Cleanup } from "../support/program.ts";

function rowsOf(t: Cleanup): JobRows {
  const db = new DatabaseSync(":memory:");
  t.after(() => db.close());
  for (const step of MIGRATIONS) db.exec(step);
  return new JobRows(db);
}

test("JobRows keeps few of a job's producers in memory, and finds all of them", (t) => {
  const rows = rowsOf(t);
  const job = freshJob(newJob());
  rows.insert(job);
  const row = rows.get(job);
  assert.ok(row);
  const post = (from: number, to: number) => {
    for (let n = from; n < to; n++) {
      assert.equal(rows.producerOf(row, `worker ${n}`), undefined);
      rows.change(row, job, newProducer(`worker ${n}`, n));
    }
    rows.flush();
    rows.committed();
  };

  for (let n = 0; n < 1_000; n++) post(n, n + 1);
  const alone = row.producers.size;
  post(1_000, 2_000); // all in one commit
  for (let n = 0; n < 2_000; n++) assert.equal(rows.producerOf(row, `worker ${n}`)?.epoch, n);

  assert.ok(alone <= 100, `${alone} after as many commits`);
  assert.ok(row.producers.size <= 100, `${row.producers.size} after one large commit`);
});

test("JobRows keeps fewer jobs in memory the longer their rows are, and finds all of them", (t) => {
  const rows = rowsOf(t);
  const kept = (jobs: readonly Job[]) => {
    const known = (job: Job) => rows.current({ ...job, epoch: "no other" as Epoch }).epoch;
    return jobs.filter((job) => known(job) === job.epoch).length;
  };
  const insert = (meta: Record<string, unknown>) => {
    const job = freshJob(newJob({ meta, leaseUntilMs: null }));
    rows.insert(job);
    rows.flush();
    rows.committed();
    return job;
  };

  const small = Array.from({ length: 100 }, () => insert({}));
  assert.equal(kept(small), 100);
  const long = Array.from({ length: 100 }, () => insert({ text: "x".repeat(1024 * 1024) }));
  assert.ok(kept(long) >= 30 && kept(long) <= 33, `${kept(long)} long ones`);
  assert.equal(kept(small), 0);
  for (const job of [...small, ...long]) assert.deepEqual(rows.get(job)?.job, job);

  // What grows counts, too, and what is gone does not.
  for (const job of long) rows.forget(job);
  const grown = Array.from({ length: 100 }, () => insert({}));
  for (const job of grown) {
    const row = rows.get(job);
    assert.ok(row);
    rows.change(row, { ...job, progress: { ...NO_PROGRESS, current: "x".repeat(1024 * 1024) } });
    rows.flush();
    rows.committed();
  }
  assert.equal(kept(grown), 100);
  for (let n = 0; n < 20; n++) insert({});
  assert.ok(kept(grown) <= 33, `${kept(grown)} that have grown`);
});
