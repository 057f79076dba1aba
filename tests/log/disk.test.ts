import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { freeBytes } from "../../src/log/disk.ts";
import { StorageFaultError } from "../../src/log/log_errors.ts";
import { SqliteLog } from "../../src/log/sqlite_log.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { newJob } from "../support/log_contract.ts";
import { tempDirectory } from "../support/temp.ts";

/** A log in a directory that can be moved away and put back. */
function bench(t: { after(run: () => void | Promise<void>): void }) {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const [data, away] = [join(path, "data"), join(path, "away")];
  const open = () => {
    mkdirSync(data, { recursive: true });
    const log = new SqliteLog({ path: join(data, "log.db"), durability: "normal", clock });
    t.after(() => log.close());
    return log;
  };
  const clock = new FakeClock();
  const log = open();
  /** The outcome of a write a second later. */
  const write = async () => {
    clock.advance(1_000);
    try {
      return (await log.create(newJob())).outcome;
    } catch (cause) {
      return cause;
    }
  };
  return { data, away, open, write };
}

function refused(outcome: unknown): void {
  assert.ok(outcome instanceof StorageFaultError);
  assert.match(outcome.message, /log\.db" is not there any more: it was moved or removed/);
}

test("nothing is written to a log whose directory was moved away, until it is put back", async (t) => {
  const { data, away, write } = bench(t);

  const before = await write();
  renameSync(data, away);
  const meanwhile = await write();
  renameSync(away, data);
  const after = await write();

  refused(meanwhile);
  assert.deepEqual([before, after], ["created", "created"]);
});

test("a log whose directory was removed stays refused, also where another has taken its place", async (t) => {
  const { data, open, write } = bench(t);

  rmSync(data, { recursive: true });
  const removed = await write();
  open();
  const replaced = await write();

  refused(removed);
  refused(replaced);
});

test("a log that has another number, as some disks give it, was not removed", async (t) => {
  const { data, write } = bench(t);
  const file = join(data, "log.db");

  copyFileSync(file, `${file}.copy`);
  renameSync(`${file}.copy`, file);

  assert.equal(await write(), "created");
});

test("freeBytes() counts what is free in bytes, and does not limit where nobody can tell", (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);

  const free = freeBytes(path);

  assert.ok(free > 1024 * 1024 && free < Infinity, `${free} bytes`);
  assert.equal(freeBytes(join(path, "none")), Infinity);
  assert.equal(freeBytes("/proc"), Infinity, "a file system of no size, as ramfs is one");
});
