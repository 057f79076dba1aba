import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { DestinationError } from "../../src/destinations/index_destination.ts";
import { SqliteIndex } from "../../src/destinations/sqlite_index.ts";
import { SqliteRecords } from "../../src/destinations/sqlite_records.ts";
import { recordContract } from "../support/record_contract.ts";
import { record } from "../support/records.ts";
import { tempDirectory } from "../support/temp.ts";

function rows(path: string): Record<string, unknown>[] {
  const db = new DatabaseSync(path);
  try {
    return db.prepare("SELECT * FROM records ORDER BY type, key").all().map((row) => ({ ...row }));
  } finally {
    db.close();
  }
}

recordContract("sqlite", (path) =>
  Object.fromEntries(
    rows(path).map(({ type, key, payload }) => [`${type} ${key}`, JSON.parse(String(payload))]),
  ));

test("SqliteRecords keeps a row a record", (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const session = new SqliteRecords(`${path}/r.db`).open("default/users");

  session.put({ type: "users", key: "7", hash: "ab", payload: '{"id": 7}' });
  session.close();

  assert.deepEqual(rows(`${path}/r.db`), [
    { type: "users", key: "7", hash: "ab", payload: '{"id": 7}' },
  ]);
});

test("SqliteRecords refuses the index of a directory, and leaves it as it is", (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  new SqliteIndex(`${path}/index.db`).open("/tree").close();

  assert.throws(
    () => new SqliteRecords(`${path}/index.db`).open("default/users"),
    (cause) => cause instanceof DestinationError && cause.code === "destination_foreign",
  );

  new SqliteIndex(`${path}/index.db`).open("/tree").close();
});

test("RecordSession.flush() says that the disk is full, and the next run writes what is missing", (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const small = new SqliteRecords(`${path}/r.db`, (db) => db.exec("PRAGMA max_page_count = 20"));
  const session = small.open("default/users");
  session.put(record("0", "x"));
  session.flush();

  session.put(record("1", "x".repeat(200_000)));
  assert.throws(
    () => session.flush(),
    (cause) => cause instanceof DestinationError && cause.code === "storage_full",
  );
  session.close();

  const next = new SqliteRecords(`${path}/r.db`).open("default/users");
  assert.equal(next.put(record("0", "x")), "kept");
  assert.equal(next.put(record("1", "x".repeat(200_000))), "inserted");
  next.close();
});
