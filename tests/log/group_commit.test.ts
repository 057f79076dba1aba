import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import type { Checkpoints } from "../../src/log/checkpoints.ts";
import { GroupCommit } from "../../src/log/group_commit.ts";
import type { Reserve } from "../../src/log/reserve.ts";
import type { JobRows } from "../../src/log/sqlite_job_rows.ts";
import { FakeClock } from "../support/fake_clock.ts";

/** A commit over a database in memory, beside a checkpoint and a reserve as the test has them. */
function bench(t: { after(run: () => void): void }) {
  const db = new DatabaseSync(":memory:");
  t.after(() => db.close());
  const checkpoints = {
    backlog: undefined as Promise<void> | undefined,
    committed: () => false,
    restart() {},
  };
  const jobs = { flush() {}, committed() {}, rolledBack() {}, markLeases: () => false };
  const commits = new GroupCommit({
    db,
    jobs: jobs as unknown as JobRows,
    checkpoints: checkpoints as unknown as Checkpoints,
    reserve: { hold: () => true, release() {} } as unknown as Reserve,
    clock: new FakeClock(),
  });
  return { commits, checkpoints };
}

const turns = async () => {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
};

test("a commit waits for the backlog of checkpoints, and takes what has come meanwhile", async (t) => {
  const { commits, checkpoints } = bench(t);
  const moved = Promise.withResolvers<void>();
  const written: string[] = [];
  checkpoints.backlog = moved.promise;

  const writes = [commits.run(() => written.push("first"))];
  await turns();
  writes.push(commits.run(() => written.push("second")));
  await turns();
  const early = [...written];
  checkpoints.backlog = undefined;
  moved.resolve();
  await Promise.all(writes);

  assert.deepEqual([early, written], [[], ["first", "second"]]);
});

test("a commit takes no more than two thousand writes, and the next turn the others", async (t) => {
  const { commits, checkpoints } = bench(t);
  const taken: number[] = [];
  let written = 0;
  checkpoints.committed = () => {
    taken.push(written);
    return false;
  };

  await Promise.all(Array.from({ length: 2_001 }, () => commits.run(() => written++)));

  assert.deepEqual(taken, [2_000, 2_001]);
});
