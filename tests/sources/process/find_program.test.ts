import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { findProgram } from "../../../src/sources/process/find_program.ts";
import type { Cleanup } from "../../support/program.ts";
import { tempDirectory } from "../../support/temp.ts";

/** Directories of which each has a file `tool` of that mode, or a directory of that name. */
function places(t: Cleanup, ...modes: readonly (number | "directory")[]): string[] {
  const { path, remove } = tempDirectory();
  t.after(remove);
  return modes.map((mode, at) => {
    const place = join(path, `${at}`);
    mkdirSync(place);
    if (mode === "directory") mkdirSync(join(place, "tool"));
    else writeFileSync(join(place, "tool"), "", { mode });
    return place;
  });
}

test("findProgram() gives the first in PATH that can be run, as a shell does", (t) => {
  const [plain, folder, first, second] = places(t, 0o644, "directory", 0o755, 0o755);

  const found = findProgram("tool", { env: { PATH: [plain, folder, first, second].join(":") } });

  assert.equal(found, join(first, "tool"));
});

test("findProgram() looks at no place of PATH that depends on where it was called", (t) => {
  const [place] = places(t, 0o755);
  const own = relative(process.cwd(), place);

  assert.throws(() => findProgram("tool", { env: { PATH: `${own}::.` } }), /no such program/);
  assert.throws(
    () => findProgram("tool", { cwd: place, env: { PATH: "." } }),
    /no such program in PATH/,
  );
  assert.equal(findProgram("./tool", { cwd: place, env: {} }), join(place, "tool"));
});
