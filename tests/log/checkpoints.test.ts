import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { type CheckpointThread, startThread } from "../../src/log/checkpoint_worker.ts";
import { Checkpoints, type CheckpointsOptions } from "../../src/log/checkpoints.ts";
import { SqliteLog } from "../../src/log/sqlite_log.ts";
import { line, newJob, stillClock } from "../support/log_contract.ts";
import { RUN } from "../support/runtime.ts";
import { serverLog } from "../support/server_log.ts";
import { tempDirectory } from "../support/temp.ts";

/** A file with one table, in WAL mode, and its checkpoints; `write` commits that many pages of it. */
function arranged(
  t: { after(run: () => Promise<void>): void },
  options: Partial<CheckpointsOptions> = {},
) {
  const { path, remove } = tempDirectory();
  const file = join(path, "x.db");
  const db = new DatabaseSync(file);
  db.exec("PRAGMA journal_mode = WAL; CREATE TABLE rows (body)");
  const checkpoints = new Checkpoints({ db, path: file, pages: 50, ...options });
  t.after(async () => {
    await checkpoints.close();
    if (db.isOpen) db.close();
    remove();
  });
  const write = (pages: number) => db.exec(`INSERT INTO rows VALUES (zeroblob(${pages * 4_000}))`);
  const left = () => {
    const { log, checkpointed } = db.prepare("PRAGMA wal_checkpoint(NOOP)").get() ?? {};
    return Number(log) - Number(checkpointed);
  };
  /** Rows that the file has without its WAL. */
  const moved = () => {
    copyFileSync(file, `${file}.copy`);
    const copy = new DatabaseSync(`${file}.copy`);
    try {
      copy.exec("PRAGMA journal_mode = DELETE");
      return copy.prepare("SELECT count(*) AS n FROM rows").get()?.n;
    } finally {
      copy.close();
    }
  };
  return { db, file, checkpoints, write, left, moved };
}

/** As `arranged`, with a thread whose checkpoints are done when the test says so. */
function stepped(
  t: { after(run: () => Promise<void>): void },
  options: Partial<CheckpointsOptions> = {},
) {
  const waiting: (() => void)[] = [];
  const asked: (() => void)[] = [];
  const start = (file: string): CheckpointThread => ({
    checkpoint: () =>
      new Promise<void>((resolve, reject) => {
        waiting.push(() => {
          const db = new DatabaseSync(file);
          try {
            resolve(db.exec("PRAGMA wal_checkpoint(PASSIVE)"));
          } catch (error) {
            reject(error);
          } finally {
            db.close();
          }
        });
        asked.shift()?.();
      }),
    close: () => Promise.resolve(),
  });
  return {
    ...arranged(t, { start, ...options }),
    waiting,
    /** Does the checkpoint that is waited for; resolves when the next one is asked for. */
    step: () => {
      const next = new Promise<void>((resolve) => asked.push(resolve));
      waiting.shift()?.();
      return next;
    },
  };
}

test("a thread moves what is in the WAL into the file", async (t) => {
  const { checkpoints, write, left, moved } = arranged(t);
  write(60);

  checkpoints.committed(16);
  await checkpoints.settled();

  assert.deepEqual([left(), moved()], [0, 1]);
});

test("no thread is started for a WAL that is short", async (t) => {
  const start = () => assert.fail("started");
  const { checkpoints, write, left } = arranged(t, { start });
  write(40);

  checkpoints.committed(16);
  await checkpoints.settled();

  assert.ok(left() >= 40);
});

test("the WAL is looked at once in sixteen writes", (t) => {
  const { checkpoints, write, waiting, step } = stepped(t);
  write(60);

  checkpoints.committed(15);
  assert.equal(waiting.length, 0);
  checkpoints.committed(1);

  assert.equal(waiting.length, 1);
  void step();
});

test("the thread is sent again for what was written meanwhile, and in the end commits wait for it", async (t) => {
  const { checkpoints, write, left, waiting, step } = stepped(t);
  write(60);
  checkpoints.committed(16);

  for (const _ of [1, 2, 3]) {
    assert.equal(checkpoints.backlog, undefined);
    const next = step();
    write(1);
    await next;
  }
  const { backlog } = checkpoints;
  assert.ok(backlog);
  void step();
  await backlog;

  assert.deepEqual([waiting.length, left(), checkpoints.backlog], [0, 0, undefined]);
});

test("no checkpoint is tried for what a reader needs, until the WAL is used again or has grown", async (t) => {
  const { checkpoints, db, file, write, left, waiting, step } = stepped(t);
  const reader = new DatabaseSync(file);
  reader.exec("BEGIN; SELECT * FROM rows");
  write(60);
  checkpoints.committed(16);
  for (const _ of [1, 2, 3]) await step();
  void step();
  await checkpoints.settled();

  checkpoints.committed(16);
  assert.equal(waiting.length, 0);
  reader.close();
  db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  checkpoints.committed(16);
  write(55);
  checkpoints.committed(16);

  assert.equal(waiting.length, 1);
  void step();
  await checkpoints.settled();
  assert.equal(left(), 0);
});

test("a checkpoint that fails is told, and tried again when the WAL has grown as much again", async (t) => {
  const lines = await serverLog(t, "log");
  let tried = 0;
  const thread = {
    checkpoint: () => Promise.reject(new Error(`no room (${++tried})`)),
    close: () => Promise.resolve(),
  };
  const { checkpoints, file, write } = arranged(t, { start: () => thread });
  const reader = new DatabaseSync(file);
  reader.exec("BEGIN; SELECT * FROM rows"); // what is written after this cannot be moved
  write(60);
  checkpoints.committed(16);
  await checkpoints.settled();

  write(30);
  checkpoints.committed(16);
  await checkpoints.settled();
  assert.equal(tried, 1);
  write(30);
  checkpoints.committed(16);
  await checkpoints.settled();

  assert.equal(tried, 2);
  assert.deepEqual(
    lines,
    [1, 2].map((n) =>
      `error: Cannot move what was written into ${file} out of its WAL: no room (${n})`
    ),
  );
  reader.close();
});

test("the writer moves what a thread that fails does not", async (t) => {
  const lines = await serverLog(t, "log");
  const start = () => {
    throw new Error("no threads here");
  };
  const { checkpoints, write, left } = arranged(t, { start });
  write(60);

  checkpoints.committed(16);
  await checkpoints.settled();

  assert.equal(left(), 0);
  assert.match(lines.join(), /^error: Cannot move .*: no threads here$/);
});

test("commits wait only for a WAL that is far too long, and until the thread is through", async (t) => {
  const { checkpoints, write, step } = stepped(t, { pagesMax: 100 });
  write(60);
  checkpoints.committed(16);
  assert.equal(checkpoints.backlog, undefined);

  write(60);
  checkpoints.committed(16);
  const { backlog } = checkpoints;
  assert.ok(backlog);
  void step();
  await backlog;

  assert.equal(checkpoints.backlog, undefined);
  write(60);
  checkpoints.committed(16);
  assert.equal(checkpoints.backlog, undefined);
  void step();
  await checkpoints.settled();
});

test("truncate() waits for the thread and leaves nothing in the WAL", async (t) => {
  const { checkpoints, file, write, step } = stepped(t);
  write(60);
  checkpoints.committed(16);

  const truncated = checkpoints.truncate();
  assert.notEqual(statSync(`${file}-wal`).size, 0);
  void step();
  await truncated;

  assert.equal(statSync(`${file}-wal`).size, 0);
});

test("truncate() of a long WAL has the thread move it first", async (t) => {
  const { checkpoints, file, write, step } = stepped(t);
  write(300);

  const asked = step();
  const truncated = checkpoints.truncate();
  await asked;
  void step();
  await truncated;

  assert.equal(statSync(`${file}-wal`).size, 0);
});

test("truncate() tells a disk that fails from one that is full", async (t) => {
  const { checkpoints, db } = arranged(t);
  for (
    const [fault, name] of [
      ["disk I/O error", "StorageFaultError"],
      ["database or disk is full", "StorageFullError"],
    ]
  ) {
    db.prepare = () => {
      throw Object.assign(new Error(fault), { code: "ERR_SQLITE_ERROR" });
    };
    await assert.rejects(checkpoints.truncate(), { name });
  }
});

test("a disk counts as full while there is still room to move the WAL, which is done then", async (t) => {
  let free = (3 << 20) + 350 * 4096;
  const { checkpoints, db, write, left } = arranged(t, { pages: 4_000, free: () => free });
  write(300);

  assert.equal(checkpoints.committed(16), false);
  write(300);
  assert.equal(checkpoints.committed(16), true);
  await checkpoints.settled();
  assert.equal(left(), 0);
  free -= 600 * 4096;
  assert.equal(checkpoints.cramped(), true);

  // What is deleted is room inside the file.
  db.exec("DELETE FROM rows");
  assert.equal(checkpoints.cramped(), false);
});

test("a disk of which nobody can say how full it is counts as one with room", (t) => {
  const free = () => {
    throw new Error("ENOSYS: function not implemented");
  };
  const { checkpoints, write } = arranged(t, { pages: 4_000, free });
  write(300);

  assert.deepEqual([checkpoints.committed(16), checkpoints.cramped()], [false, false]);
});

test("the disk is asked for its room however little is written at a time", (t) => {
  const { checkpoints, write, step } = stepped(t, { pages: 4_000, free: () => 0 });
  const cramped: boolean[] = [];
  for (let n = 0; n < 30; n++) {
    write(20);
    cramped.push(checkpoints.committed(16));
  }
  void step();

  assert.ok(cramped.includes(true));
  assert.ok(cramped.indexOf(true) < 15, `after ${cramped.indexOf(true)} times 20 pages`);
});

test("the disk is asked for its room also once the WAL is used again from its start", async (t) => {
  let free = 1e12;
  const { checkpoints, db, write } = arranged(t, { pages: 4_000, free: () => free });
  write(1_000);
  const before = checkpoints.committed(16);
  db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  free = 0;
  write(10);

  assert.deepEqual([before, checkpoints.committed(16)], [false, true]);
  await checkpoints.settled();
});

test("restart() has the WAL used again, unless the file would have to grow by more than it may", (t) => {
  const { checkpoints, db, write, left } = arranged(t);
  write(60);

  checkpoints.restart(50 * 4096);
  assert.ok(left() >= 60);
  checkpoints.restart(70 * 4096);

  assert.equal(left(), 0);
  db.close();
  checkpoints.restart(70 * 4096); // nor does it throw where the disk has gone
});

test("close() waits for the thread", async (t) => {
  const { checkpoints, write, left, step } = stepped(t);
  write(60);
  checkpoints.committed(16);

  const closing = checkpoints.close();
  assert.ok(left() >= 60);
  void step();
  await closing;

  assert.equal(left(), 0);
});

test("a thread that has died answers at once, and nobody waits for it", async (t) => {
  await serverLog(t, "log");
  const start = (path: string) => startThread(path, 'throw new Error("no thread");');
  const { checkpoints, write, left } = arranged(t, { start });

  for (const _ of [1, 2]) {
    write(60);
    checkpoints.committed(16);
    await checkpoints.settled();
    assert.equal(left(), 0);
  }
});

test("a thread that dies does not take the process with it", () => {
  const script = new URL("../support/dead_thread_child.ts", import.meta.url).pathname;
  const [command, ...args] = [...RUN, script];

  const { status, stdout } = spawnSync(command, args, { encoding: "utf8" });

  assert.deepEqual([status, stdout], [0, "it goes on\n"]);
});

test("what the thread says of a file that it cannot open is told", async (t) => {
  const lines = await serverLog(t, "log");
  const { checkpoints, write, left } = arranged(t, { path: "/dev/null/x.db" });
  write(60);

  checkpoints.committed(16);
  await checkpoints.settled();

  assert.match(lines.join(), /^error: Cannot move .*: .*unable to open database file/);
  assert.equal(left(), 0);
});

test("a database that says nothing any more neither fails a commit nor a checkpoint", async (t) => {
  const { checkpoints, db, write, step } = stepped(t);
  write(60);
  checkpoints.committed(16);

  db.close();
  checkpoints.committed(16);
  void step();

  await checkpoints.settled();
});

test("SqliteLog moves its WAL into its file while it is open, and is one file when closed", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const file = join(path, "log.db");
  const log = new SqliteLog({ path: file, durability: "normal", clock: stillClock() });
  const { job } = await log.create(newJob());
  const long = line("x".repeat(10_000));

  // At 64 MiB at the latest a commit waits until the file has them.
  let written = 0;
  while (statSync(file).size < 8 << 20 && written < 300 << 20) {
    await Promise.all(
      Array.from({ length: 100 }, () => log.append(job, () => ({ facts: [long] }))),
    );
    written += 1_000_000;
  }

  assert.ok(statSync(file).size >= 8 << 20);
  const { job: last } = await log.append(job, () => ({ facts: [long] }));
  assert.equal(last.seq, written / 10_000 + 1);
  await log.close();
  assert.equal(existsSync(`${file}-wal`), false);
});
