import assert from "node:assert/strict";
import { test } from "node:test";
import { removeAll } from "../../src/jobs/removals.ts";
import { StorageFaultError, StorageFullError } from "../../src/log/log_errors.ts";
import type { JobId, JobKey } from "../../src/sync/ids.ts";
import { TENANT } from "../support/log_contract.ts";

const keys = (count: number): JobKey[] =>
  Array.from({ length: count }, (_, n) => ({ tenant: TENANT, id: `${n}` as JobId }));

test("removeAll() removes some at a time, and counts those that were there", async () => {
  const removed: string[] = [];
  let underWay = 0;
  let most = 0;

  const count = await removeAll(keys(120), async ({ id }) => {
    most = Math.max(most, ++underWay);
    await Promise.resolve();
    underWay--;
    removed.push(id);
    return id !== "7";
  });

  assert.deepEqual([count, removed.length, new Set(removed).size, most], [119, 120, 120, 50]);
});

test("removeAll() goes on one by one where there is no room for many", async () => {
  let underWay = 0;

  const count = await removeAll(keys(70), async () => {
    const alone = underWay++ === 0;
    await Promise.resolve();
    underWay--;
    if (!alone) throw new StorageFullError();
    return true;
  });
  const fault = removeAll(keys(2), () => Promise.reject(new StorageFaultError(new Error("gone"))));

  assert.equal(count, 70);
  await assert.rejects(fault, StorageFaultError);
});
