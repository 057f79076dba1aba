import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { files } from "../../src/runtime/files.ts";
import { errorCode, fileSystem } from "../../src/sources/file_system.ts";
import type { Cleanup } from "../support/program.ts";
import { tempDirectory } from "../support/temp.ts";

/** A directory with one of each kind. */
function kinds(t: Cleanup): string {
  const { path, remove } = tempDirectory();
  t.after(remove);
  writeFileSync(join(path, "file \u00e4 \u{1f600}"), "12345");
  mkdirSync(join(path, "directory"));
  symlinkSync("directory", join(path, "link"));
  symlinkSync("nowhere", join(path, "broken"));
  execFileSync("mkfifo", [join(path, "fifo")]);
  return path;
}

test("files lists and stats as node:fs does", (t) => {
  const path = kinds(t);

  const listed = files.list(path).sort((a, b) => a.name < b.name ? -1 : 1);

  assert.deepEqual(listed, [
    { name: "broken", directory: false },
    { name: "directory", directory: true },
    { name: "fifo", directory: false },
    { name: "file \u00e4 \u{1f600}", directory: false },
    { name: "link", directory: false },
  ]);
  for (const { name } of listed) {
    assert.deepEqual(files.stat(join(path, name)), fileSystem.stat(join(path, name)), name);
  }
});

test("files gives the errors of the system", (t) => {
  const path = kinds(t);
  const codes = (act: (path: string) => void) =>
    ["gone", "link/gone", "file \u00e4 \u{1f600}/x", "broken/x"].map((name) => {
      try {
        act(join(path, name));
      } catch (cause) {
        return errorCode(cause);
      }
    });

  const expected = ["ENOENT", "ENOENT", "ENOTDIR", "ENOENT"];
  assert.deepEqual(codes((path) => files.stat(path)), expected);
  assert.deepEqual(codes((path) => files.list(path)), expected);
});

for (const mtimeS of [0, 1_577_836_800.123456, 1_577_836_800.9996, -1.5004, -86_400, 2 ** 33]) {
  test(`files has the same time for a path and for the open file: ${mtimeS} s`, (t) => {
    const { path, remove } = tempDirectory();
    t.after(remove);
    const file = join(path, "a");
    writeFileSync(file, "x");
    utimesSync(file, mtimeS, mtimeS);

    const open = files.open(file);
    const stats = [files.stat(file), files.statOpen(open)];
    files.close(open);

    assert.deepEqual(stats[0], stats[1]);
  });
}
