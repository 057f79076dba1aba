import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import {
  appendFileSync,
  copyFileSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { DestinationError } from "../../src/destinations/index_destination.ts";
import { JsonlRecords } from "../../src/destinations/jsonl_records.ts";
import type { Cleanup } from "../support/program.ts";
import { recordContract } from "../support/record_contract.ts";
import { record } from "../support/records.ts";
import { tempDirectory } from "../support/temp.ts";

function held(path: string): Record<string, unknown> {
  const all: Record<string, unknown> = {};
  for (const line of readFileSync(path, "utf8").split("\n").slice(0, -1)) {
    const { op, type, key, record } = JSON.parse(line);
    if (op === "deleted") delete all[`${type} ${key}`];
    else all[`${type} ${key}`] = record;
  }
  return all;
}

recordContract("jsonl", held);

const FIRST = '{"op": "inserted", "type": "users", "key": "1", "hash": "aa", "record": {"n": 1}}\n';
const SECOND =
  '{"op": "inserted", "type": "users", "key": "\\"2\\"", "hash": "bb", "record": {}}\n';

/** A file of two records whose session was closed. */
function bench(t: Cleanup) {
  const { path: directory, remove } = tempDirectory();
  t.after(remove);
  const path = `${directory}/users.jsonl`;
  const open = () => new JsonlRecords(path).open("default/users");
  const session = open();
  session.put({ type: "users", key: "1", hash: "aa", payload: '{"n": 1}' });
  session.put({ type: "users", key: '"2"', hash: "bb", payload: "{}" });
  session.close();
  /** What putting both again comes to, in a session of its own. */
  const again = () => {
    const session = open();
    const outcomes = [
      session.put({ type: "users", key: "1", hash: "aa", payload: '{"n": 1}' }),
      session.put({ type: "users", key: '"2"', hash: "bb", payload: "{}" }),
    ];
    session.close();
    return outcomes;
  };
  return { path, open, again, text: () => readFileSync(path, "utf8") };
}

function code(of: string) {
  return (cause: unknown) => cause instanceof DestinationError && cause.code === of;
}

test("what the index does not take is not in the file either, and is inserted by the next run", (t) => {
  const { path, open, text } = bench(t);
  const third = { type: "users", key: "3", hash: "cc", payload: "{}" };
  const index = new DatabaseSync(`${path}.index`);
  t.after(() => index.close());
  index.exec(
    `CREATE TRIGGER refuse BEFORE UPDATE ON covered
     BEGIN SELECT RAISE(ABORT, 'no'); END`,
  );

  const failed = open();
  failed.put(third);
  assert.throws(() => failed.flush(), code("destination_unwritable"));
  failed.close();
  const left = text();
  index.exec("DROP TRIGGER refuse");
  const next = open();
  const outcome = next.put(third);
  next.close();

  assert.equal(left, FIRST + SECOND);
  assert.equal(outcome, "inserted");
  assert.deepEqual(Object.keys(held(path)), ["users 1", 'users "2"', "users 3"]);
});

test("JsonlRecords keeps its files for their owner alone", (t) => {
  const { path } = bench(t);

  const modes = [path, `${path}.index`].map((file) => statSync(file).mode & 0o777);

  assert.deepEqual(modes, [0o600, 0o600]);
});

test("JsonlRecords appends a line a change, and changes none", (t) => {
  const { open, text } = bench(t);
  const session = open();

  session.put({ type: "users", key: "1", hash: "cc", payload: '{\r\n  "n": "a\\nb"\n}' });
  session.put({ type: "users", key: "1", hash: "cc", payload: "{}" });
  session.remove("users", '"2"');
  session.close();

  assert.equal(
    text(),
    FIRST + SECOND +
      '{"op": "updated", "type": "users", "key": "1", "hash": "cc", "record": {   "n": "a\\nb" }}\n' +
      '{"op": "deleted", "type": "users", "key": "\\"2\\""}\n',
  );
});

test("JsonlRecords takes away a last line that was not written to its end, wherever it is torn", (t) => {
  const { path, again, text } = bench(t);

  for (let length = 0; length < SECOND.length; length++) {
    writeFileSync(path, FIRST + SECOND.slice(0, length));
    assert.deepEqual(again(), ["kept", "inserted"]);
    assert.equal(text(), FIRST + SECOND);
  }
});

test("JsonlRecords takes away blocks that a power cut has left unwritten", (t) => {
  const { path, again, text } = bench(t);
  writeFileSync(path, `${FIRST}${"\0".repeat(4096)}`);

  assert.deepEqual(again(), ["kept", "inserted"]);
  assert.equal(text(), FIRST + SECOND);
});

test("JsonlRecords makes its index again from the file", (t) => {
  const { path, again } = bench(t);
  for (const suffix of ["", "-wal", "-shm"]) rmSync(`${path}.index${suffix}`, { force: true });

  assert.deepEqual(again(), ["kept", "kept"]);
});

test("JsonlRecords reads what its index has not seen of the file", (t) => {
  const { path, open, again } = bench(t);
  copyFileSync(`${path}.index`, `${path}.old`);
  const session = open();
  session.remove("users", "1");
  session.close();
  copyFileSync(`${path}.old`, `${path}.index`);

  assert.deepEqual(again(), ["inserted", "kept"]);
});

test("JsonlRecords sees that another file has taken the place of its own", (t) => {
  const { path, again } = bench(t);
  const other = SECOND.replace('"bb"', '"cc"');
  writeFileSync(path, other.repeat(3));

  assert.deepEqual(again(), ["inserted", "updated"]);
});

test("JsonlRecords knows a file without an index that is larger than one read", (t) => {
  const { path, open } = bench(t);
  const lines = Array.from({ length: 5_000 }, (_, n) => FIRST.replace('"1"', `"${n}"`));
  writeFileSync(path, lines.join(""));

  const session = open();
  let steps = 1;
  while (session.repair?.()) steps++;
  const outcomes = new Set(
    lines.map((_, n) =>
      session.put({ type: "users", key: `${n}`, hash: "aa", payload: '{"n": 1}' })
    ),
  );
  session.close();

  assert.ok(steps > 3);
  assert.deepEqual(outcomes, new Set(["kept"]));
});

test("JsonlRecords goes on with its repair where another program has let go of the index", (t) => {
  const { path, open } = bench(t);
  const lines = Array.from({ length: 5_000 }, (_, n) => FIRST.replace('"1"', `"${n}"`));
  const torn = SECOND.slice(0, -9);
  writeFileSync(path, lines.join("") + torn);
  const session = open();
  const other = new DatabaseSync(`${path}.index`, { timeout: 0 });

  for (let step = 0; step < 4; step++) {
    other.exec("BEGIN IMMEDIATE");
    assert.throws(() => session.repair?.(), { name: "DestinationLockedError" });
    other.exec("ROLLBACK");
    assert.equal(session.repair?.(), true);
  }
  other.close();
  while (session.repair?.());
  const outcome = session.put({ type: "users", key: "4999", hash: "aa", payload: '{"n": 1}' });
  session.put({ type: "users", key: '"2"', hash: "bb", payload: "{}" });
  session.close();

  assert.equal(outcome, "kept");
  assert.equal(readFileSync(path, "utf8"), lines.join("") + SECOND);
});

test("JsonlRecords leaves a file alone that is none of its own", (t) => {
  const { path, open, text } = bench(t);
  for (const foreign of ["a diary", "a diary\nof two lines\n", '{"id": 1}\n']) {
    writeFileSync(path, foreign);
    const session = open();

    assert.throws(() => session.put(record("1", "a")), code("destination_foreign"));
    session.close();

    assert.equal(text(), foreign);
  }
});

test("JsonlRecords leaves its own file alone that was saved as UTF-16 since", (t) => {
  const { path, open, text } = bench(t);
  const first = open();
  first.put(record("1", "a"));
  first.flush();
  first.close();
  const saved = Buffer.from(`\ufeff${text()}`, "utf16le");
  writeFileSync(path, saved);
  const session = open();

  assert.throws(() => session.put(record("2", "a")), code("destination_foreign"));
  session.close();

  assert.deepEqual(readFileSync(path), saved);
});

test("JsonlRecords does not write behind what somebody else has written", (t) => {
  const { path, open, text } = bench(t);
  const session = open();
  session.put(record("3", "a"));
  session.flush();
  const before = text();

  appendFileSync(path, SECOND);
  session.put(record("4", "a"));

  assert.throws(() => session.flush(), code("destination_changed"));
  session.close();
  assert.equal(text(), before + SECOND);
});

test("JsonlRecords does not write behind what another has written while it waited for the index", (t) => {
  const { path, open, text } = bench(t);
  const session = open();
  session.put(record("3", "a"));
  session.flush();
  const before = text();
  session.put(record("4", "a"));
  const { exec } = DatabaseSync.prototype;
  t.after(() => void (DatabaseSync.prototype.exec = exec));
  DatabaseSync.prototype.exec = function (sql) {
    if (sql === "BEGIN IMMEDIATE") appendFileSync(path, SECOND);
    return exec.call(this, sql);
  };

  assert.throws(() => session.flush(), code("destination_changed"));
  DatabaseSync.prototype.exec = exec;
  session.close();

  assert.equal(text(), before + SECOND);
});
