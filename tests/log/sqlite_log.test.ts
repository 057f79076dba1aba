import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { SqliteLog } from "../../src/log/sqlite_log.ts";
import { line, logContract, newJob, progress, stillClock } from "../support/log_contract.ts";
import { tempDirectory } from "../support/temp.ts";

logContract("SqliteLog", (clock) => {
  const { path, remove } = tempDirectory();
  const log = new SqliteLog({ path: join(path, "log.db"), durability: "normal", clock });
  return {
    log,
    async close() {
      await log.close();
      remove();
    },
  };
});

function opened(t: { after(run: () => void): void }) {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const options = { path: join(path, "log.db"), durability: "full", clock: stillClock() } as const;
  return { file: options.path, log: new SqliteLog(options), again: () => new SqliteLog(options) };
}

test("SqliteLog holds after a reopening what was acknowledged before", async (t) => {
  const { log, again } = opened(t);
  const { job } = await log.create(newJob());
  await log.append(job, () => ({ facts: [progress("in_progress", 3), line("x")] }));
  const before = await log.get(job);
  await log.close();

  const reopened = again();

  assert.deepEqual(await reopened.get(job), before);
  const { entries } = await reopened.read(job, { after: 0, limit: 9, logs: "debug" });
  assert.deepEqual(entries.map(({ seq }) => seq), [1, 2]);
  await reopened.close();
});

test("SqliteLog resolves an append only when another connection can read it", async (t) => {
  const { log, file } = opened(t);
  const { job } = await log.create(newJob());
  const reader = new DatabaseSync(file);
  const count = () => Number(reader.prepare("SELECT count(*) AS n FROM entries").get()?.n);

  const appended = log.append(job, () => ({ facts: [line("x")] }));
  const early = count();
  await appended;

  assert.deepEqual([early, count()], [0, 1]);
  reader.close();
  await log.close();
});

test("SqliteLog gathers the appends of one turn into one commit", async (t) => {
  const { log, file } = opened(t);
  const { job } = await log.create(newJob());
  const reader = new DatabaseSync(file);
  const version = () => Number(reader.prepare("PRAGMA data_version").get()?.data_version);
  const before = version();

  await Promise.all(
    Array.from({ length: 100 }, () => log.append(job, () => ({ facts: [line("x")] }))),
  );

  // data_version goes up by one for each look that finds commits of others.
  assert.equal((await log.get(job))?.seq, 100);
  assert.notEqual(version(), before);
  const wal = reader.prepare("PRAGMA wal_checkpoint").get();
  assert.ok(Number(wal?.log) < 50, `100 commits would have left more than ${wal?.log} pages`);
  reader.close();
  await log.close();
});

test("SqliteLog fails every append of a commit that the database refuses, and goes on", async (t) => {
  const { log, file } = opened(t);
  const { job } = await log.create(newJob());
  const other = new DatabaseSync(file);
  other.exec(
    "CREATE TRIGGER refuse BEFORE INSERT ON entries WHEN new.seq = 2 BEGIN SELECT raise(ABORT, 'no room'); END",
  );

  const results = await Promise.allSettled([
    log.append(job, () => ({ facts: [line("first")] })),
    log.append(job, () => ({ facts: [line("second")] })),
  ]);
  const state = await log.get(job);
  other.exec("DROP TRIGGER refuse");
  const after = await log.append(job, () => ({ facts: [line("third")] }));

  assert.deepEqual(results.map(({ status }) => status), ["rejected", "rejected"]);
  assert.equal(state?.seq, 0);
  assert.deepEqual([after.firstSeq, after.lastSeq], [1, 1]);
  other.close();
  await log.close();
});

test("SqliteLog stops a read behind about a mebibyte and says that there is more", async (t) => {
  const { log } = opened(t);
  const { job } = await log.create(newJob());
  const long = "x".repeat(400_000);
  await log.append(job, () => ({ facts: Array.from({ length: 5 }, () => line(long)) }));

  const page = await log.read(job, { after: 0, limit: 100, logs: "debug" });

  assert.deepEqual([page.entries.length, page.through, page.more], [3, 3, true]);
  await log.close();
});

test("SqliteLog refuses writes after close() and loses none before it", async (t) => {
  const { log, again } = opened(t);
  const { job } = await log.create(newJob());

  const last = log.append(job, () => ({ facts: [line("last")] }));
  await log.close();

  assert.equal((await last).lastSeq, 1);
  await assert.rejects(log.append(job, () => ({ facts: [] })), /it is closed/);
  const reopened = again();
  assert.equal((await reopened.get(job))?.seq, 1);
  await reopened.close();
});
