import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import { test } from "node:test";
import { countFiles } from "../../src/cli/count_files.ts";
import { type FileSystem, fileSystem } from "../../src/sources/file_system.ts";
import { FakeClock } from "../support/fake_clock.ts";

test("countFiles() hears its signal in a tree without an end", async () => {
  const clock = new FakeClock();
  const stop = new AbortController();
  const files: FileSystem = {
    ...fileSystem,
    list() {
      clock.advance(1);
      return [{ name: "a", directory: true }];
    },
  };

  setImmediate(() => stop.abort());
  const options = { excluded: new Set<string>(), signal: stop.signal, clock };
  const count = await countFiles(files, "/endless", options);

  assert.equal(count, undefined);
});
