import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { shareOf } from "../../src/cli/words.ts";
import { OWN, startProgram } from "../support/program.ts";
import { tempDirectory } from "../support/temp.ts";

const TERMINAL = new URL("../support/terminal.py", import.meta.url).pathname;

test("a terminal that does not know its width is shown whole lines", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  mkdirSync(join(path, "tree"));
  for (const name of ["a", "b"]) writeFileSync(join(path, "tree", name), name);
  const config = join(path, "synctail.json");
  const source = { type: "directory", path: "tree", max_per_s: 1 };
  const destination = { type: "sqlite", path: "tree.db" };
  writeFileSync(config, JSON.stringify({ syncs: [{ name: "tree", source, destination }] }));
  const args = ["run", "tree", "--config", config, "--data", join(path, "data")];

  // terminal.py gives it none.
  const { stdout } = await startProgram.toEnd(t, {
    command: ["python3", TERMINAL, "never shown", ""],
    args: [...OWN, ...args],
  });

  // Between the sequences that draw a line anew.
  const drawn = stdout.split("\x1b").map((text) => text.replace(/^\[[\d;?]*[a-zA-Z]/, ""));
  const begun = drawn.filter((text) => text.includes("nothing"));
  assert.ok(begun.length > 0, stdout);
  for (const text of begun) assert.match(text, /nothing yet$/);
  const bars = drawn.filter((text) => text.includes(" % "));
  assert.deepEqual(bars.map((text) => text.length).filter((length) => length > 79), []);
});

test("shareOf() is no percent beyond the total, unless the job has completed", () => {
  const of = (payload: object) =>
    shareOf({ type: "progress", status: "in_progress", percent: 100, ...payload });

  assert.equal(of({ inserted: 290, total: 100 }), undefined);
  assert.equal(of({ inserted: 290, total: 100, status: "failed" }), undefined);
  assert.equal(of({ inserted: 290, total: 100, status: "completed" }), 100);
  assert.equal(of({ inserted: 100, deleted: 5, total: 100 }), 100);
  assert.equal(of({ bytes_done: 11, bytes_total: 10 }), undefined);
  assert.equal(of({ bytes_done: 10, bytes_total: 10, inserted: 2, total: 1 }), 100);
  assert.equal(of({ percent: 40, inserted: 290, total: 100 }), 40);
  assert.equal(of({ percent: undefined }), undefined);
});
