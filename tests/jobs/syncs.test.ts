import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { type ConfiguredSync, configuredSyncs, SYNC_SCHEMA } from "../../src/jobs/sync_config.ts";
import { knownSync, Syncs, usualSyncId } from "../../src/jobs/syncs.ts";
import type { TenantId } from "../../src/sync/ids.ts";
import type { SyncRef } from "../../src/sync/job.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { tempDirectory } from "../support/temp.ts";

test("no source enters a file that any sync writes to", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  mkdirSync(join(path, "tree"));
  for (const name of ["a.db", "a.db-wal", "a.db-shm", "kept.txt"]) {
    writeFileSync(join(path, "tree", name), name);
  }
  const sync = (name: string, source: string, destination: string) =>
    SYNC_SCHEMA.parse({
      name,
      source: { type: "directory", path: source },
      destination: { type: "sqlite", path: destination },
    });
  const { syncs } = configuredSyncs(
    [sync("a", "elsewhere", "tree/a.db"), sync("b", "tree", "b.db")],
    path,
  );

  const runnable = new Syncs(syncs, []).runnable(syncs[1]);
  let inserted = 0;
  const { signal } = new AbortController();
  for await (const event of runnable?.source().run({ signal, clock: new FakeClock() }) ?? []) {
    if (event.type === "progress") inserted = event.inserted;
  }

  assert.equal(inserted, 1);
});

test("no source enters the files that SQLite writes behind a link", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  for (const name of ["tree", "data"]) mkdirSync(join(path, name));
  const link = (from: string, name: string) =>
    symlinkSync(join(path, "tree", name), join(path, from));
  const database = (name: string) => ["", "-wal", "-shm", "-journal"].map((end) => name + end);
  const written = ["docs.db", "users.index", "log.db"].flatMap(database);
  for (const name of [...written, "users.jsonl", "kept.txt"]) {
    writeFileSync(join(path, "tree", name), name);
  }
  for (const name of ["docs.db", "users.jsonl"]) link(name, name);
  link("users.jsonl.index", "users.index");
  link("data/log.db", "log.db");
  link("own.db", "own.db"); // leads nowhere before the run
  const sync = (name: string, source: object, type: string, at: string) =>
    SYNC_SCHEMA.parse({ name, source, destination: { type, path: at } });
  const tap = { type: "command", format: "singer", command: ["tap"] };
  const { syncs } = configuredSyncs([
    sync("tree", { type: "directory", path: "tree" }, "sqlite", "own.db"),
    sync("docs", tap, "sqlite", "docs.db"),
    sync("users", tap, "jsonl", "users.jsonl"),
  ], path);

  const runnable = new Syncs(syncs, [join(path, "data")]).runnable(syncs[0]);
  const { signal } = new AbortController();
  for await (const _ of runnable?.source().run({ signal, clock: new FakeClock() }) ?? []);
  const index = new DatabaseSync(join(path, "tree", "own.db"));
  t.after(() => index.close());
  const entities = index.prepare("SELECT key FROM entities").all();

  assert.deepEqual(entities.map(({ key }) => key), ["kept.txt"]);
});

test("a run writes to no file of another sync or of the server, whatever links were made", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  mkdirSync(join(path, "data"));
  for (const name of ["docs.db", "data/log.db"]) writeFileSync(join(path, name), name);
  const tap = (name: string, type: string, at: string) =>
    SYNC_SCHEMA.parse({
      name,
      source: { type: "command", format: "singer", command: ["touch", "ran"] },
      destination: { type, path: at },
    });
  const { syncs, issues } = configuredSyncs(
    [tap("docs", "sqlite", "docs.db"), tap("a", "jsonl", "a"), tap("b", "sqlite", "b")],
    path,
  );
  assert.deepEqual(issues, []);
  symlinkSync("docs.db", join(path, "a"));
  symlinkSync("data/log.db", join(path, "b"));
  const all = new Syncs(syncs, [join(path, "data")]);
  const { signal } = new AbortController();
  const run = async (index: number) => {
    const source = all.runnable(syncs[index])?.source();
    for await (const _ of source?.run({ signal, clock: new FakeClock() }) ?? []);
  };

  await assert.rejects(run(1), {
    code: "destination_of_other_source",
    message: `Cannot write "default/a" into "${join(path, "a")}": it is a file of "default/docs"`,
  });
  await assert.rejects(run(2), {
    code: "destination_foreign",
    message: `Cannot write "default/b" into "${join(path, "b")}": it is a file of the server's own`,
  });
  assert.equal(readFileSync(join(path, "docs.db"), "utf8"), "docs.db");
  assert.ok(!existsSync(join(path, "ran")));
});

test("a run writes to no file of a run on its way, whatever the configuration has become", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  mkdirSync(join(path, "tree"));
  const named = (name: string) => {
    const source = { type: "directory", path: "tree" };
    const destination = { type: "sqlite", path: "index.db" };
    return configuredSyncs([SYNC_SCHEMA.parse({ name, source, destination })], path).syncs[0];
  };
  const all = new Syncs([named("before")], []);
  const { signal } = new AbortController();
  const run = (sync: ConfiguredSync) =>
    all.runnable(sync)?.source().run({ signal, clock: new FakeClock() });
  const before = run(all.all[0]);
  await before?.next();

  all.replace([named("after")]);

  await assert.rejects(async () => await run(all.all[0])?.next(), {
    code: "destination_of_other_source",
  });
  await before?.return();
  assert.equal((await run(all.all[0])?.next())?.done, false);
});

test("knownSync() asks the log for the one sync, however many workers have named", async () => {
  const tenant = "default" as TenantId;
  const ref = { id: usualSyncId(tenant, "nightly"), name: "nightly" };
  const asked: unknown[] = [];
  const log = {
    registeredSyncs(_: TenantId, named?: Partial<SyncRef>) {
      asked.push(named);
      return Promise.resolve(named?.id === ref.id ? [ref] : []);
    },
  };
  const none = new Syncs([], []);

  assert.deepEqual(await knownSync(none, log, tenant, "nightly"), ref);
  assert.equal(await knownSync(none, log, tenant, "another"), undefined);

  const another = usualSyncId(tenant, "another");
  assert.deepEqual(asked, [{ id: ref.id }, { id: another }, { name: "another" }]);
});

test("knownSync() takes no registered sync by a name that its configuration has changed", async (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const tenant = "default" as TenantId;
  const { syncs } = configuredSyncs([
    SYNC_SCHEMA.parse({
      name: "docs",
      source: { type: "directory", path: "docs" },
      destination: { type: "sqlite", path: "docs.db" },
    }),
  ], path);
  const was = { id: syncs[0].id, name: "papers" };
  const other = { id: usualSyncId(tenant, "other"), name: "papers" };
  const registered = [was];
  const log = {
    registeredSyncs: (_: TenantId, named?: Partial<SyncRef>) =>
      Promise.resolve(registered.filter(({ name }) => name === named?.name)),
  };
  const known = () => knownSync(new Syncs(syncs, []), log, tenant, "papers");

  assert.equal(await known(), undefined);
  registered.push(other);
  assert.deepEqual(await known(), other);
});
