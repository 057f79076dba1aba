import assert from "node:assert/strict";
import { test } from "node:test";
import type { Checkpoints } from "../../src/log/checkpoints.ts";
import type { GroupCommit } from "../../src/log/group_commit.ts";
import { Collection } from "../../src/log/sqlite_collection.ts";
import type { SqliteRetention } from "../../src/log/sqlite_retention.ts";
import { until } from "../support/until.ts";

test("what is removed while the WAL is emptied is emptied out of it the next time", async () => {
  const emptied: ((all: boolean) => void)[] = [];
  const collection = new Collection({
    commits: { run: (write: () => unknown) => Promise.resolve(write()) } as unknown as GroupCommit,
    retention: { collect: () => false } as unknown as SqliteRetention, // nothing is left to delete
    checkpoints: {
      truncate: () => new Promise<boolean>((resolve) => emptied.push(resolve)),
    } as unknown as Checkpoints,
  });
  const first = collection.collect();
  await until(() => emptied.length === 1);

  collection.overwrote();
  emptied[0](true);
  await first;
  let over = false;
  const second = collection.collect().then(() => over = true);
  await until(() => over || emptied.length === 2);
  emptied[1]?.(true);
  await second;
  await collection.collect();

  assert.equal(emptied.length, 2); // and not a third time
});
