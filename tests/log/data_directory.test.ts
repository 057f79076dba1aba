import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { DataDirectory } from "../../src/log/data_directory.ts";
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
