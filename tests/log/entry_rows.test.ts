import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import type { EventLog, ReadQuery, TrimLimits } from "../../src/log/event_log.ts";
import { SqliteLog } from "../../src/log/sqlite_log.ts";
import { entriesOf, rowsOf, withoutBetween } from "../../src/log/sqlite_entry_rows.ts";
import { type Entry, type Fact, LOG_LEVELS } from "../../src/sync/entry.ts";
import { deriveSyncId, type JobKey } from "../../src/sync/ids.ts";
import { fc } from "../support/fast_check.ts";
import { line, newJob, progress, stillClock, TENANT } from "../support/log_contract.ts";
import { MemoryLog } from "../support/memory_log.ts";
import { tempDirectory } from "../support/temp.ts";

/** The log's file, and the log, which is closed while the file is looked at. */
async function written(facts: readonly Fact[], look: (db: DatabaseSync) => void): Promise<void> {
  const { path, remove } = tempDirectory();
  const file = join(path, "log.db");
  const log = new SqliteLog({ path: file, durability: "normal", clock: stillClock() });
  const { job } = await log.create(newJob());
  await log.append(job, () => ({ facts }));
  await log.close();
  const db = new DatabaseSync(file);
  try {
    look(db);
  } finally {
    db.close();
    remove();
  }
}

test("rowsOf() puts neighbours of one kind into rows that fit a page of the file", async () => {
  const facts = [
    progress("in_progress", 0),
    ...Array.from({ length: 40 }, (_, n) => progress("in_progress", n)),
    ...Array.from({ length: 100 }, (_, n) => line(`docs/file-${n}.txt: updated`)),
    line("bad", "error"),
    line("x".repeat(2_000)),
    line("y"),
  ];

  await written(facts, (db) => {
    const rows = db.prepare("SELECT seq, kind, count, length(body) AS size FROM entries").all();

    const heads = rows.map(({ seq, kind, count }) => [seq, kind, count]);
    const [start, full, rest] = heads;
    assert.deepEqual([start, full, rest], [[1, 1, 1], [25, 0, 24], [41, 0, 16]]);
    assert.deepEqual(heads.slice(-3), [[142, 13, 1], [143, 11, 1], [144, 11, 1]]);
    const lines = rows.slice(3, -3);
    assert.ok(lines.length < 15, `100 lines in ${lines.length} rows`);
    assert.ok(lines.every(({ size }) => Number(size) < 950));
    const counted = lines.reduce((sum, { count }) => sum + Number(count), 0);
    assert.equal(counted, 100);
  });
});

test("A row of the longest bodies that are put together has no pages of its own, in any script", async () => {
  // 425 bytes each; 2 lines of 474 bytes with all that is around their messages.
  for (const message of ["x".repeat(425), "ж".repeat(212) + "x", "文".repeat(141) + "xx"]) {
    const long = Array.from({ length: 400 }, () => line(message));

    await written(long, (db) => {
      const size = "length(CAST(body AS BLOB)) AS size";
      const [row] = db.prepare(`SELECT count, ${size} FROM entries LIMIT 1`).all();
      const pages = db.prepare(
        "SELECT count(*) AS n FROM dbstat WHERE name = 'entries' AND pagetype = 'overflow'",
      );

      assert.deepEqual([row.count, row.size], [2, 2 * 474 + 1]);
      assert.equal(pages.get()?.n, 0);
    });
  }
});

test("entriesOf() reads all of what rowsOf() was given, and nothing that is undefined", () => {
  const told = {
    inserted: 1,
    updated: 2,
    deleted: 3,
    kept: 4,
    skipped: 5,
    encountered: { 'a "b"\n': 15 },
    total: 1e21,
    percent: 12.5,
    bytesDone: 0,
    bytesTotal: 7,
    ratePerS: 0.1,
    bytesPerS: 2,
    etaS: 3,
    phase: "",
    current: 'x "y" \u0000 \ud800',
    warnings: 6,
    paced: true,
  } as const;
  const placed = { kind: "progress", status: "failed", atMs: 7, changesStatus: true } as const;
  const error = { code: "c", message: 'why "so"' };
  const unknown = { ...told, total: undefined, phase: undefined, paced: undefined };
  const { total: _, phase: __, paced: ___, ...known } = told;

  const read = rowsOf([
    { ...placed, seq: 1, progress: told, error },
    { ...placed, seq: 2, progress: unknown, error: undefined },
  ]).flatMap(entriesOf);

  assert.deepEqual(read, [
    { ...placed, seq: 1, progress: told, error },
    { ...placed, seq: 2, progress: known },
  ]);
});

test("withoutBetween() leaves what stands at the two positions and outside of them", () => {
  const entries = Array.from({ length: 5 }, (_, n): Entry => {
    return { kind: "log", level: "info", text: `"message": "${n}"`, seq: 11 + n, atMs: 7 };
  });
  const [row] = rowsOf(entries);
  const left = (after: number, before: number) =>
    withoutBetween(row, after, before).map((each) => entriesOf(each).map(({ seq }) => seq));

  assert.deepEqual(left(0, 13), [[13, 14, 15]]);
  assert.deepEqual(left(11, 14), [[11], [14, 15]]);
  assert.deepEqual(left(13, 99), [[11, 12, 13]]);
  assert.deepEqual(left(0, 99), []);
  assert.deepEqual(
    withoutBetween(row, 12, 14).flatMap(entriesOf),
    entries.filter((e) => e.seq !== 13),
  );
});

/** The statements that are prepared from now on, each with the characters that it has fetched. */
function watchStatements(t: { after(run: () => void): void }): Map<string, number> {
  const fetched = new Map<string, number>();
  const { prepare } = DatabaseSync.prototype;
  t.after(() => void (DatabaseSync.prototype.prepare = prepare));
  DatabaseSync.prototype.prepare = function (text) {
    const statement = prepare.call(this, text);
    const { all } = statement;
    fetched.set(text, 0);
    statement.all = (...given) => {
      const rows = Reflect.apply(all, statement, given);
      fetched.set(text, (fetched.get(text) ?? 0) + JSON.stringify(rows).length);
      return rows;
    };
    return statement;
  };
  return fetched;
}

test("No statement sorts a job's entries, or looks for the rows around a position in all of them", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const file = join(path, "log.db");
  const statements = watchStatements(t);
  const log = new SqliteLog({ path: file, durability: "normal", clock: stillClock() });
  const { job } = await log.create(newJob());
  await log.append(job, () => ({ facts: [progress("in_progress", 1), line("x"), line("y")] }));
  await log.trim(job, { entriesMax: 1, progressMax: 1 });
  await log.remove(job);
  await log.close();

  const db = new DatabaseSync(file);
  const plans = [...statements.keys()]
    .filter((text) => /^(SELECT|DELETE)[^]* FROM entries/.test(text))
    .map((text) => [text, db.prepare(`EXPLAIN QUERY PLAN ${text}`).all()] as const);
  db.close();

  assert.ok(plans.length >= 7, `${plans.length} statements`);
  for (const [text, steps] of plans) {
    const how = steps.map(({ detail }) => detail).join();
    const bounded = /WHERE[^]*seq - count/.test(text) ? /^[^,]*\(job=\?.*AND seq<\?\)$/ : /^[^,]*$/;
    assert.match(how, /^SEARCH entries USING PRIMARY KEY \(job=\?/, text);
    assert.match(how, bounded, text);
  }
});

test("The jobs of a sync are found by the sync and the statuses that are asked for", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const file = join(path, "log.db");
  const statements = watchStatements(t);
  const log = new SqliteLog({ path: file, durability: "normal", clock: stillClock() });
  const { tenant, sync } = newJob();
  for (const statuses of [undefined, ["completed"], ["completed", "failed"]] as const) {
    await log.list({ tenant, syncId: sync?.id, statuses, limit: 1 });
  }
  await log.close();

  const db = new DatabaseSync(file);
  const plans = [...statements.keys()]
    .filter((text) => /FROM jobs WHERE [^]*sync_id = \?/.test(text))
    .map((text) => db.prepare(`EXPLAIN QUERY PLAN ${text}`).all().at(0)?.detail);
  db.close();

  const search = "SEARCH jobs USING INDEX jobs_of_sync (tenant=? AND sync_id=? AND status=?";
  const page = `${search} AND pk<?)`;
  assert.deepEqual(plans, [`${search})`, page, page, page]); // the first is for `oneActive`
});

test("The newest jobs of a tenant are found without a look at all of its jobs", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const file = join(path, "log.db");
  const statements = watchStatements(t);
  const log = new SqliteLog({ path: file, durability: "normal", clock: stillClock() });
  for (const statuses of [undefined, ["failed"], ["completed", "failed"]] as const) {
    await log.list({ tenant: TENANT, statuses, limit: 1 });
  }
  await log.close();

  const db = new DatabaseSync(file);
  const plans = [...statements.keys()]
    .filter((text) => /FROM jobs WHERE tenant = .* ORDER BY pk DESC/.test(text))
    .map((text) => db.prepare(`EXPLAIN QUERY PLAN ${text}`).all().at(0)?.detail);
  db.close();

  const search = "SEARCH jobs USING INDEX jobs_by_status (tenant=? AND status=? AND pk<?)";
  assert.deepEqual(plans, [search, search, search]);
});

test("Jobs on their way are found without a look at those that are over", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const file = join(path, "log.db");
  const statements = watchStatements(t);
  const log = new SqliteLog({ path: file, durability: "normal", clock: stillClock() });
  await log.lapsed(1);
  await log.ownedByOthers("this-process");
  await log.prunable({ entriesAbove: 1 });
  await log.close();

  const db = new DatabaseSync(file);
  const plans = [...statements.keys()]
    .filter((text) => /status IN [^]* ORDER BY [^]* LIMIT 100$/.test(text))
    .map((text) => db.prepare(`EXPLAIN QUERY PLAN ${text}`).all().at(0)?.detail);
  db.close();

  assert.deepEqual(plans, [
    "SEARCH jobs USING INDEX jobs_by_lease (lease_until_ms<?)",
    "SCAN jobs USING INDEX jobs_by_lease",
    "SCAN jobs USING INDEX jobs_by_lease",
  ]);
});

test("Jobs are counted in the order of an index, without sorting them", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const file = join(path, "log.db");
  const statements = watchStatements(t);
  const log = new SqliteLog({ path: file, durability: "normal", clock: stillClock() });
  await log.counts();
  await log.close();

  const db = new DatabaseSync(file);
  const [plan] = [...statements.keys()]
    .filter((text) => text.includes("GROUP BY"))
    .map((text) => db.prepare(`EXPLAIN QUERY PLAN ${text}`).all().map(({ detail }) => detail));
  db.close();

  assert.deepEqual(plan.slice(0, 3), [
    "CO-ROUTINE (subquery-1)",
    "SCAN jobs USING COVERING INDEX jobs_by_status",
    "SCAN (subquery-1)", // a row for each tenant and status
  ]);
});

test("Registered syncs are found without a look at the tenant's others", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const file = join(path, "log.db");
  const statements = watchStatements(t);
  const log = new SqliteLog({ path: file, durability: "normal", clock: stillClock() });
  const { id, name } = { id: deriveSyncId(TENANT, "docs"), name: "docs" };
  for (const query of [{ id }, { name }, { limit: 5 }, { after: { id, name }, limit: 5 }]) {
    await log.registeredSyncs(TENANT, query);
  }
  await log.close();

  const db = new DatabaseSync(file);
  const plans = [...statements.keys()]
    .filter((text) => text.startsWith("SELECT id, name FROM syncs"))
    .map((text) => db.prepare(`EXPLAIN QUERY PLAN ${text}`).all().map(({ detail }) => detail));
  db.close();

  const byName = "SEARCH syncs USING COVERING INDEX syncs_by_name";
  assert.deepEqual(plans, [
    ["SEARCH syncs USING PRIMARY KEY (tenant=? AND id=?)"],
    [`${byName} (tenant=? AND name=?)`],
    [`${byName} (tenant=?)`],
    [`${byName} (tenant=? AND (name,id)>(?,?))`],
  ]);
});

test("SqliteLog trim() looks for progress among a job's lines once, however many slices it takes", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const looks: string[] = [];
  const { prepare } = DatabaseSync.prototype;
  t.after(() => void (DatabaseSync.prototype.prepare = prepare));
  DatabaseSync.prototype.prepare = function (text) {
    const statement = prepare.call(this, text);
    if (!/^SELECT seq[^]* FROM entries[^]* ORDER BY seq/.test(text)) return statement;
    const { all, get } = statement;
    statement.all = (...given) => {
      if (given[2] === 0) looks.push(`superseded, behind ${given[3]}`); // the kind of progress
      return Reflect.apply(all, statement, given);
    };
    statement.get = (...given) => {
      if (text.includes("seq DESC")) looks.push("thinning");
      return Reflect.apply(get, statement, given);
    };
    return statement;
  };
  const file = join(path, "log.db");
  const log = new SqliteLog({ path: file, durability: "normal", clock: stillClock() });
  const { job } = await log.create(newJob());
  const lines = Array.from({ length: 7_000 }, () => line("x"));
  await log.append(job, () => ({ facts: [progress("in_progress", 1), ...lines] }));
  await log.append(job, () => ({ facts: [progress("in_progress", 2), progress("completed", 3)] }));

  let slices = 1;
  while (await log.trim(job, { entriesMax: 100, progressMax: 1_000 })) slices++;
  const { held } = await log.get(job) ?? {};
  await log.close();

  assert.deepEqual([slices, held], [4, 100]);
  assert.equal(looks.filter((look) => look === "thinning").length, 876); // stretches of 8
  assert.deepEqual(looks.filter((look) => look !== "thinning"), [
    "superseded, behind 7000", // in the only stretch that has any
    "superseded, behind 0",
    ...Array(3).fill("superseded, behind 7002"),
  ]);
});

test("SqliteLog trim() fetches no words of the lines that it removes", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const statements = watchStatements(t);
  const file = join(path, "log.db");
  const log = new SqliteLog({ path: file, durability: "normal", clock: stillClock() });
  const { job } = await log.create(newJob());
  const long = "x".repeat(10_000);
  await log.append(job, () => ({ facts: Array.from({ length: 100 }, () => line(long)) }));

  while (await log.trim(job, { entriesMax: 1 }));
  const { held } = await log.get(job) ?? {};
  await log.close();

  const most = Math.max(...statements.values());
  assert.equal(held, 1);
  assert.ok(most < long.length, `${most} characters`);
});

type Step =
  | { readonly append: readonly Fact[] }
  | { readonly trim: TrimLimits }
  | { readonly read: ReadQuery }
  | { readonly last: { readonly level: number; readonly count: number; readonly through: number } }
  | { readonly newest: { readonly after: number; readonly width: number } };

const small = (max: number) => fc.integer({ min: 0, max });

/** Some facts of one kind, or of several in turn, as sources and workers write them. */
const facts = fc.record({
  kinds: fc.oneof(fc.constantFrom([4]), fc.array(small(4), { minLength: 1, maxLength: 3 })),
  count: fc.integer({ min: 1, max: 60 }),
  size: fc.constantFrom(0, 10, 100, 460, 1_200),
}, { requiredKeys: ["kinds", "count", "size"] }).map(({ kinds, count, size }) =>
  Array.from({ length: count }, (_, n): Fact => {
    const kind = kinds[n % kinds.length];
    if (kind < LOG_LEVELS.length) return line("\n".repeat(size / 2) + n, LOG_LEVELS[kind]);
    return progress("in_progress", n);
  })
);

const step = fc.oneof<Step>(
  facts.map((append) => ({ append })),
  fc.record({ entriesMax: small(150), progressMax: fc.integer({ min: 1, max: 30 }) }, {
    requiredKeys: ["entriesMax"],
  }).map((trim) => ({ trim })),
  fc.record({
    after: small(200),
    limit: fc.integer({ min: 1, max: 150 }),
    logs: fc.constantFrom(...LOG_LEVELS),
    mergeBelow: small(200),
    only: fc.constantFrom("logs" as const),
  }, { requiredKeys: ["after", "limit"] }).map((read) => ({ read })),
  fc.record({ level: small(3), count: small(60), through: small(200) }, {
    requiredKeys: ["level", "count", "through"],
  }).map((last) => ({ last })),
  fc.record({ after: small(200), width: fc.integer({ min: 1, max: 60 }) }, {
    requiredKeys: ["after", "width"],
  }).map((newest) => ({ newest })),
);

/** What the log answers, in words that both logs have. */
async function answer(log: EventLog, key: JobKey, each: Step): Promise<unknown> {
  if ("append" in each) {
    const { firstSeq, lastSeq } = await log.append(key, () => ({ facts: each.append }));
    return [firstSeq, lastSeq];
  }
  if ("trim" in each) {
    while (await log.trim(key, each.trim));
    const { held, trimmed } = await log.get(key) ?? {};
    return [held, trimmed, await log.firstSeq(key)];
  }
  if ("read" in each) {
    const { entries, through, more } = await log.read(key, each.read);
    return [entries, through, more];
  }
  if ("newest" in each) {
    const { after, width } = each.newest;
    return await log.newestProgress(key, after, after + width);
  }
  const { level, count, through } = each.last;
  return await log.beforeLastLogs(key, LOG_LEVELS[level], count, through);
}

test("A file whose rows hold several entries answers as a log in memory does", async () => {
  const scripts = fc.sample(fc.array(step, { minLength: 10, maxLength: 40 }), {
    seed: 20_261_130,
    numRuns: 150,
  });
  for (const [number, script] of scripts.entries()) {
    const { path, remove } = tempDirectory();
    const clock = stillClock();
    const open = () => new SqliteLog({ path: join(path, "log.db"), durability: "normal", clock });
    const model = new MemoryLog(clock);
    let log = open();
    const wanted = newJob();
    await log.create(wanted);
    await model.create(wanted);
    for (const [at, each] of script.entries()) {
      // What was just written would be read from memory.
      if (!("append" in each)) {
        await log.close();
        log = open();
      }
      clock.nowMs++;
      const told = await answer(log, wanted, each);
      const modelled = await answer(model, wanted, each);
      assert.deepEqual(told, modelled, `script ${number}, step ${at}: ${JSON.stringify(each)}`);
    }
    await log.close();
    remove();
  }
});
