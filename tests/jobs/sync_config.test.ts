import assert from "node:assert/strict";
import { linkSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { configuredSyncs, ownFileIssues, SYNC_SCHEMA } from "../../src/jobs/sync_config.ts";
import { tempDirectory } from "../support/temp.ts";

function sync(fields: Record<string, unknown> = {}) {
  return SYNC_SCHEMA.parse({
    name: "docs",
    source: { type: "directory", path: "./docs" },
    destination: { type: "sqlite", path: `./${fields.name ?? "docs"}.db` },
    ...fields,
  });
}

test("configuredSyncs() fills in tenant, id, interval and absolute paths", () => {
  const { syncs, issues } = configuredSyncs([sync()], "/etc/synctail");

  assert.deepEqual(issues, []);
  assert.deepEqual(syncs, [{
    id: syncs[0].id,
    tenant: "default",
    name: "docs",
    source: {
      type: "directory",
      path: "/etc/synctail/docs",
      maxPerS: undefined,
      maxFileBytes: undefined,
    },
    destination: { type: "sqlite", path: "/etc/synctail/docs.db" },
    progressIntervalMs: 250,
    schedule: undefined,
    retries: undefined,
    expect: undefined,
  }]);
  assert.match(
    syncs[0].id,
    /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  );
});

test("configuredSyncs() derives the same id wherever the file lies, another for each tenant", () => {
  const id = (directory: string, tenant?: string) =>
    configuredSyncs([sync({ tenant })], directory).syncs[0].id;

  assert.equal(id("/etc"), id("/home/me"));
  assert.notEqual(id("/etc"), id("/etc", "acme"));
});

test("configuredSyncs() keeps what is given", () => {
  const given = sync({
    id: "770E8400-E29B-41D4-A716-446655440002",
    tenant: "acme",
    source: { type: "directory", path: "/srv", max_per_s: 0.5, max_file_bytes: 1 },
    progress_interval_ms: 1_000,
  });

  const [configured] = configuredSyncs([given], "/etc").syncs;

  assert.equal(configured.id, "770e8400-e29b-41d4-a716-446655440002");
  assert.equal(configured.tenant, "acme");
  assert.deepEqual(configured.source, {
    type: "directory",
    path: "/srv",
    maxPerS: 0.5,
    maxFileBytes: 1,
  });
  assert.equal(configured.progressIntervalMs, 1_000);
});

test("configuredSyncs() tells names, ids and destinations that occur twice", () => {
  const id = "770e8400-e29b-41d4-a716-446655440002";
  const syncs = [
    sync({ name: "a", id }),
    sync({ name: "a" }),
    sync({ name: "b", id }),
    sync({ name: "c", tenant: "acme", destination: { type: "sqlite", path: "x/../a.db" } }),
  ];

  const { issues } = configuredSyncs(syncs, "/etc");

  assert.deepEqual(issues, [
    {
      path: ["syncs", 1, "name"],
      given: "a",
      reason: "expected another name than that of syncs[0], which has the same tenant",
    },
    {
      path: ["syncs", 1, "destination", "path"],
      given: "/etc/a.db",
      reason: "expected a file that syncs[0] does not write to",
    },
    {
      path: ["syncs", 2, "id"],
      given: id,
      reason: "expected another id than that of syncs[0], which has the same tenant",
    },
    {
      path: ["syncs", 3, "destination", "path"],
      given: "/etc/a.db",
      reason: "expected a file that syncs[0] does not write to",
    },
  ]);
});

/** A sync of records into that destination. */
function tap(name: string, type: string, path: string) {
  const source = { type: "command", format: "singer", command: ["tap"] };
  return sync({ name, source, destination: { type, path } });
}

test("configuredSyncs() knows a file by its other names, and what is written beside it", (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  mkdirSync(join(path, "real"));
  symlinkSync("real", join(path, "link"));
  for (const name of ["hard.db", "x.db"]) writeFileSync(join(path, "real", name), "");
  linkSync(join(path, "real/hard.db"), join(path, "other.db"));
  symlinkSync("real/x.db", join(path, "x.db"));

  for (
    const [one, other] of [
      [tap("a", "sqlite", "real/new/a.db"), tap("b", "sqlite", "link/new/a.db")],
      [tap("a", "sqlite", "real/hard.db"), tap("b", "jsonl", "other.db")],
      [tap("a", "sqlite", "x.db"), tap("b", "jsonl", "link/x.db-wal")],
      [tap("a", "sqlite", "a.db-shm"), tap("b", "sqlite", "a.db")],
      [tap("a", "jsonl", "x.jsonl"), tap("b", "sqlite", "x.jsonl.index")],
      [tap("a", "jsonl", "x.jsonl.index-journal"), tap("b", "jsonl", "x.jsonl")],
    ]
  ) {
    const { issues } = configuredSyncs([one, other], path);

    const given = other.destination?.type !== "none" && join(path, other.destination?.path ?? "");
    const reason = "expected a file that syncs[0] does not write to";
    assert.deepEqual(issues, [{ path: ["syncs", 1, "destination", "path"], given, reason }]);
  }
  const apart = [tap("a", "sqlite", "real/y.db"), tap("b", "jsonl", "y.db")];
  assert.deepEqual(configuredSyncs(apart, path).issues, []);
});

test("configuredSyncs() refuses what is there and is no file", (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  mkdirSync(join(path, "a.db"));

  const { issues } = configuredSyncs([tap("a", "sqlite", "a.db")], path);

  assert.deepEqual(issues, [{
    path: ["syncs", 0, "destination", "path"],
    given: join(path, "a.db"),
    reason: "expected a file, and it is a directory",
  }]);
});

test("SYNC_SCHEMA refuses a NUL in each path", () => {
  for (
    const fields of [
      { destination: { type: "sqlite", path: "a\0.db" } },
      { source: { type: "directory", path: "a\0" } },
      { source: { type: "command", command: ["x"], cwd: "a\0" } },
    ]
  ) assert.throws(() => sync(fields), /expected no NUL character/);
});

test("ownFileIssues() tells of what the server keeps in its data directory", (t) => {
  const { path, remove } = tempDirectory();
  t.after(remove);
  mkdirSync(join(path, "data"));
  writeFileSync(join(path, "elsewhere.db"), "");
  symlinkSync("../elsewhere.db", join(path, "data/log.db"));
  symlinkSync("data", join(path, "link"));
  const own = [
    "data/keys.db",
    "link/notify.db",
    "data/lock.db-journal",
    "data/log.db.v2.bak",
    "data/server.json",
    "elsewhere.db",
    "elsewhere.db-wal",
  ];
  const given = [...own, "data/docs.db", "data/below/log.db", "log.db"];
  const { syncs } = configuredSyncs(given.map((at, index) => tap(`s${index}`, "jsonl", at)), path);

  const issues = ownFileIssues(syncs, join(path, "data"));

  assert.deepEqual(issues.map(({ given }) => given), own.map((at) => join(path, at)));
  assert.deepEqual(issues[0].path, ["syncs", 0, "destination", "path"]);
});

test("configuredSyncs() lets two tenants use one name and one id", () => {
  const id = "770e8400-e29b-41d4-a716-446655440002";
  const elsewhere = { type: "sqlite", path: "acme.db" };

  const { issues } = configuredSyncs(
    [sync({ id }), sync({ id, tenant: "acme", destination: elsewhere })],
    "/etc",
  );

  assert.deepEqual(issues, []);
});

test("a source that only listens has no destination, and the other ones need one", () => {
  const issues = (fields: Record<string, unknown>) => {
    const parsed = SYNC_SCHEMA.safeParse({ name: "x", ...fields });
    return parsed.error?.issues.map(({ path, message }) => `${path.join(".")}: ${message}`) ?? [];
  };
  const source = { type: "redis_pubsub", url: "redis://u:p@localhost", pattern: "a:*" };
  const destination = { type: "sqlite", path: "x.db" };

  assert.deepEqual(issues({ source }), []);
  assert.match(issues({ source, destination })[0], /^destination: expected none/);
  assert.match(
    issues({ source: { type: "directory", path: "." } })[0],
    /^destination: expected an object/,
  );
  assert.match(issues({ source: { ...source, url: "http://x" } })[0], /^source.url: .*redis:/);
  for (const pattern of ["a", "*:*", "a?*", "[a]*"]) {
    assert.match(issues({ source: { ...source, pattern } })[0], /^source.pattern: .*one \*/);
  }
  assert.match(issues({ source: { ...source, fields: { nope: "x" } } })[0], /^source.fields/);
  const { syncs } = configuredSyncs(
    [SYNC_SCHEMA.parse({ name: "x", source: { ...source, status_values: { OK: "completed" } } })],
    "/",
  );
  assert.deepEqual(syncs[0].source, {
    type: "redis_pubsub",
    url: "redis://u:p@localhost",
    pattern: "a:*",
    fields: {},
    statusValues: { ok: "completed" },
    leaseMs: 900_000,
  });
  assert.equal(syncs[0].destination, null);
});

test("SYNC_SCHEMA takes the URL of a Redis that can be reached so, and no other", () => {
  const refused = (url: string) => {
    const source = { type: "redis_pubsub", url, pattern: "a:*" };
    return SYNC_SCHEMA.safeParse({ name: "x", source }).error?.issues.map(({ message }) => message);
  };
  const reason = "expected redis://[user:password@]host[:port][/database], or rediss://";

  for (
    const url of [
      "redis://h",
      "rediss://u:p%2fw@h:6380/15",
      "redis://:p@[::1]:6379/",
      "REDIS://h:1/0",
    ]
  ) assert.equal(refused(url), undefined, url);
  for (
    const url of [
      "redis://h/abc",
      "redis://h/-1",
      "redis://h/1.5",
      "redis://h/100",
      "redis://u:%zz@h",
      "redis://u@h",
      "redis:6379",
      "redis:",
      "redis://",
      "redis://h:0",
      "redis://h:1?password=x",
      "redis://h#x",
      "http://h",
    ]
  ) assert.deepEqual(refused(url), [reason], url);
});

test("SYNC_SCHEMA refuses what a feed would ignore", () => {
  const source = { type: "redis_pubsub", url: "redis://h", pattern: "a:*" };
  const issues = (more: object) =>
    SYNC_SCHEMA.safeParse({ name: "x", source, ...more }).error?.issues.map(({ path, message }) =>
      `${path.join(".")}: ${message}`
    );

  assert.deepEqual(issues({ progress_interval_ms: 1_000 }), [
    "progress_interval_ms: expected none: a source of type redis_pubsub cannot be run",
  ]);
  assert.deepEqual(issues({ source: { ...source, fields: { status: "" } } }), [
    "source.fields.status: expected a dotted path",
  ]);
  assert.equal(issues({ source: { ...source, status_values: { "": "failed" } } })?.length, 1);
});

test("configuredSyncs() refuses two syncs of a tenant that listen to the same channels", () => {
  const source = { type: "redis_pubsub", url: "redis://h", pattern: "a:*" };
  const feed = (name: string, more: object = {}) => SYNC_SCHEMA.parse({ name, source, ...more });

  const { issues } = configuredSyncs([
    feed("one"),
    feed("two"),
    feed("other", { tenant: "acme" }),
    feed("there", { source: { ...source, url: "redis://i" } }),
  ], "/");

  assert.deepEqual(issues, [{
    path: ["syncs", 1, "source", "pattern"],
    given: "a:*",
    reason: "expected one that syncs[0] does not listen to",
  }]);
});
