import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { DataDirectory } from "../../src/log/data_directory.ts";
import { Reserve, RESERVE_BYTES, reserveOf, reservesOfStart } from "../../src/log/reserve.ts";
import { lacksRoom } from "../../src/log/sqlite_faults.ts";
import { tempDirectory } from "../support/temp.ts";

test("a data directory is held without a byte on its disk", (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);

  const directory = new DataDirectory(path);
  const held = readdirSync(path).map((name) => [name, statSync(join(path, name)).size]);
  directory.release();

  assert.deepEqual(held, [["lock.db", 0]]);
});

for (const free of [RESERVE_BYTES - 1, RESERVE_BYTES]) {
  test(`a server that starts with ${free} bytes left on its disk ${free < RESERVE_BYTES ? "takes" : "leaves"} the reserve`, (t) => {
    const { path, remove } = tempDirectory();
    t.after(remove);
    const log = join(path, "log.db");
    new Reserve(log).hold();

    new Reserve(log, () => free).makeRoom();

    assert.equal(existsSync(`${log}.reserve`), free >= RESERVE_BYTES);
  });
}

test("a reserve that was left unfinished is taken in full", (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const log = join(path, "log.db");
  writeFileSync(`${log}.reserve`, "a part of it");

  const held = new Reserve(log).hold();

  assert.deepEqual([held, statSync(`${log}.reserve`).size], [true, RESERVE_BYTES]);
});

test("a reserve is let go of once, and can be taken again", (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const reserve = new Reserve(join(path, "log.db"));
  reserve.hold();

  const released = [reserve.release(), reserve.release()];
  reserve.hold();

  assert.deepEqual([released, reserve.release()], [[true, false], true]);
});

test("the reserve of a log that is a link lies on the log's own disk, and one for the start beside the link", (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  mkdirSync(join(path, "big"));
  writeFileSync(join(path, "big", "log.db"), "");
  symlinkSync(join("big", "log.db"), join(path, "log.db"));

  const listed = () => [path, join(path, "big")].map((each) => readdirSync(each).sort());

  reserveOf(join(path, "log.db")).hold();
  const ofLog = listed();
  const ofStart = reservesOfStart(join(path, "log.db"));
  for (const reserve of ofStart) reserve.hold();

  assert.deepEqual(ofLog, [["big", "log.db"], ["log.db", "log.db.reserve"]]);
  assert.deepEqual(listed(), [["big", "log.db", "log.db.reserve"], ofLog[1]]);
  assert.deepEqual(ofStart.map((reserve) => reserve.release()), [true, true]);
});

test("a reserve that can be neither taken nor removed is none, and ends no server", (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const log = join(path, "log.db");
  mkdirSync(`${log}.reserve`); // cannot be removed, as a file where nothing may be written any more
  const reserve = new Reserve(log, () => 0);

  reserve.makeRoom();

  assert.deepEqual([reserve.hold(), reserve.release()], [false, false]);
});

test("the disk of a file that is a link is the one that may be full", (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  symlinkSync(join("big", "log.db"), join(path, "log.db"));
  const asked: string[] = [];

  lacksRoom(new Error("disk I/O error"), join(path, "log.db"), (of) => asked.push(of));

  assert.deepEqual(asked, [join(path, "big")]);
});

test("a disk that fails is told from one that is full by the room on it", () => {
  const none = () => 0;
  const much = () => 1e9;
  const fails = new Error("disk I/O error");
  const full = new Error("database or disk is full");
  const system = Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });

  assert.equal(lacksRoom(fails, "/data/log.db", none), true);
  assert.equal(lacksRoom(fails, "/data/log.db", much), false);
  assert.equal(lacksRoom(full, "/data/log.db", much), true);
  assert.equal(lacksRoom(system, "/data/log.db", much), true);
  assert.equal(lacksRoom(new Error("database is locked"), "/data/log.db", none), false);
});
