import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { closeEnds, namedPipes } from "../../../src/sources/process/named_pipe.ts";
import { descriptors } from "../../support/processes.ts";
import { tempDirectory } from "../../support/temp.ts";

test("namedPipes() leaves none open where it cannot open all", async (t) => {
  const { path, remove } = tempDirectory();
  const { PATH } = process.env;
  t.after(() => {
    process.env.PATH = PATH;
    remove();
  });
  closeEnds(await namedPipes(1) ?? []); // what a runtime opens for its first child stays
  const before = descriptors(process.pid);
  // Makes the first one only.
  const script = `#!/bin/sh\nPATH='${PATH}'\nexec mkfifo "$1" "$2" "$3"\n`;
  writeFileSync(join(path, "mkfifo"), script, { mode: 0o755 });
  process.env.PATH = `${path}:${PATH}`;

  assert.equal(await namedPipes(2), undefined);

  assert.equal(descriptors(process.pid), before);
});
