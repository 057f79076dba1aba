import assert from "node:assert/strict";
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { Dispatcher } from "../../src/jobs/dispatcher.ts";
import { BackupError } from "../../src/log/log_errors.ts";
import { StoreForeignError } from "../../src/log/migrate.ts";
import { removeRestoring } from "../../src/log/migration_copy.ts";
import { restoreLog } from "../../src/log/restore.ts";
import { SqliteLog } from "../../src/log/sqlite_log.ts";
import { bench } from "../support/backup_bench.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { faultDisk } from "../support/fault_disk.ts";
import { line, newJob, progress, stillClock, TENANT } from "../support/log_contract.ts";
import { OWN, startProgram } from "../support/program.ts";
import { schemaOneLog } from "../support/schema_one.ts";

test("restoreLog() refuses a damaged backup, and leaves the log and nothing else", async (t) => {
  const { directory, file, backup } = await bench(t);
  copyFileSync(file, backup);
  const half = Math.floor(statSync(backup).size / 2 / 4_096) * 4_096;
  const handle = openSync(backup, "r+");
  writeSync(handle, new Uint8Array(4_096).fill(0xff), 0, 4_096, half);
  closeSync(handle);
  const before = [readdirSync(directory.path), readFileSync(file)];

  assert.throws(
    () => restoreLog(directory, backup),
    (error) => error instanceof BackupError && /it is damaged/.test(error.message),
  );

  assert.deepEqual([readdirSync(directory.path), readFileSync(file)], before);
});

test("restoreLog() puts all aside that a killed server has left, what is in its WAL too", async (t) => {
  const { directory, file, backup } = await bench(t);
  const options = { durability: "normal", clock: stillClock() } as const;
  copyFileSync(file, backup);
  const killed = new SqliteLog({ ...options, path: file });
  const { job } = await killed.create(newJob());
  const left = ["", "-wal"].map((suffix) => [suffix, readFileSync(file + suffix)] as const);
  await killed.close();
  for (const [suffix, bytes] of left) writeFileSync(file + suffix, bytes);

  const { replaced } = restoreLog(directory, backup);

  const [old, restored] = [`${file}.replaced`, file].map((path) =>
    new SqliteLog({ ...options, path })
  );
  assert.deepEqual([replaced, (await old.get(job))?.id], [
    `${file}.replaced`,
    job.id,
  ]);
  assert.equal(await restored.get(job), undefined);
  await Promise.all([old.close(), restored.close()]);
});

test("restoreLog() brings an older backup up to date, which stays, and makes no copy more", async (t) => {
  const { directory, backup } = await bench(t);
  schemaOneLog(backup);
  const older = readFileSync(backup);
  const before = readdirSync(directory.path);

  const { jobs } = restoreLog(directory, backup);

  assert.equal(jobs, 1);
  assert.deepEqual(readFileSync(backup), older);
  assert.deepEqual(readdirSync(directory.path).sort(), [...before, "log.db.replaced"].sort());
});

test("restoreLog() refuses what holds nothing, and leaves the log and nothing else", async (t) => {
  const { directory, file, backup } = await bench(t);
  const tables = `${backup}.no-tables`;
  writeFileSync(backup, "");
  const db = new DatabaseSync(tables);
  db.exec("PRAGMA journal_mode = WAL");
  db.close();
  const before = [readdirSync(directory.path), readFileSync(file)];

  for (const nothing of [backup, tables]) {
    assert.throws(
      () => restoreLog(directory, nothing),
      new StoreForeignError(
        `Cannot open the backup "${nothing}": there is nothing in it`,
      ),
    );
  }

  assert.deepEqual([readdirSync(directory.path), readFileSync(file)], before);
});

test("restoreLog() takes what a killed server has left in the WAL beside the file, which a link may name", async (t) => {
  const { directory, file, backup } = await bench(t);
  const options = { durability: "normal", clock: stillClock() } as const;
  copyFileSync(file, backup);
  const link = directory.file("latest.db");
  symlinkSync(backup, link);
  const killed = new SqliteLog({ ...options, path: backup });
  const { job } = await killed.create(newJob());
  const left = ["", "-wal"].map((suffix) => [suffix, readFileSync(backup + suffix)] as const);
  await killed.close();
  for (const [suffix, bytes] of left) writeFileSync(backup + suffix, bytes);

  for (const named of [backup, link]) {
    const { jobs } = restoreLog(directory, named);

    const restored = new SqliteLog({ ...options, path: file });
    assert.deepEqual([jobs, (await restored.get(job))?.id], [2, job.id]);
    assert.deepEqual(
      left.map(([suffix]) => readFileSync(backup + suffix)),
      left.map(([, b]) => b),
    );
    await restored.close();
  }
});

test("restore refuses a backup that finds no room to come out of its WAL, and leaves nothing of it", async (t) => {
  const { file, backup } = await bench(t);
  copyFileSync(file, backup);
  const killed = new SqliteLog({ path: backup, durability: "normal", clock: stillClock() });
  const { job } = await killed.create(newJob({ sync: null }));
  const facts = Array.from({ length: 3_000 }, () => line("x".repeat(100)));
  await killed.append(job, () => ({ facts }));
  const left = ["", "-wal"].map((suffix) => [suffix, readFileSync(backup + suffix)] as const);
  await killed.close();
  for (const [suffix, bytes] of left) writeFileSync(backup + suffix, bytes);
  const data = join(dirname(backup), "fresh");
  const kib = Math.ceil(left[0][1].length / 1_024) + 100; // the disk is full when the file has that
  const command = ["bash", "-c", `trap '' XFSZ; ulimit -f ${kib}; exec "$@"`, "bash", ...OWN];

  const { code, stdout, stderr } = await startProgram.toEnd(t, {
    command,
    args: ["restore", backup, "--data", data],
  });

  assert.deepEqual([code, stdout, readdirSync(data)], [2, "", ["lock.db"]]);
  assert.match(stderr, /^synctail: Cannot restore ".*": /m);
});

test("a restore keeps the log that was there also where a file has one name only", async (t) => {
  const disk = faultDisk(t);
  const { file, backup } = await bench(t);
  const options = { path: backup, durability: "normal", clock: stillClock() } as const;
  copyFileSync(file, backup);
  const changed = new SqliteLog(options);
  await changed.create(newJob());
  await changed.close();
  const log = join(disk.data, "log.db");
  copyFileSync(file, log);
  disk.set("links");

  const { code } = await startProgram.toEnd(t, {
    args: ["restore", backup, "--data", disk.data],
    env: disk.env,
  });

  assert.equal(code, 0);
  assert.deepEqual(readFileSync(`${log}.replaced`), readFileSync(file));
});

for (const fault of ["renames", "moves"] as const) {
  const where = fault === "moves" ? ", also where a file has one name only" : "";
  test(`a restore whose last step fails leaves the log in its place, and nothing else${where}`, async (t) => {
    const disk = faultDisk(t);
    const { file, backup } = await bench(t);
    copyFileSync(file, backup);
    copyFileSync(file, join(disk.data, "log.db"));
    const before = readdirSync(disk.data);
    disk.set(fault);

    const { code, stderr } = await startProgram.toEnd(t, {
      args: ["restore", backup, "--data", disk.data],
      env: disk.env,
    });

    assert.equal(code, 2);
    assert.match(stderr, /Cannot restore ".*": .*log\.db/);
    assert.deepEqual(readdirSync(disk.data).sort(), [...before, "lock.db"].sort());
    assert.deepEqual(readFileSync(join(disk.data, "log.db")), readFileSync(file));
  });
}

test("a restore whose last step fails leaves what a power cut has left of the log, its WAL too", async (t) => {
  const disk = faultDisk(t);
  const { file, backup } = await bench(t);
  const log = join(disk.data, "log.db");
  copyFileSync(file, backup);
  writeFileSync(log, "");
  writeFileSync(`${log}-wal`, "a part of it");
  disk.set("renames");

  const { code } = await startProgram.toEnd(t, {
    args: ["restore", backup, "--data", disk.data],
    env: disk.env,
  });

  assert.equal(code, 2);
  assert.deepEqual(readdirSync(disk.data).sort(), ["lock.db", "log.db", "log.db-wal"]);
});

test("a restore whose last step is taken and then fails keeps the log that was there", async (t) => {
  const disk = faultDisk(t);
  const { file, backup } = await bench(t);
  const log = join(disk.data, "log.db");
  copyFileSync(file, backup);
  copyFileSync(file, log);
  disk.set("taken");

  const { code } = await startProgram.toEnd(t, {
    args: ["restore", backup, "--data", disk.data],
    env: disk.env,
  });

  assert.equal(code, 2);
  assert.deepEqual(readFileSync(`${log}.replaced`), readFileSync(file));
  assert.notDeepEqual(readFileSync(log), readFileSync(file));
});

test("restoreLog() marks what a server ran, which is cancelled at the next start, and nothing else", async (t) => {
  const { directory, file, backup } = await bench(t);
  copyFileSync(file, backup);
  const opened = () => new SqliteLog({ path: backup, durability: "normal", clock: stillClock() });
  const before = opened();
  const over = newJob({ sync: null });
  const worker = newJob({ sync: null, origin: "worker", owner: null, leaseMs: 30_000 });
  for (const job of [over, worker]) await before.create(job);
  await before.append(over, () => ({ facts: [progress("completed", 1)] }));
  const { items: [, , running] } = await before.list({ tenant: TENANT, limit: 3 });
  await before.close();

  restoreLog(directory, backup);

  const clock = new FakeClock();
  const log = new SqliteLog({ path: file, durability: "normal", clock });
  const options = { log, clock, owner: "process-b", cancelGraceMs: 0, onFault: assert.ifError };
  const dispatcher = new Dispatcher(options);
  await dispatcher.open();
  const jobs = await Promise.all([running, over, worker].map((job) => log.get(job)));
  await dispatcher.stop();
  await log.close();

  assert.deepEqual(
    jobs.map((job) => [job?.status, job?.error?.code]),
    [["cancelled", "log_restored"], ["completed", undefined], ["pending", undefined]],
  );
});

test("restoreLog() puts a log aside that is damaged", async (t) => {
  const { directory, file, backup } = await bench(t);
  copyFileSync(file, backup);
  const damaged = "no log any more".repeat(1_000);
  writeFileSync(file, damaged);

  const { jobs, replaced } = restoreLog(directory, backup);

  assert.deepEqual([jobs, replaced], [1, `${file}.replaced`]);
  assert.equal(readFileSync(`${file}.replaced`, "utf8"), damaged);
});

test("restoreLog() puts a log aside of which a power cut has left nothing", async (t) => {
  const { directory, file, backup } = await bench(t);
  copyFileSync(file, backup);
  for (const suffix of ["", "-wal"]) writeFileSync(file + suffix, "");

  const { replaced } = restoreLog(directory, backup);

  assert.equal(replaced, `${file}.replaced`);
});

test("restoreLog() takes no WAL for the backup's that another log has left", async (t) => {
  const { directory, file, backup } = await bench(t);
  const options = { path: file, durability: "normal", clock: stillClock() } as const;
  copyFileSync(file, backup);
  const killed = new SqliteLog(options);
  const { job } = await killed.create(newJob());
  const wal = readFileSync(`${file}-wal`);
  await killed.close();
  rmSync(file);
  writeFileSync(`${file}-wal`, wal);

  const { replaced } = restoreLog(directory, backup);

  const restored = new SqliteLog(options);
  assert.deepEqual([replaced, await restored.get(job)], [undefined, undefined]);
  assert.deepEqual(readFileSync(`${file}.replaced-wal`), wal);
  await restored.close();
});

test("removeRestoring() removes what a restore has left where a link says that the log is", async (t) => {
  const { file } = await bench(t);
  const link = `${file}.link`;
  symlinkSync(file, link);
  for (const end of ["", "-wal"]) writeFileSync(`${file}.restoring${end}`, "a part of it");

  removeRestoring(link);

  assert.deepEqual(readdirSync(dirname(file)).filter((name) => /restoring/.test(name)), []);
});

test("restoreLog() takes nothing for the backup's that a restore which was killed has left", async (t) => {
  const { directory, file, backup } = await bench(t);
  const options = { path: file, durability: "normal", clock: stillClock() } as const;
  copyFileSync(file, backup);
  const other = new SqliteLog(options);
  const { job } = await other.create(newJob());
  copyFileSync(`${file}-wal`, `${file}.restoring-wal`);
  await other.close();

  restoreLog(directory, backup);

  const restored = new SqliteLog(options);
  assert.equal(await restored.get(job), undefined);
  await restored.close();
  assert.deepEqual(readdirSync(dirname(file)).filter((name) => /restoring/.test(name)), []);
});

test("restoreLog() refuses a log that another process reads, whose WAL would be taken for the new one's", async (t) => {
  const { directory, file, backup } = await bench(t);
  copyFileSync(file, backup);
  const reader = new DatabaseSync(file);
  t.after(() => reader.close());
  reader.prepare("SELECT count(*) FROM jobs").get();
  const before = readdirSync(directory.path);

  assert.throws(
    () => restoreLog(directory, backup),
    new BackupError(`Cannot restore "${backup}": another process is reading "${file}"`),
  );

  assert.deepEqual(readdirSync(directory.path), before);
});

test("restoreLog() keeps every log that it has put aside", async (t) => {
  const { directory, file, backup } = await bench(t);
  copyFileSync(file, backup);
  const first = readFileSync(file);

  const replaced = [1, 2, 3].map(() => restoreLog(directory, backup).replaced);

  const names = ["replaced", "replaced.2", "replaced.3"].map((name) => `${file}.${name}`);
  assert.deepEqual(replaced, names);
  assert.deepEqual(readFileSync(names[0]), first);
});

test("restoreLog() leaves the log where a link says that it is", async (t) => {
  const { directory, file, backup } = await bench(t);
  copyFileSync(file, backup);
  const elsewhere = join(dirname(backup), "elsewhere");
  mkdirSync(elsewhere);
  renameSync(file, join(elsewhere, "big.db"));
  symlinkSync(join(elsewhere, "big.db"), file);

  const { replaced } = restoreLog(directory, backup);

  assert.equal(replaced, join(elsewhere, "big.db.replaced"));
  assert.deepEqual(readdirSync(elsewhere).sort(), [
    "big.db",
    "big.db.replaced",
  ]);
  assert.equal(readlinkSync(file), join(elsewhere, "big.db"));
});

test("restoreLog() puts the first log where a link says that it will be", async (t) => {
  const { directory, file, backup } = await bench(t);
  renameSync(file, backup);
  const elsewhere = join(dirname(backup), "elsewhere");
  mkdirSync(elsewhere);
  symlinkSync(join("..", "elsewhere", "big.db"), file);

  const { jobs, replaced } = restoreLog(directory, backup);

  assert.deepEqual([jobs, replaced, readdirSync(elsewhere)], [1, undefined, ["big.db"]]);
  assert.equal(readlinkSync(file), join("..", "elsewhere", "big.db"));
});
