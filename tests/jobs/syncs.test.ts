import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { configuredSyncs, SYNC_SCHEMA } from "../../src/jobs/sync_config.ts";
import { Syncs } from "../../src/jobs/syncs.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { tempDirectory } from "../support/temp.ts";

test("no source enters a file that any sync writes to", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  mkdirSync(join(path, "tree"));
  for (const name of ["a.db", "a.db-wal", "a.db-shm", "kept.txt"]) {
    writeFileSync(join(path, "tree", name), name);
  }
  const sync = (name: string, source: string, destination: string) =>
    SYNC_SCHEMA.parse({
      name,
      source: { type: "directory", path: source },
      destination: { type: "sqlite", path: destination },
    });
  const { syncs } = configuredSyncs(
    [sync("a", "elsewhere", "tree/a.db"), sync("b", "tree", "b.db")],
    path,
  );

  const runnable = new Syncs(syncs, []).runnable(syncs[1]);
  let inserted = 0;
  const { signal } = new AbortController();
  for await (const event of runnable?.source().run({ signal, clock: new FakeClock() }) ?? []) {
    if (event.type === "progress") inserted = event.inserted;
  }

  assert.equal(inserted, 1);
});
