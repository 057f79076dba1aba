import assert from "node:assert/strict";
import { existsSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import type { IndexedEntity } from "../../src/destinations/index_destination.ts";
import { SqliteIndex } from "../../src/destinations/sqlite_index.ts";
import type { Cleanup } from "../support/program.ts";
import { tempDirectory } from "../support/temp.ts";

const SOURCE = "/the/tree";

function row(key: string, changes: Partial<IndexedEntity> = {}): IndexedEntity {
  const hash = "0".repeat(64);
  return { key, type: "txt", hash, size: 1, mtimeMs: 2, inode: 3, settled: true, ...changes };
}

/** A path for an index, and another connection's view of what is in it. */
function bench(t: Cleanup) {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const file = join(path, "index.db");
  const query = (sql: string) => {
    const db = new DatabaseSync(file, { timeout: 0 });
    try {
      return db.prepare(sql).all();
    } finally {
      db.close();
    }
  };
  const count = () => query("SELECT count(*) AS n FROM entities")[0].n;
  return { path, file, query, count };
}

test("IndexSession.after() and hashOf() give rows back as they were put, in the order of their keys' bytes", (t) => {
  const { file } = bench(t);
  const session = new SqliteIndex(file).open(SOURCE);
  const rows = [
    row("a-b", { settled: false, hash: "of a-b" }),
    row("a.b", { size: 5_000_000_000 }),
    row("a/b", { mtimeMs: -1 }),
    row("\uffee", { inode: 2 ** 53 - 1 }),
    row("\u{1f600}"),
  ];
  for (const each of rows.toReversed()) session.put(each);
  session.flush();

  const found = session.after("", 10).map((known) => ({
    ...known,
    hash: session.hashOf(known.key),
  }));
  assert.deepEqual(found, rows);
  assert.equal(session.hashOf("none"), undefined);
  assert.deepEqual(session.after("a.b", 2).map(({ key }) => key), ["a/b", "\uffee"]);
  session.close();
});

test("IndexSession.flush() commits what was put and removed, and nothing is seen before", (t) => {
  const { file, query, count } = bench(t);
  const session = new SqliteIndex(file).open(SOURCE);
  session.put(row("old"));
  session.flush();

  session.put(row("new"));
  session.remove("old");
  const before = query("SELECT key FROM entities");
  session.flush();

  assert.deepEqual(before.map(({ key }) => key), ["old"]);
  assert.deepEqual(query("SELECT key FROM entities").map(({ key }) => key), ["new"]);
  assert.equal(count(), 1);
  session.close();
});

test("IndexSession.put() holds no lock, so that another writer never waits for the source", (t) => {
  const { file, query } = bench(t);
  const session = new SqliteIndex(file).open(SOURCE);

  session.put(row("a"));

  // Without a timeout this fails at once when the session is within a transaction.
  query("UPDATE entities SET size = 2");
  session.close();
});

test("IndexSession.put() commits by itself after 500 rows, so that no transaction is long", (t) => {
  const { file, count } = bench(t);
  const session = new SqliteIndex(file).open(SOURCE);

  for (let n = 0; n < 499; n++) session.put(row(`k${n}`));
  const before = count();
  session.put(row("k499"));
  const after = count();

  assert.deepEqual([before, after], [0, 500]);
  session.close();
});

test("IndexSession.close() commits what was not flushed", (t) => {
  const { file, count } = bench(t);
  const session = new SqliteIndex(file).open(SOURCE);

  session.put(row("a"));
  session.close();

  assert.equal(count(), 1);
});

test("IndexSession.flush() on a full disk says storage_full, and close() does not hide it", (t) => {
  const { file, count } = bench(t);
  const index = new SqliteIndex(file, (db) => db.exec("PRAGMA max_page_count = 10"));
  const session = index.open(SOURCE);
  for (let n = 0; n < 400; n++) session.put(row(`k${n}`.padEnd(200, "x")));

  assert.throws(() => session.flush(), {
    code: "storage_full",
    message: `Cannot use the index "${file}": the disk is full`,
  });
  session.put(row("more".padEnd(100_000, "x")));
  assert.doesNotThrow(() => session.close());
  assert.equal(count(), 0);
});

test("IndexSession keeps what it cannot write while another program has it locked", (t) => {
  const { file, count } = bench(t);
  const session = new SqliteIndex(file).open(SOURCE);
  const other = new DatabaseSync(file);
  other.exec("BEGIN IMMEDIATE");

  for (let n = 0; n < 700; n++) session.put(row(`k${n}`));
  assert.throws(() => session.flush(), {
    name: "DestinationLockedError",
    code: "destination_unwritable",
    message: `Cannot use the index "${file}": another program has locked it`,
  });
  other.exec("ROLLBACK");
  other.close();
  session.flush();

  assert.equal(count(), 700);
  session.close();
});

test("IndexSession.flush() fails where the index was removed, or is another file", (t) => {
  const { file } = bench(t);
  const session = new SqliteIndex(file).open(SOURCE);
  session.put(row("a"));
  renameSync(file, `${file}.away`);

  const code = "destination_changed";
  assert.throws(() => session.flush(), {
    code,
    message: `Cannot use the index "${file}": it was removed while the sync ran`,
  });
  writeFileSync(file, "");
  assert.throws(() => session.flush(), { code });
  session.close();
});

test("SqliteIndex.open() sets what its commits cost: a WAL, and no fsync at each", (t) => {
  let synchronous: unknown;
  let journal: unknown;
  const session = new SqliteIndex(bench(t).file, (db) => {
    synchronous = db.prepare("PRAGMA synchronous").get()?.synchronous;
    journal = db.prepare("PRAGMA journal_mode").get()?.journal_mode;
  }).open(SOURCE);
  session.close();

  assert.deepEqual([synchronous, journal], [1, "wal"]);
});

test("SqliteIndex.open() makes the directory that the index is to be in", (t) => {
  const file = join(bench(t).path, "a", "b", "index.db");

  new SqliteIndex(file).open(SOURCE).close();

  assert.ok(existsSync(file));
});

test("SqliteIndex.open() refuses another source's index, and lets its own back in", (t) => {
  const { file } = bench(t);
  new SqliteIndex(file).open(SOURCE).close();

  assert.throws(() => new SqliteIndex(file).open("/another"), {
    code: "destination_of_other_source",
    message: `Cannot write "/another" into "${file}": it is the index of "/the/tree"`,
  });
  new SqliteIndex(file).open(SOURCE).close();
});

test("SqliteIndex.open() refuses an index that a newer synctail wrote", (t) => {
  const { file, query } = bench(t);
  new SqliteIndex(file).open(SOURCE).close();
  query("PRAGMA user_version = 99");

  assert.throws(() => new SqliteIndex(file).open(SOURCE), { code: "destination_newer" });
});
