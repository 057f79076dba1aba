import assert from "node:assert/strict";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { DataDirectory, serverOf } from "../../src/log/data_directory.ts";
import { tempDirectory } from "../support/temp.ts";

test("a data directory whose lock is no database is refused by the name of that file", (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const file = join(path, "lock.db");
  writeFileSync(file, "something else");

  assert.throws(() => new DataDirectory(path), {
    message: `Cannot lock the data directory: "${file}": file is not a database`,
  });
});

test("release() leaves the note of a server that has a new directory in the place of the old one", (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const data = join(path, "data");
  const old = new DataDirectory(data);
  old.announce({ url: "http://127.0.0.1:1", pid: process.pid });
  renameSync(data, join(path, "away"));
  // In containers each of them is process 1.
  const other = { url: "http://127.0.0.1:2", pid: process.pid };
  const fresh = new DataDirectory(data);
  fresh.announce(other);

  old.release();
  const noted = serverOf(data);
  fresh.release();

  assert.deepEqual(noted, other);
});

test("release() takes away the note that a server has left there when it was killed", (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const directory = new DataDirectory(path);
  directory.announce({ url: "http://127.0.0.1:1", pid: process.ppid });

  directory.release();

  assert.equal(serverOf(path), undefined);
});
