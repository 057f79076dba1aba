import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { freshJob } from "../../src/log/fold.ts";
import { JobRows } from "../../src/log/sqlite_job_rows.ts";
import { MIGRATIONS } from "../../src/log/sqlite_schema.ts";
import { newProducer } from "../../src/sync/producer.ts";
import { newJob } from "../support/log_contract.ts";

test("JobRows keeps few of a job's producers in memory, and finds all of them", (t) => {
  const db = new DatabaseSync(":memory:");
  t.after(() => db.close());
  for (const step of MIGRATIONS) db.exec(step);
  const rows = new JobRows(db);
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
