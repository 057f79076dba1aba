import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import type { EventLog, TrimLimits } from "../../src/log/event_log.ts";
import { DamagedJobError, StorageFullError } from "../../src/log/log_errors.ts";
import { SqliteLog } from "../../src/log/sqlite_log.ts";
import { MIGRATIONS } from "../../src/log/sqlite_schema.ts";
import { type Fact, LOG_LEVELS, type LogFact } from "../../src/sync/entry.ts";
import { deriveSyncId } from "../../src/sync/ids.ts";
import type { NewJob } from "../../src/sync/job.ts";
import { logWords } from "../../src/sync/log_text.ts";
import { newProducer } from "../../src/sync/producer.ts";
import { NO_PROGRESS, type Progress } from "../../src/sync/progress.ts";
import { collectGarbage } from "../support/collect_garbage.ts";
import {
  allLapsed,
  line,
  logContract,
  newJob,
  progress,
  stillClock,
  TENANT,
} from "../support/log_contract.ts";
import { MemoryLog } from "../support/memory_log.ts";
import { schemaOneLog } from "../support/schema_one.ts";
import { rounds, seeded } from "../support/seed.ts";
import { serverLog } from "../support/server_log.ts";
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

// What was just written is read from memory; this is how the file is read.
logContract("SqliteLog that is opened again for each read", (clock) => {
  const { path, remove } = tempDirectory();
  const open = () => new SqliteLog({ path: join(path, "log.db"), durability: "normal", clock });
  let log = open();
  const reopening = new Proxy(log, {
    get: (_, name: keyof EventLog) => async (...given: unknown[]) => {
      if (name === "read") {
        await log.close();
        log = open();
      }
      return Reflect.apply(log[name], log, given);
    },
  });
  return {
    log: reopening,
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
  return {
    file: options.path,
    log: new SqliteLog(options),
    again: (path: string = options.path) => new SqliteLog({ ...options, path }),
  };
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

test("SqliteLog leaves out a job whose row is damaged, says so once, and finds the others", async (t) => {
  const lines = await serverLog(t, "log");
  const { log, file, again } = opened(t);
  const [bad, good, other] = [
    await log.create(newJob({ leaseUntilMs: 1 })),
    await log.create(newJob({ leaseUntilMs: 1 })),
    await log.create(newJob()),
  ].map(({ job }) => job.id);
  await log.close();
  const vandal = new DatabaseSync(file);
  vandal.prepare("UPDATE jobs SET state = '{\"progress\": ' WHERE id = ?").run(bad);
  vandal.close();
  const reopened = again();
  const ids = (jobs: readonly { readonly id: string }[]) => jobs.map(({ id }) => id);

  const page = await reopened.list({ tenant: TENANT, limit: 1 });
  const rest = await reopened.list({ tenant: TENANT, limit: 2, cursor: page.nextCursor ?? "" });

  assert.deepEqual(await allLapsed(reopened, 2), [good]);
  assert.deepEqual(await allLapsed(reopened, 2), [good]);
  assert.deepEqual(ids(await reopened.ownedByOthers("process-b")), [good, other]);
  assert.deepEqual(ids((await reopened.recent({ endedSinceMs: 0 })).items), [good, other]);
  assert.deepEqual(ids(await reopened.prunable({ entriesAbove: -1 })), [good, other]);
  assert.deepEqual([ids(page.items), ids(rest.items), rest.nextCursor], [[other], [good], null]);
  assert.equal(lines.length, 1);
  const start = `error: job ${bad} of tenant default is left out: its row in the log is damaged (`;
  assert.ok(lines[0].startsWith(start), lines[0]);
  await assert.rejects(reopened.get({ tenant: TENANT, id: bad }), DamagedJobError);
  assert.equal(await reopened.remove({ tenant: TENANT, id: bad }), true);
  assert.equal(await reopened.get({ tenant: TENANT, id: bad }), undefined);
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

test("SqliteLog knows nothing of a job whose commit the database refuses", async (t) => {
  const { log, file } = opened(t);
  t.after(() => log.close());
  const { job } = await log.create(newJob());
  const other = new DatabaseSync(file);
  t.after(() => other.close());
  other.exec(
    "CREATE TRIGGER refuse BEFORE INSERT ON entries BEGIN SELECT raise(ABORT, 'no room'); END",
  );
  const asked = newJob();

  const results = await Promise.allSettled([
    log.create(asked),
    log.append(job, () => ({ facts: [line("refused")] })),
  ]);
  const known = await log.get(asked);
  other.exec("DROP TRIGGER refuse");
  const { outcome } = await log.create(asked);
  const { lastSeq } = await log.append(asked, () => ({ facts: [line("x")] }));

  assert.deepEqual(results.map(({ status }) => status), ["rejected", "rejected"]);
  assert.deepEqual([known, outcome, lastSeq], [undefined, "created", 1]);
});

test("SqliteLog stops a read behind about 256 KiB and says that there is more", async (t) => {
  const { log } = opened(t);
  const { job } = await log.create(newJob());
  const long = "x".repeat(100_000);
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

test("SqliteLog brings a file of schema 1 up to today's, with a copy of it", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const file = join(path, "log.db");
  const { tenant, id } = schemaOneLog(file);

  const log = new SqliteLog({ path: file, durability: "normal", clock: stillClock() });
  const job = await log.get({ tenant, id });
  const { job: today } = await log.create(newJob());
  const { lastSeq } = await log.append({ tenant, id }, () => ({ facts: [line("y")] }));
  await log.close();

  const membersOf = (job: object = {}) => Object.keys(job).sort();
  assert.deepEqual(membersOf(job), membersOf(today));
  const { seq, held, trimmed, heardAtMs, lateEnd, leaseMs } = job ?? {};
  assert.deepEqual(
    [seq, held, trimmed, heardAtMs, lateEnd, leaseMs],
    [2, 2, [0, 0, 0, 0], 900, null, null],
  );
  assert.equal(lastSeq, 3);
  assert.ok(existsSync(`${file}.v1.bak`));
});

test("SqliteLog knows when the jobs of a file of schema 3 ended", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const file = join(path, "log.db");
  const { id } = schemaOneLog(file);
  const db = new DatabaseSync(file);
  for (const step of MIGRATIONS.slice(1, 3)) db.exec(step);
  db.exec(
    `UPDATE jobs SET status = 'completed', state = json_set(state, '$.endedAtMs', 1000);
     PRAGMA user_version = 3`,
  );
  db.close();

  const migrated = new SqliteLog({ path: file, durability: "normal", clock: stillClock() });
  const over = await migrated.prunable({ endedBeforeMs: Infinity });
  const early = await migrated.prunable({ endedBeforeMs: 1_000 });
  await migrated.close();

  assert.deepEqual([over.map((job) => job.id), early], [[id], []]);
});

test("SqliteLog brings progress over from schema 4 as it was", async (t) => {
  const all: Progress = {
    inserted: 1,
    updated: 2,
    deleted: 3,
    kept: 4,
    skipped: 5,
    encountered: { 'a "b"\\ \n é': 15, "": 0 },
    total: 1e21,
    percent: 12.5,
    bytesDone: 0.1,
    phase: 'x "y" \u0000 \ud800',
    current: "",
    paced: true,
  };
  const error = { code: "c", message: 'why "so"' };
  const told = [
    { status: "in_progress", progress: all },
    { status: "in_progress", progress: NO_PROGRESS },
    { status: "failed", progress: all, error },
  ] as const;
  for (const each of told) {
    const { path, remove } = tempDirectory();
    t.after(remove);
    const file = join(path, "log.db");
    const key = schemaOneLog(file, [], each);

    const log = new SqliteLog({ path: file, durability: "normal", clock: stillClock() });
    const { entries } = await log.read(key, { after: 0, limit: 9 });
    await log.close();

    const placed = { kind: "progress", seq: 1, atMs: 900, changesStatus: true };
    assert.deepEqual(entries, [{ ...each, ...placed }]);
  }
});

test("SqliteLog opens an older file in which an entry is damaged, and reads all others", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const file = join(path, "log.db");
  const key = schemaOneLog(file);
  const vandal = new DatabaseSync(file);
  vandal.exec(
    "UPDATE entries SET body = replace(body, ':', ';') WHERE seq = 1",
  );
  vandal.close();

  const log = new SqliteLog({
    path: file,
    durability: "normal",
    clock: stillClock(),
  });
  t.after(() => log.close());
  const { entries } = await log.read(key, {
    after: 1,
    limit: 9,
    logs: "debug",
  });

  assert.deepEqual(entries.map(({ seq }) => seq), [2]);
  await assert.rejects(log.read(key, { after: 0, limit: 9 }), SyntaxError);
  assert.equal(await log.remove(key), true);
});

for (const column of ["state", "fixed"]) {
  test(`SqliteLog opens an older file in which ${column} of a job is damaged, and reads all other jobs`, async (t) => {
    const { path, remove } = tempDirectory();
    t.after(remove);
    const file = join(path, "log.db");
    const bad = schemaOneLog(file);
    const good = newJob().id;
    const vandal = new DatabaseSync(file);
    vandal.exec(
      `INSERT INTO jobs SELECT 2, tenant, '${good}', epoch, sync_id, fixed, 'completed', seq,
         progress_seq, trimmed_seq, NULL, NULL, json_set(state, '$.endedAtMs', 1000) FROM jobs;
       UPDATE jobs SET ${column} = replace(${column}, ':', ';') WHERE pk = 1`,
    );
    vandal.close();

    const log = new SqliteLog({ path: file, durability: "normal", clock: stillClock() });
    t.after(() => log.close());
    const over = await log.prunable({ endedBeforeMs: Infinity });

    assert.deepEqual(over.map(({ id }) => id), [good]);
    assert.deepEqual((await log.get({ ...bad, id: good }))?.trimmed, [0, 0, 0, 0]);
    await assert.rejects(log.get(bad), DamagedJobError);
    assert.equal(await log.remove(bad), true);
  });
}

test("SqliteLog opens an older file in which log lines are damaged, and says so in their place", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const file = join(path, "log.db");
  const key = schemaOneLog(file, ["cut", "named", "well"].map((message) => ({ message })));
  const vandal = new DatabaseSync(file);
  vandal.exec(
    `UPDATE entries SET body = '{"message":' WHERE seq = 2;
     UPDATE entries SET body = '{"massage":"x"}' WHERE seq = 3`,
  );
  vandal.close();

  const log = new SqliteLog({ path: file, durability: "normal", clock: stillClock() });
  t.after(() => log.close());
  const { entries } = await log.read(key, { after: 1, limit: 9, logs: "debug" });

  const time = '"time": "1970-01-01T00:00:00.900Z"';
  const damaged = `"message": "(this line is damaged in the log)", ${time}`;
  const texts = entries.map((entry) => entry.kind === "log" && entry.text);
  assert.deepEqual(texts, [damaged, damaged, `"message": "well", ${time}`]);
});

test("SqliteLog remove() leaves nothing of a job of an older file either", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const file = join(path, "log.db");
  const key = schemaOneLog(file, []);
  const db = new DatabaseSync(file);
  db.exec("PRAGMA secure_delete = ON; PRAGMA foreign_keys = OFF");
  const insert = db.prepare("INSERT INTO entries VALUES (?, ?, 900, 0, ?)");
  const told = (current: string) =>
    JSON.stringify({ status: "in_progress", progress: { ...NO_PROGRESS, current } });
  for (let seq = 2; seq < 200; seq++) {
    insert.run(1, seq, told("a secret"));
    insert.run(2, seq, told("of another job"));
  }
  db.close();

  const log = new SqliteLog({
    path: file,
    durability: "normal",
    clock: stillClock(),
  });
  t.after(() => log.close());
  await log.remove(key);

  const held = ["", "-wal"].map((suffix) => readFileSync(file + suffix).includes("a secret"));
  assert.deepEqual(held, [false, false]);
});

test("SqliteLog brings log lines over from schema 2 as they were", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const file = join(path, "log.db");
  const odd = 'a "b"\\ \n\u0000 é';
  const said: Omit<LogFact, "kind" | "level">[] = [
    { message: odd, source: odd, fields: { [odd]: [odd, { n: null, deep: { x: 1e21 } }], e: {} } },
    { message: "", source: "", fields: {} },
    ...[0, 1, 999, 1_764_000_000_123, 1_764_000_000_999, 253_402_300_799_999, -1].map((timeMs) => ({
      message: "m",
      timeMs,
    })),
    { message: "later than SQLite knows", timeMs: 253_402_300_800_000 },
    ...Array.from({ length: 1_000 }, (_, n) => ({ message: "m", timeMs: 1_764_000_000_000 + n })),
  ];
  const key = schemaOneLog(file, said);

  const log = new SqliteLog({ path: file, durability: "normal", clock: stillClock() });
  const { entries } = await log.read(key, { after: 1, limit: 10_000, logs: "debug" });
  await log.close();

  const words = entries.map((entry) => entry.kind === "log" && logWords(entry));
  assert.deepEqual(
    words,
    said.map(({ timeMs = 900, ...rest }) => ({
      ...rest,
      time: new Date(timeMs > 253_402_300_799_999 ? 900 : timeMs).toISOString(), // of its append
    })),
  );
});

test("SqliteLog says that there is no room, loses nothing that it had, and goes on when there is", async (t) => {
  const { file, log } = opened(t);
  const { job } = await log.create(newJob());
  await log.append(job, () => ({ facts: [line("kept")] }));
  await log.close();
  const clock = stillClock();
  const quota = new SqliteLog({ path: file, durability: "normal", clock, pagesMax: 40 });
  const long = "x".repeat(50_000);

  let appended = 0;
  const full = await (async () => {
    for (;; appended++) await quota.append(job, () => ({ facts: [line(long)] }));
  })().catch((cause) => cause);
  const after = await quota.get(job);
  const refused = await quota.append(job, () => ({ facts: [line("short")] })).catch((cause) =>
    cause
  );
  const ended = await quota.append(job, () => ({ facts: [progress("failed", 1)] }), {
    urgent: true,
  });
  await quota.remove(job);
  clock.nowMs += 1_000;
  const other = await quota.create(newJob());
  await quota.append(other.job, () => ({ facts: [line(long)] }));
  await quota.close();

  assert.ok(full instanceof StorageFullError, String(full));
  assert.ok(appended > 0);
  assert.equal(after?.seq, 1 + appended);
  assert.ok(refused instanceof StorageFullError, "what is kept for ends is for nobody else");
  assert.equal(ended.job.status, "failed");
  assert.equal(existsSync(`${file}.reserve`), true);
});

test("SqliteLog that finds no room for its reserve writes ends alone until there is some", async (t) => {
  const { file, log } = opened(t);
  const { job } = await log.create(newJob());
  await log.close();
  rmSync(`${file}.reserve`);
  symlinkSync("nowhere/at/all", `${file}.reserve`); // it cannot be written
  const clock = stillClock();
  const full = new SqliteLog({ path: file, durability: "normal", clock });
  t.after(() => full.close());

  const refused = await full.append(job, () => ({ facts: [line("x")] })).catch((cause) => cause);
  const ended = await full.append(job, () => ({ facts: [progress("failed", 1)] }), {
    urgent: true,
  });
  clock.nowMs += 1_000;
  const { outcome } = await full.create(newJob());

  assert.ok(refused instanceof StorageFullError, String(refused));
  assert.equal(ended.job.status, "failed");
  assert.equal(outcome, "created");
});

test("SqliteLog takes away on a full disk too: entries, jobs and the names of syncs", async (t) => {
  const { file, log } = opened(t);
  const worker = { origin: "worker", sync: { id: deriveSyncId(TENANT, "gone"), name: "gone" } };
  const { job } = await log.create(newJob(worker as Partial<NewJob>));
  await log.append(job, () => ({ facts: [line("a"), line("b"), line("c")] }));
  await log.close();
  rmSync(`${file}.reserve`);
  symlinkSync("nowhere/at/all", `${file}.reserve`);
  const full = new SqliteLog({ path: file, durability: "normal", clock: stillClock() });
  t.after(() => full.close());

  const more = await full.trim(job, { entriesMax: 1 });
  const held = (await full.get(job))?.held;
  await full.remove(job);
  await full.forgetSyncs(TENANT);

  assert.deepEqual([more, held, await full.registeredSyncs(TENANT)], [false, 1, []]);
});

/** The column as another connection reads it. */
function storedLease(file: string): unknown {
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    return db.prepare("SELECT lease_until_ms AS ms FROM jobs").get()?.ms;
  } finally {
    db.close();
  }
}

test("SqliteLog writes a renewed lease once it has moved by an eighth, and knows it before", async (t) => {
  const { file, log } = opened(t);
  t.after(() => log.close());
  const { job } = await log.create(newJob({ owner: null, leaseMs: 8_000, leaseUntilMs: 10_000 }));
  const renew = (leaseUntilMs: number) =>
    log.append(job, () => ({ facts: [line("x")], leaseUntilMs }));
  const stored = [storedLease(file)];

  for (const ms of [10_900, 11_000, 11_001, 11_900, 11_500, 5_000]) {
    await renew(ms);
    stored.push(storedLease(file));
  }
  await renew(5_900);

  assert.deepEqual(stored, [10_000, 10_000, 10_000, 11_001, 11_001, 11_001, 5_000]);
  assert.deepEqual((await log.lapsed(5_900)).items, []);
  assert.deepEqual((await log.lapsed(5_901)).items.map(({ id }) => id), [job.id]);
  assert.equal((await log.get(job))?.leaseUntilMs, 5_900);
});

test("SqliteLog finds a lapsed job behind many whose leases are written as if they had lapsed", async (t) => {
  const { log } = opened(t);
  t.after(() => log.close());
  const jobs = await Promise.all(
    Array.from(
      { length: 250 },
      async () =>
        (await log.create(newJob({ owner: null, leaseMs: 8_000, leaseUntilMs: 10_000 }))).job,
    ),
  );
  await Promise.all(
    jobs.slice(0, -1).map((job) => log.append(job, () => ({ facts: [], leaseUntilMs: 10_500 }))),
  );

  assert.deepEqual(await allLapsed(log, 10_200), [jobs[249].id]);
});

test("SqliteLog that is closed, or has many jobs, writes leases before it forgets them", async (t) => {
  const { log, again } = opened(t);
  const create = async () =>
    (await log.create(newJob({ owner: null, leaseMs: 8_000, leaseUntilMs: 10_000 }))).job;
  const first = await create();
  await log.append(first, () => ({ facts: [], leaseUntilMs: 10_500 }));
  for (let n = 0; n < 10; n++) await Promise.all(Array.from({ length: 1_001 }, create));
  const forgotten = await log.get(first);
  await log.append(first, () => ({ facts: [], leaseUntilMs: 10_700 }));
  await log.close();
  const reopened = again();
  t.after(() => reopened.close());

  assert.equal(forgotten?.leaseUntilMs, 10_500);
  assert.equal((await reopened.get(first))?.leaseUntilMs, 10_700);
});

test("SqliteLog collect() finishes a removal that was broken off, also in the WAL", async (t) => {
  const { log, file, again } = opened(t);
  const { job } = await log.create(newJob());
  await log.append(job, () => ({ facts: [line("a secret")] }));
  await log.close();
  const killed = new DatabaseSync(file);
  killed.exec(
    "PRAGMA foreign_keys = OFF; INSERT INTO removed (job) SELECT pk FROM jobs; DELETE FROM jobs",
  );
  killed.close();

  const next = again();
  await next.collect();
  const held = ["", "-wal"].map((suffix) => readFileSync(file + suffix).includes("a secret"));
  await next.close();

  assert.deepEqual(held, [false, false]);
});

test("SqliteLog remove() that close() interrupts is done, and finished by the next collect()", async (t) => {
  const { log, file, again } = opened(t);
  const { job } = await log.create(newJob());
  await log.append(job, () => ({ facts: [line("a secret")] }));

  const removed = log.remove(job);
  await log.close();
  assert.equal(await removed, true);
  const next = again();
  await next.collect();
  const held = ["", "-wal"].map((suffix) => readFileSync(file + suffix).includes("a secret"));
  const left = await next.get(job);
  await next.close();

  assert.deepEqual([left, held], [undefined, [false, false]]);
});

test("SqliteLog forgetSyncs() leaves no name in the file or its WAL", async (t) => {
  const { log, file } = opened(t);
  t.after(() => log.close());
  const sync = { id: deriveSyncId(TENANT, "a secret"), name: "a secret" };
  const { job } = await log.create(newJob({ origin: "worker", sync }));
  const traces = () =>
    ["", "-wal"].map((suffix) => readFileSync(file + suffix).includes("a secret"));
  await log.remove(job); // moves the name into the file
  const before = traces();

  await log.forgetSyncs(TENANT);

  assert.deepEqual([before, traces()], [[true, false], [false, false]]);
});

test("SqliteLog collect() also moves what a process that was killed has overwritten", async (t) => {
  const { log, file, again } = opened(t);
  const { job } = await log.create(newJob());
  await log.append(job, () => ({ facts: [line("a secret")] }));
  await log.close();
  const killed = new DatabaseSync(file);
  t.after(() => killed.close());
  killed.exec(
    "PRAGMA foreign_keys = OFF; PRAGMA secure_delete = ON; DELETE FROM jobs; DELETE FROM entries",
  );
  const left = ["", "-wal"].map((suffix) => [suffix, readFileSync(file + suffix)] as const);
  const copy = `${file}.copy`;
  for (const [suffix, bytes] of left) writeFileSync(copy + suffix, bytes);

  const next = again(copy);
  await next.collect();
  const held = ["", "-wal"].map((suffix) => readFileSync(copy + suffix).includes("a secret"));
  await next.close();

  assert.deepEqual(left.map(([, bytes]) => bytes.includes("a secret")), [true, false]);
  assert.deepEqual(held, [false, false]);
});

test("SqliteLog collect() comes back to what a reader of the file has kept in the WAL", async (t) => {
  const { log, file } = opened(t);
  t.after(() => log.close());
  const { job } = await log.create(newJob());
  await log.append(job, () => ({ facts: [line("a secret")] }));
  const held = () => ["", "-wal"].map((suffix) => readFileSync(file + suffix).includes("a secret"));
  const reader = new DatabaseSync(file, { readOnly: true });
  reader.exec("BEGIN");
  reader.prepare("SELECT count(*) FROM entries").get();

  const removed = await log.remove(job);
  const beside = held();
  reader.close();
  await log.collect();

  assert.deepEqual([removed, beside, held()], [true, [false, true], [false, false]]);
});

test("SqliteLog remove() has removed a job whose entries the disk does not let go of yet", async (t) => {
  const { log, file } = opened(t);
  t.after(() => log.close());
  const { job } = await log.create(newJob());
  await log.append(job, () => ({ facts: [line("a secret")] }));
  const other = new DatabaseSync(file);
  t.after(() => other.close());
  other.exec(
    "CREATE TRIGGER refuse BEFORE DELETE ON entries BEGIN SELECT raise(ABORT, 'disk I/O error'); END",
  );

  const removed = await log.remove(job);
  const again = await log.get(job);
  await assert.rejects(log.collect(), { name: "StorageFaultError" });
  other.exec("DROP TRIGGER refuse");
  await log.collect();

  assert.deepEqual([removed, again], [true, undefined]);
  assert.equal(readFileSync(file).includes("a secret"), false);
});

test("SqliteLog remove() leaves nothing of a second job either, nor of what it was told in that turn", async (t) => {
  const { log, file } = opened(t);
  t.after(() => log.close());
  const producer = { ...newProducer("a secret", 0), requests: [] };
  const held: boolean[][] = [];
  for (let n = 0; n < 2; n++) {
    const { job } = await log.create(newJob());
    await log.append(job, () => ({ facts: [line("a secret")] }));
    const last = log.append(job, () => ({ facts: [line("x")], producer }));
    await log.remove(job);
    await last;
    held.push(["", "-wal"].map((suffix) => readFileSync(file + suffix).includes("a secret")));
  }

  assert.deepEqual(held, [[false, false], [false, false]]);
});

test("SqliteLog remove() tells that the job is gone before it removes its traces", async (t) => {
  const { log, file } = opened(t);
  t.after(() => log.close());
  const { job } = await log.create(newJob());
  await log.append(job, () => ({ facts: Array.from({ length: 5_000 }, () => line("x")) }));
  const db = new DatabaseSync(file, { readOnly: true });
  t.after(() => db.close());
  const rows = (table: string) => db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n;
  let seen: unknown;

  await log.remove(job, undefined, () => seen = [rows("jobs"), rows("entries") !== 0]);

  assert.deepEqual([seen, rows("entries")], [[0, true], 0]);
});

test("SqliteLog keeps of a job that makes room in memory for others nothing, also where it was written last", async (t) => {
  const { log } = opened(t);
  t.after(() => log.close());
  const given: WeakRef<object>[] = [];
  const add = async (n: number) => {
    const meta = { text: `${n}`.padEnd(1_000_000, "x") };
    given.push(new WeakRef(meta));
    const { job } = await log.create(newJob({ meta }));
    await log.append(job, () => ({ facts: [line("x")] }));
  };

  for (let n = 0; n < 60; n++) await add(n);
  await collectGarbage();
  const held = given.filter((ref) => ref.deref() !== undefined).length;

  assert.ok(held <= 37, `${held} of 60 are held`); // 34 have room, and some may lie on the stack still
});

test("SqliteLog remove() takes all of a log, of however many and however long entries", async (t) => {
  const { log, file } = opened(t);
  t.after(() => log.close());
  const jobs = [];
  for (const [count, length] of [[4_500, 1], [100, 20_000], [0, 0]]) {
    const { job } = await log.create(newJob());
    const facts = Array.from({ length: count }, () => line("x".repeat(length)));
    const producer = { ...newProducer("w1", 0), requests: [] };
    await log.append(job, () => ({ facts, producer }));
    jobs.push(job);
  }

  await Promise.all(jobs.map((job) => log.remove(job)));

  const db = new DatabaseSync(file, { readOnly: true });
  const left = ["jobs", "entries", "producers", "removed"]
    .map((table) => db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n);
  db.close();
  assert.deepEqual(left, [0, 0, 0, 0]);
});

for (const level of LOG_LEVELS) {
  test(`SqliteLog remove() leaves nothing of a job whose last words were of the level ${level}`, async (t) => {
    const { log, file } = opened(t);
    t.after(() => log.close());
    const { job } = await log.create(newJob());
    await log.append(job, () => ({
      facts: [progress("in_progress", 1), progress("in_progress", 2), {
        kind: "log",
        level,
        message: "a secret",
      }],
    }));

    await log.remove(job);

    assert.equal(readFileSync(file).includes("a secret"), false);
    assert.equal(await log.bytes(), await bytesOfNone(t));
  });
}

/** What a log takes that never had a job. */
async function bytesOfNone(t: { after(run: () => void): void }): Promise<number> {
  const { log } = opened(t);
  const bytes = await log.bytes();
  await log.close();
  return bytes;
}

test("SqliteLog trim() keeps fewer of what it has kept before, where fewer are asked for", async (t) => {
  const { log } = opened(t);
  t.after(() => log.close());
  const { job } = await log.create(newJob());
  const facts = Array.from({ length: 400 }, (_, n) => progress("in_progress", n));
  await log.append(job, () => ({ facts }));
  const held = async (progressMax: number) => {
    while (await log.trim(job, { entriesMax: 100_000, progressMax }));
    return (await log.get(job))?.held;
  };

  assert.deepEqual([await held(100), await held(10)], [102, 12]);
});

seeded(
  "SqliteLog trim() takes of rows of several entries what it has to and no more",
  async (random, t) => {
    const { log } = opened(t);
    t.after(() => log.close());
    const logs = [log, new MemoryLog(stillClock())];
    for (let round = rounds(6); round > 0; round--) {
      const wanted = newJob();
      for (const each of logs) await each.create(wanted);
      const state = async (each: EventLog) => {
        const { entries } = await each.read(wanted, { after: 0, limit: 1_000, logs: "debug" });
        const { held, trimmed } = await each.get(wanted) ?? {};
        return { held, trimmed, seqs: entries.map(({ seq }) => seq) };
      };

      for (let step = 0; step < 20; step++) {
        const fact = random.chance(0.3)
          ? progress("in_progress", step)
          : line("x", random.pick(LOG_LEVELS));
        const facts = random.many(1 + random.below(8), () => fact);
        const entriesMax = 1 + random.below(40);
        const trims = random.chance(0.5);
        for (const each of logs) {
          await each.append(wanted, () => ({ facts }));
          while (trims && await each.trim(wanted, { entriesMax }));
        }

        const [is, expected] = await Promise.all(logs.map(state));
        assert.deepEqual(is, expected, `step ${step}`);
      }
    }
  },
);

test("SqliteLog trim() takes no line before all superseded progress, in however many slices", async (t) => {
  const { log } = opened(t);
  t.after(() => log.close());
  const { job } = await log.create(newJob());
  const current = "x".repeat(20_000);
  const told = (inserted: number): Fact => ({
    kind: "progress",
    status: "in_progress",
    progress: { ...NO_PROGRESS, inserted, current },
  });
  const lines = async () => {
    const { entries } = await log.read(job, { after: 0, limit: 1_000, logs: "debug" });
    return entries.filter(({ kind }) => kind === "log").length;
  };
  const trim = async (entriesMax: number) => {
    while (await log.trim(job, { entriesMax }));
    return [(await log.get(job))?.held, await lines()];
  };
  const facts = Array.from({ length: 60 }, (_, n) => n % 2 ? told(n) : line("y"));
  await log.append(job, () => ({ facts })); // more progress than one slice removes

  const first = await trim(32);
  const second = await trim(20);
  await log.append(job, () => ({ facts: [told(1_000)] }));
  const third = await trim(20);

  assert.deepEqual([first, second, third], [[32, 30], [20, 18], [20, 18]]);
});

test("SqliteLog remove() reads a long log a few times, not once for each slice of it", async (t) => {
  const { log } = opened(t);
  t.after(() => log.close());
  const { job } = await log.create(newJob());
  const length = 64_000;
  for (let n = 0; n < 8; n++) { // more than the cache of SQLite holds
    const facts = Array.from({ length: 50 }, () => line("x".repeat(length)));
    await log.append(job, () => ({ facts }));
  }
  const before = bytesRead();

  await log.remove(job);

  const times = (bytesRead() - before) / (400 * length);
  assert.ok(times < 20, `it has read ${times.toFixed(1)} times as much as there was`);
});

/** What this process has read so far, from files too. */
function bytesRead(): number {
  return Number(/rchar: (\d+)/.exec(readFileSync("/proc/self/io", "utf8"))?.[1]);
}

for (const [count, length] of [[200, 20_000], [40, 200_000]]) {
  test(`SqliteLog remove() takes ${count} producers of ${length} characters some at a time, and others write in between`, async (t) => {
    const { log, file } = opened(t);
    t.after(() => log.close());
    const { job } = await log.create(newJob());
    const { job: other } = await log.create(newJob());
    const counters = { ...newProducer("", 0).counters, encountered: { ["x".repeat(length)]: 1 } };
    for (let n = 0; n < count; n++) {
      await log.append(
        job,
        () => ({ facts: [], producer: { ...newProducer(`${n}`, 0), counters } }),
      );
    }
    const db = new DatabaseSync(file, { readOnly: true });
    t.after(() => db.close());
    const left = db.prepare("SELECT count(*) AS n FROM producers");

    let over = false;
    const removed = log.remove(job).finally(() => over = true);
    const seen = new Set<unknown>();
    while (!over) {
      await log.append(other, () => ({ facts: [line("x")] }));
      seen.add(left.get()?.n);
    }

    assert.equal(await removed, true);
    assert.equal(left.get()?.n, 0);
    assert.ok(seen.size > 5, `there were ${[...seen].join(", ")} of them in turn`);
  });
}

test("SqliteLog trim() removes some 256 KiB at a time, of progress and of lines", async (t) => {
  const { log } = opened(t);
  t.after(() => log.close());
  const { job } = await log.create(newJob());
  const long = "x".repeat(20_000);
  const told: Progress = { ...NO_PROGRESS, encountered: { [long]: 1 } };
  const facts: Fact[] = [];
  for (let n = 0; n < 100; n++) {
    facts.push({ kind: "progress", status: "in_progress", progress: told }, line(long));
  }
  await log.append(job, () => ({ facts }));
  const most = async (limits: TrimLimits) => {
    const removed: number[] = [];
    for (let more = true; more;) {
      const before = (await log.get(job))?.held ?? 0;
      more = await log.trim(job, limits);
      removed.push(before - ((await log.get(job))?.held ?? 0));
    }
    return Math.max(...removed);
  };

  const thinned = await most({ entriesMax: 100_000, progressMax: 10 });
  const kept = (await log.get(job))?.held;
  const cut = await most({ entriesMax: 20, progressMax: 10 });

  assert.deepEqual([thinned, kept, cut], [14, 112, 14]); // 14 times 20 kB are 256 KiB and some more
  assert.equal((await log.get(job))?.held, 20);
  assert.deepEqual(await log.prunable({ entriesAbove: 20 }), []);
});

test("SqliteLog is smaller by what was removed, though its file is not", async (t) => {
  const { log } = opened(t);
  t.after(() => log.close());
  const { job } = await log.create(newJob());
  const empty = await log.bytes();
  await log.append(job, () => ({ facts: [line("x".repeat(100_000))] }));
  const full = await log.bytes();

  await log.remove(job);

  assert.ok(full > empty + 100_000, `${full} bytes`);
  assert.ok(await log.bytes() <= empty + 4_096, `${await log.bytes()} bytes are left of ${full}`);
});

test("SqliteLog remove() of many at once empties the WAL once for all of them", async (t) => {
  const { log, file } = opened(t);
  t.after(() => log.close());
  const jobs = [];
  for (let n = 0; n < 50; n++) {
    const { job } = await log.create(newJob());
    await log.append(job, () => ({ facts: [line("a secret"), line("x".repeat(10_000))] }));
    jobs.push(job);
  }
  const { prepare } = DatabaseSync.prototype;
  t.after(() => void (DatabaseSync.prototype.prepare = prepare));
  let emptied = 0;
  DatabaseSync.prototype.prepare = function (text) {
    if (text.includes("TRUNCATE")) emptied++;
    return prepare.call(this, text);
  };

  const removed = await Promise.all(jobs.map((job) => log.remove(job)));
  const held = ["", "-wal"].map((suffix) => readFileSync(file + suffix).includes("a secret"));

  assert.ok(removed.every(Boolean));
  assert.deepEqual([held, emptied], [[false, false], 1]);
});
