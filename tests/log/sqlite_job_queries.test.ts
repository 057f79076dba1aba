import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { JobQueries } from "../../src/log/sqlite_job_queries.ts";
import { MIGRATIONS } from "../../src/log/sqlite_schema.ts";
import { deriveSyncId } from "../../src/sync/ids.ts";
import { TENANT } from "../support/log_contract.ts";

// Deno frees a statement late: a list of 100,000 syncs, with two lookups each, took 2 GB.
test("JobQueries list() keeps few statements, whatever is asked for and how often", (t) => {
  const db = new DatabaseSync(":memory:");
  t.after(() => db.close());
  for (const step of MIGRATIONS) db.exec(step);
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
