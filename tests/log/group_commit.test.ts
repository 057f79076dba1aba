import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import type { Checkpoints } from "../../src/log/checkpoints.ts";
import type { LogPlace } from "../../src/log/disk.ts";
import { GroupCommit } from "../../src/log/group_commit.ts";
import type { Reserve } from "../../src/log/reserve.ts";
import type { JobRows } from "../../src/log/sqlite_job_rows.ts";
import { FakeClock } from "../support/fake_clock.ts";

/** A commit over a database in memory, on a disk that is as the test has it. */
function bench(t: { after(run: () => void): void }) {
  const db = new DatabaseSync(":memory:");
  t.after(() => db.close());
  const clock = new FakeClock();
  const disk = { fault: undefined as string | undefined, cramped: false, room: true, held: true };
  const asked: string[] = [];
  const checkpoints = {
    backlog: undefined as Promise<void> | undefined,
    committed: () => false,
    cramped: () => disk.cramped,
    restart: (bytes: number) => void asked.push(`the WAL anew, with ${bytes}`),
  };
  const jobs = {
    flush() {
      if (disk.fault === undefined) return;
      throw Object.assign(new Error(disk.fault), { code: "ERR_SQLITE_ERROR" });
    },
    committed() {},
    rolledBack() {},
    markLeases: () => false,
  };
  const reserve = {
    hold: () => disk.room,
    release() {
      asked.push("the reserve");
      if (disk.held) disk.fault = undefined;
      const { held } = disk;
      disk.held = false;
      return held;
    },
  };
  const commits = new GroupCommit({
    db,
    jobs: jobs as unknown as JobRows,
    checkpoints: checkpoints as unknown as Checkpoints,
    reserve: reserve as unknown as Reserve,
    place: { fault: () => undefined } as unknown as LogPlace,
    clock,
  });
  return { commits, checkpoints, clock, disk, asked };
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

test("close() writes all that waits, however much that is", async (t) => {
  const { commits } = bench(t);
  let written = 0;
  const writes = Array.from({ length: 4_001 }, () => commits.run(() => ++written));

  await commits.close();
  assert.equal(written, 4_001);

  const settled = await Promise.allSettled(writes);
  assert.ok(settled.every(({ status }) => status === "fulfilled"));
  await assert.rejects(commits.run(() => ++written), /it is closed/);
  assert.equal(written, 4_001);
});

test("an end for which there is room without what stood beside it is written, also without a reserve", async (t) => {
  const { commits, disk } = bench(t);
  disk.held = false;
  const end = () => commits.run(() => void (disk.fault = undefined), true);
  const large = () => commits.run(() => void (disk.fault = "database or disk is full"));

  const [ended, refused] = await Promise.allSettled([end(), large()]);

  assert.equal(ended.status, "fulfilled");
  assert.equal(refused.status === "rejected" && refused.reason.name, "StorageFullError");
});

test("what was refused is not carried out where the disk turns out to be full after it", async (t) => {
  const { commits, disk } = bench(t);
  disk.fault = "database or disk is full";
  let fenced = false;
  let ended = false;

  const [, end] = await Promise.allSettled([
    commits.run(() => {
      fenced = true;
    }),
    commits.run(() => {
      if (fenced) throw new Error("another has taken over");
      ended = true;
    }, true),
    commits.run(() => fenced = false), // as the commit, when it is taken back
  ]);

  assert.deepEqual([end.status, ended], ["rejected", false]);
});

test("on a full disk what is urgent is written, all else refused, and room looked for once a second", async (t) => {
  const { commits, clock, disk, asked } = bench(t);
  const written: string[] = [];
  const write = (name: string, urgent = false) =>
    commits.run(() => void written.push(name), urgent).then(() => true, (error) => {
      assert.equal(error.name, "StorageFullError");
      return false;
    });
  disk.fault = "database or disk is full";
  disk.room = false;

  const first = await Promise.all([write("line"), write("end", true)]);
  disk.room = true;
  disk.cramped = true;
  clock.advance(999);
  const early = await write("early");
  clock.advance(1);
  const cramped = await write("cramped");
  disk.cramped = false;
  clock.advance(999);
  const again = [await write("early again"), await write("removal", true)];
  clock.advance(1);
  const later = await write("later");

  assert.deepEqual([first, early, cramped, again], [[false, true], false, false, [false, true]]);
  assert.equal(later, true);
  // The first commit was taken back, with all that had been written in it.
  assert.deepEqual(written, ["line", "end", "end", "removal", "later"]);
  assert.deepEqual(asked, [
    "the reserve",
    "the WAL anew, with 524288",
    "the WAL anew, with 524288",
  ]);
});

test("a disk with little room left counts as full from the commit that finds it so", async (t) => {
  const { commits, checkpoints, disk, asked } = bench(t);
  checkpoints.committed = () => true;
  disk.cramped = true;
  const last = await commits.run(() => "last");

  const line = await commits.run(() => "line").catch((cause) => cause.name);
  const end = await commits.run(() => "end", true);

  assert.deepEqual([last, line, end], ["last", "StorageFullError", "end"]);
  assert.ok(!asked.includes("the reserve"), "it is for when there is no room at all");
});

test("the reserve is let go of where others fill a disk that counted as full already", async (t) => {
  const { commits, checkpoints, disk, asked } = bench(t);
  const end = () => commits.run(() => {}, true).then(() => true, () => false);
  checkpoints.committed = () => true;
  await commits.run(() => {});

  disk.fault = "database or disk is full";
  const first = await end();
  disk.fault = "database or disk is full";
  const second = await end();

  assert.deepEqual([first, second], [true, false]);
  assert.equal(asked.filter((words) => words === "the reserve").length, 2);
});

test("a disk that fails fails what is written then, as a fault of storage, and nothing later", async (t) => {
  const { commits, disk } = bench(t);
  disk.fault = "disk I/O error";

  const [line, end] = await Promise.allSettled([
    commits.run(() => "line"),
    commits.run(() => "end", true),
  ]);
  disk.fault = undefined;

  const names = [line, end].map((each) => each.status === "rejected" && each.reason.name);
  assert.deepEqual(names, ["StorageFaultError", "StorageFaultError"]);
  assert.equal(await commits.run(() => "later"), "later");
});
