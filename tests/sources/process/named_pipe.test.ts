import assert from "node:assert/strict";
import { readdirSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { closeEnds, namedPipes } from "../../../src/sources/process/named_pipe.ts";
import { tempDirectory } from "../../support/temp.ts";

/** What this process has open below the directory; other tests open and close as they like. */
function openBelow(path: string): string[] {
  return readdirSync("/proc/self/fd").flatMap((name) => {
    try {
      const file = readlinkSync(`/proc/self/fd/${name}`);
      return file.startsWith(`${path}/`) ? [file] : [];
    } catch {
      return []; // closed meanwhile
    }
  });
}

test("namedPipes() leaves none open where it cannot open all", async (t) => {
  const { path, remove } = tempDirectory();
  const { PATH, TMPDIR } = process.env;
  t.after(() => {
    process.env.PATH = PATH;
    if (TMPDIR === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = TMPDIR;
    remove();
  });
  process.env.TMPDIR = path;
  const pipes = await namedPipes(1) ?? [];
  const ends = openBelow(path).length;
  closeEnds(pipes);
  // Makes the first one only.
  const script = `#!/bin/sh\nPATH='${PATH}'\nexec mkfifo "$1" "$2" "$3"\n`;
  writeFileSync(join(path, "mkfifo"), script, { mode: 0o755 });
  process.env.PATH = `${path}:${PATH}`;

  assert.equal(await namedPipes(2), undefined);

  assert.deepEqual([ends, openBelow(path)], [2, []]);
});
