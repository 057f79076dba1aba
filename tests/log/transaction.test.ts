import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { transaction } from "../../src/log/transaction.ts";

/** A database of one row, with room for a few pages more. */
function small(): DatabaseSync {
  const db = new DatabaseSync(":memory:");
  db.exec("CREATE TABLE t (text TEXT); INSERT INTO t VALUES ('before'); PRAGMA max_page_count = 8");
  return db;
}

const rows = (db: DatabaseSync) => db.prepare("SELECT text FROM t").all().map(({ text }) => text);

test("transaction() keeps all of it, or nothing where it throws", () => {
  const db = small();
  const insert = db.prepare("INSERT INTO t VALUES (?)");

  transaction(db, () => ["a", "b"].forEach((text) => insert.run(text)));
  assert.throws(() =>
    transaction(db, () => {
      insert.run("c");
      throw new Error("no");
    }), /^Error: no$/);

  assert.deepEqual(rows(db), ["before", "a", "b"]);
});

test("transaction() throws that the disk is full, and the next one has its turn", () => {
  const db = small();
  const insert = db.prepare("INSERT INTO t VALUES (?)");

  const full = () => transaction(db, () => insert.run("x".repeat(100_000)));
  assert.throws(full, /disk is full/);
  transaction(db, () => insert.run("after"));

  assert.deepEqual(rows(db), ["before", "after"]);
});
