import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { NoRecords } from "../../src/destinations/no_records.ts";
import { recordContract } from "../support/record_contract.ts";
import { record } from "../support/records.ts";
import { tempDirectory } from "../support/temp.ts";

recordContract("none");

test("NoRecords has nothing in the directory for temporary files, also while it is open", (t) => {
  const { path, remove } = tempDirectory();
  const { TMPDIR } = process.env;
  t.after(() => {
    if (TMPDIR === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = TMPDIR;
    remove();
  });
  process.env.TMPDIR = path;

  const session = new NoRecords().open();
  session.put(record("1", "a"));
  session.flush();
  const during = readdirSync(path);
  const outcome = session.put(record("1", "a"));
  session.close();

  assert.deepEqual([during, outcome, readdirSync(path)], [[], "kept", []]);
});
