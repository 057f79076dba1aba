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
  return twiceOf(t)[0];
}

/** The rows of one file, as two processes have them. */
function twiceOf(t: Cleanup): readonly [JobRows, JobRows] {
  const db = new DatabaseSync(":memory:");
  t.after(() => db.close());
  for (const step of MIGRATIONS) db.exec(step);
  return [new JobRows(db), new JobRows(db)];
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
    commit(rows);
  };

  for (let n = 0; n < 1_000; n++) post(n, n + 1);
  const alone = row.producers.size;
  assert.ok(row.lengths.size <= 100, `${row.lengths.size} of which the length is known`);
  post(1_000, 2_000); // all in one commit
  for (let n = 0; n < 2_000; n++) assert.equal(rows.producerOf(row, `worker ${n}`)?.epoch, n);

  assert.ok(alone <= 100, `${alone} after as many commits`);
  assert.ok(row.producers.size <= 100, `${row.producers.size} after one large commit`);
});

/** How many of the jobs are in memory. */
function keptOf(rows: JobRows, jobs: readonly Job[]): number {
  const known = (job: Job) => rows.current({ ...job, epoch: "no other" as Epoch }).epoch;
  return jobs.filter((job) => known(job) === job.epoch).length;
}

function inserted(rows: JobRows, meta: Record<string, unknown> = {}): Job {
  const job = freshJob(newJob({ meta, leaseUntilMs: null }));
  rows.insert(job);
  return job;
}

function commit(rows: JobRows): void {
  rows.flush();
  rows.committed();
}

const LONG = "x".repeat(1024 * 1024);

test("JobRows keeps the 10,000 jobs that were used last", (t) => {
  const rows = rowsOf(t);

  const jobs = Array.from({ length: 9_999 }, () => inserted(rows));
  commit(rows);
  rows.get(jobs[0]);
  for (let n = 0; n < 6; n++) jobs.push(inserted(rows));

  assert.deepEqual([keptOf(rows, jobs), keptOf(rows, jobs.slice(1, 6))], [10_000, 0]);
});

test("JobRows keeps all that the commit under way changes, however long", (t) => {
  const rows = rowsOf(t);

  const jobs = Array.from({ length: 40 }, () => inserted(rows, { text: LONG }));

  assert.equal(keptOf(rows, jobs), 40);
});

test("JobRows counts a row once, however often it is written, and no longer when it is gone", (t) => {
  const rows = rowsOf(t);
  const small = Array.from({ length: 100 }, () => inserted(rows));
  const grow = (job: Job) => {
    const row = rows.get(job);
    assert.ok(row);
    rows.change(row, { ...job, progress: { ...NO_PROGRESS, current: LONG } });
    commit(rows);
  };
  commit(rows);

  for (let n = 0; n < 40; n++) grow(small[99]);
  for (let n = 0; n < 40; n++) {
    const job = inserted(rows);
    grow(job);
    rows.forget(job);
    const told = inserted(rows);
    commit(rows);
    const row = rows.get(told);
    assert.ok(row);
    rows.change(row, { ...told, progress: { ...NO_PROGRESS, current: LONG } });
    rows.forget(told);
    commit(rows);
    inserted(rows, { text: LONG });
    rows.rolledBack();
  }
  inserted(rows);

  assert.equal(keptOf(rows, small), 100);
});

test("JobRows keeps fewer jobs in memory the longer their rows are, and finds all of them", (t) => {
  const rows = rowsOf(t);
  const kept = (jobs: readonly Job[]) => keptOf(rows, jobs);
  const insert = (meta: Record<string, unknown>) => {
    const job = inserted(rows, meta);
    commit(rows);
    return job;
  };

  const small = Array.from({ length: 100 }, () => insert({}));
  assert.equal(kept(small), 100);
  const long = Array.from({ length: 100 }, () => insert({ text: LONG }));
  assert.ok(kept(long) >= 30 && kept(long) <= 33, `${kept(long)} long ones`);
  assert.equal(kept(small), 0);
  for (const job of [...small, ...long]) assert.deepEqual(rows.get(job)?.job, job);

  // What grows counts, too, and what is gone does not.
  for (const job of long) rows.forget(job);
  const grown = Array.from({ length: 100 }, () => insert({}));
  for (const job of grown) {
    const row = rows.get(job);
    assert.ok(row);
    rows.change(row, { ...job, progress: { ...NO_PROGRESS, current: LONG } });
    commit(rows);
  }
  assert.ok(kept(grown) <= 33, `${kept(grown)} that have grown`);
});

test("JobRows counts what a job's producers take for as long as they are in memory", (t) => {
  const [writing, rows] = twiceOf(t);
  const counters = { ...newProducer("", 0).counters, encountered: { ["x".repeat(100_000)]: 1 } };
  const jobs = Array.from({ length: 4 }, () => inserted(writing));
  for (const job of jobs) {
    const row = writing.get(job);
    assert.ok(row);
    for (let n = 0; n < 99; n++) {
      writing.change(row, job, { ...newProducer(`worker ${n}`, 0), counters });
    }
    commit(writing);
  }
  const read = (job: Job) => {
    const row = rows.get(job);
    assert.ok(row);
    for (let n = 0; n < 99; n++) assert.ok(rows.producerOf(row, `worker ${n}`));
    return row;
  };

  for (const job of jobs) read(job);
  const short = inserted(rows);
  commit(rows);
  const held = keptOf(rows, jobs);
  for (let n = 0; n < 10; n++) {
    const row = read(jobs[3]);
    for (const nobody of ["nobody", "no one"]) rows.producerOf(row, `${nobody} ${n}`);
  }
  inserted(rows);

  assert.equal(held, 3, "four times 9.9 million characters are more than have room");
  assert.equal(keptOf(rows, [jobs[3], short]), 2);
});

test("JobRows keeps fewer jobs in memory the more their producers have counted", (t) => {
  const rows = rowsOf(t);
  const jobs = Array.from({ length: 10 }, () => inserted(rows));
  commit(rows);
  const counters = { ...newProducer("", 0).counters, encountered: { [LONG]: 1 } };
  const post = (job: Job, id: string) => {
    const row = rows.get(job);
    assert.ok(row);
    assert.equal(rows.producerOf(row, id)?.id ?? id, id);
    rows.change(row, job, { ...newProducer(id, 0), counters });
    commit(rows);
  };

  for (const job of jobs) for (let n = 0; n < 10; n++) post(job, `worker ${n}`);
  const held = keptOf(rows, jobs);
  for (const job of jobs) {
    for (let n = 0; n < 10; n++) {
      const row = rows.get(job);
      assert.ok(row);
      assert.equal(rows.producerOf(row, `worker ${n}`)?.id, `worker ${n}`);
    }
  }
  // One that is written often counts once.
  for (let n = 0; n < 100; n++) post(jobs[9], "worker 0");

  assert.ok(held >= 3 && held <= 4, `${held} jobs`);
  assert.ok(keptOf(rows, jobs) >= 3, `${keptOf(rows, jobs)} jobs`);
});
