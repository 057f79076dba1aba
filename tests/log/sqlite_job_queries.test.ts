import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { freshJob } from "../../src/log/fold.ts";
import { JobQueries } from "../../src/log/sqlite_job_queries.ts";
import { JobRows } from "../../src/log/sqlite_job_rows.ts";
import { MIGRATIONS } from "../../src/log/sqlite_schema.ts";
import { deriveSyncId } from "../../src/sync/ids.ts";
import { newJob, TENANT } from "../support/log_contract.ts";
import type { Cleanup } from "../support/program.ts";

function openedDb(t: Cleanup): DatabaseSync {
  const db = new DatabaseSync(":memory:");
  t.after(() => db.close());
  for (const step of MIGRATIONS) db.exec(step);
  return db;
}

// Deno frees a statement late: a list of 100,000 syncs, with two lookups each, took 2 GB.
test("JobQueries list() keeps few statements, whatever is asked for and how often", (t) => {
  const db = openedDb(t);
  const texts: string[] = [];
  db.prepare = (text) => {
    texts.push(text);
    return DatabaseSync.prototype.prepare.call(db, text);
  };
  const queries = new JobQueries(db);
  const before = texts.length;

  for (let n = 1; n <= 100; n++) {
    const syncId = deriveSyncId(TENANT, `sync ${n}`);
    queries.list({ tenant: TENANT, syncId, limit: 1 }, n, 1);
    queries.list({ tenant: TENANT, statuses: Array(n).fill("completed"), limit: 1 }, n, 1);
  }

  assert.equal(texts.length - before, 2);
});

test("JobQueries list() gives fewer jobs a page where they are long, and all of them in the end", (t) => {
  const db = openedDb(t);
  const rows = new JobRows(db);
  const meta = { text: "x".repeat(1024 * 1024) };
  const ids = Array.from({ length: 12 }, () => {
    const job = freshJob(newJob({ meta }));
    rows.insert(job);
    return job.id;
  });
  const queries = new JobQueries(db);

  const pages: string[][] = [];
  for (let before: number | null = 100; before !== null;) {
    const { jobs, next } = queries.list({ tenant: TENANT, limit: 12 }, before, 12);
    pages.push(jobs.map(({ id }) => id));
    before = next;
  }

  assert.deepEqual(pages.map(({ length }) => length), [4, 4, 4]);
  assert.deepEqual(pages.flat(), ids.reverse());
});

test("JobQueries list() fills a page past damaged rows, so that a sync's newest job is found", (t) => {
  const db = openedDb(t);
  const rows = new JobRows(db);
  const jobs = Array.from({ length: 50 }, () => freshJob(newJob()));
  for (const job of jobs) rows.insert(job);
  db.exec("UPDATE jobs SET state = '{' WHERE pk = 1 OR pk > 15");
  const queries = new JobQueries(db);

  const first = queries.list({ tenant: TENANT, limit: 1 }, 100, 1);
  const rest = queries.list({ tenant: TENANT, limit: 20 }, first.next ?? 0, 20);

  assert.deepEqual(first.jobs.map(({ id }) => id), [jobs[14].id]);
  assert.deepEqual(rest.jobs.map(({ id }) => id), jobs.slice(1, 14).map(({ id }) => id).reverse());
  assert.equal(rest.next, null);
});
