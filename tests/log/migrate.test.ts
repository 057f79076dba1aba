import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  olderSchema,
  openVersioned,
  StoreForeignError,
  StoreVersionError,
} from "../../src/log/migrate.ts";

const STEPS = [
  "CREATE TABLE boats (name TEXT NOT NULL); INSERT INTO boats VALUES ('Vega')",
  "ALTER TABLE boats ADD COLUMN masts INTEGER NOT NULL DEFAULT 1",
  "UPDATE boats SET masts = masts + 1",
];

function schema(known: number) {
  return { applicationId: 77, migrations: STEPS.slice(0, known), what: "the harbour" };
}

function emptyDirectory(t: { after(fn: () => void): void }): string {
  const directory = mkdtempSync(join(tmpdir(), "synctail-migrate-"));
  t.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

function boats(db: DatabaseSync): unknown[] {
  return db.prepare("SELECT * FROM boats").all().map((row) => ({ ...row }));
}

test("openVersioned() creates a file in WAL mode, for its owner alone", (t) => {
  const path = join(emptyDirectory(t), "new.db");

  const db = openVersioned(path, schema(3));

  assert.deepEqual(boats(db), [{ name: "Vega", masts: 2 }]);
  assert.equal(db.prepare("PRAGMA journal_mode").get()?.journal_mode, "wal");
  assert.equal(db.prepare("PRAGMA user_version").get()?.user_version, 3);
  assert.equal(db.prepare("PRAGMA application_id").get()?.application_id, 77);
  assert.equal(db.prepare("PRAGMA busy_timeout").get()?.timeout, 5_000);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  db.close();
});

test("openVersioned() opens a file of today's schema as it is, without a copy", (t) => {
  const path = join(emptyDirectory(t), "today.db");
  openVersioned(path, schema(3)).close();

  const db = openVersioned(path, schema(3));

  assert.deepEqual(boats(db), [{ name: "Vega", masts: 2 }]);
  assert.equal(existsSync(`${path}.v3.bak`), false);
  db.close();
});

test("openVersioned() opens a file of today's schema beside one who writes to it", (t) => {
  const path = join(emptyDirectory(t), "today.db");
  const writer = openVersioned(path, schema(3));
  writer.exec("BEGIN IMMEDIATE");

  const db = openVersioned(path, { ...schema(3), busyMs: 0 });

  assert.deepEqual(boats(db), [{ name: "Vega", masts: 2 }]);
  db.close();
  writer.close();
});

test("openVersioned() copies an older file, then runs the missing steps alone", (t) => {
  const path = join(emptyDirectory(t), "old.db");
  const old = openVersioned(path, schema(1));
  old.exec("INSERT INTO boats VALUES ('Lyra')");
  old.close();

  const db = openVersioned(path, schema(3));

  assert.deepEqual(boats(db), [{ name: "Vega", masts: 2 }, { name: "Lyra", masts: 2 }]);
  db.close();
  assert.equal(statSync(`${path}.v1.bak`).mode & 0o777, 0o600);
  const copy = openVersioned(`${path}.v1.bak`, schema(1));
  assert.deepEqual(boats(copy), [{ name: "Vega" }, { name: "Lyra" }]);
  copy.close();
});

test("openVersioned() removes what killed processes have left of a copy, and no other file", async (t) => {
  const directory = emptyDirectory(t);
  const path = join(directory, "old.db");
  openVersioned(path, schema(1)).close();
  const gone = spawn("true");
  await once(gone, "exit");
  const left = ["tmp", "tmp-wal", "tmp-journal"].map((end) => `v1.${gone.pid}.${end}`);
  left.push(`v1.${process.pid}.tmp-wal`);
  const kept = [`v1.${process.ppid}.tmp`, "v1.old", `v1.${gone.pid}.tmp.gz`];
  for (const name of [...left, ...kept]) writeFileSync(`${path}.${name}`, "x");

  openVersioned(path, schema(3)).close();

  const names = ["v1.bak", ...kept].map((name) => `old.db.${name}`);
  assert.deepEqual(readdirSync(directory).sort(), ["old.db", ...names].sort());
});

test("openVersioned() of a link leaves the copy on the file's own disk", (t) => {
  const directory = emptyDirectory(t);
  mkdirSync(join(directory, "big"));
  openVersioned(join(directory, "big", "old.db"), schema(1)).close();
  symlinkSync(join("big", "old.db"), join(directory, "old.db"));

  openVersioned(join(directory, "old.db"), schema(3)).close();

  assert.deepEqual(readdirSync(directory).sort(), ["big", "old.db"]);
  assert.deepEqual(readdirSync(join(directory, "big")).sort(), ["old.db", "old.db.v1.bak"]);
});

test("openVersioned() makes no copy of a file that another process brings up to date meanwhile", (t) => {
  const directory = emptyDirectory(t);
  const path = join(directory, "old.db");
  openVersioned(path, schema(1)).close();
  // Whether the process lives that has begun this copy is asked before the file is copied.
  writeFileSync(`${path}.v1.999999999.tmp`, "");
  const { kill } = process;
  t.after(() => void (process.kill = kill));
  process.kill = () => {
    process.kill = kill;
    openVersioned(path, schema(3)).close();
    return true;
  };

  openVersioned(path, schema(3)).close();

  assert.deepEqual(readdirSync(directory).filter((name) => name.endsWith(".bak")), [
    "old.db.v1.bak",
  ]);
});

test("openVersioned() leaves the file as it was where a step fails, and one copy of it", (t) => {
  const directory = emptyDirectory(t);
  const path = join(directory, "stuck.db");
  openVersioned(path, schema(1)).close();
  const broken = [...STEPS.slice(0, 2), "CREATE TABLE piers (n); SELECT * FROM nowhere"];

  assert.throws(
    () => openVersioned(path, { ...schema(0), migrations: broken }),
    (error: Error) => {
      assert.ok(error.message.startsWith(`Cannot open the harbour "${path}": no such table`));
      assert.ok(error.cause instanceof Error);
      return true;
    },
  );

  const old = openVersioned(path, schema(1));
  assert.equal(old.prepare("PRAGMA user_version").get()?.user_version, 1);
  const tables = old.prepare("SELECT name FROM sqlite_schema").all().map((row) => row.name);
  assert.deepEqual([tables, boats(old)], [["boats"], [{ name: "Vega" }]]);
  old.close();
  openVersioned(path, schema(3)).close();
  assert.deepEqual(readdirSync(directory).sort(), ["stuck.db", "stuck.db.v1.bak"]);
});

test("openVersioned() refuses a file of a newer synctail", (t) => {
  const path = join(emptyDirectory(t), "newer.db");
  openVersioned(path, schema(3)).close();

  assert.throws(() => openVersioned(path, schema(2)), {
    name: "StoreVersionError",
    message: `Cannot open the harbour "${path}": ` +
      "it was written by a newer synctail (schema 3, this one knows 2)",
  });
  assert.throws(() => openVersioned(path, schema(2)), StoreVersionError);
});

test("openVersioned() refuses another application's database and leaves it as it was", (t) => {
  const path = join(emptyDirectory(t), "other.db");
  const other = new DatabaseSync(path);
  other.exec("CREATE TABLE mail (body TEXT)");
  other.close();
  const before = readFileSync(path);

  assert.throws(() => openVersioned(path, schema(1)), {
    name: "StoreForeignError",
    message:
      `Cannot open the harbour "${path}": it is the database of another application or store`,
  });
  assert.throws(() => openVersioned(path, { ...schema(1), applicationId: 78 }), StoreForeignError);

  assert.deepEqual(readFileSync(path), before);
});

test("openVersioned() takes no step on a damaged file, of which there is no whole copy", (t) => {
  const directory = emptyDirectory(t);
  const path = join(directory, "harbour.db");
  const old = openVersioned(path, schema(1));
  const insert = old.prepare("INSERT INTO boats (name) VALUES (?)");
  for (let n = 0; n < 1_000; n++) insert.run(`boat ${n} `.repeat(10));
  old.close();
  const bytes = readFileSync(path);
  const page = 4_096;
  for (let at = 3 * page; at < 6 * page; at++) bytes[at] = 0xff;
  writeFileSync(path, bytes);

  assert.throws(() => openVersioned(path, schema(3)), /^Error: Cannot open the harbour/);

  assert.deepEqual(readdirSync(directory), ["harbour.db"]);
  const db = new DatabaseSync(path);
  assert.equal(db.prepare("PRAGMA user_version").get()?.user_version, 1);
  db.close();
});

test("openVersioned() refuses a file that is no database and leaves it as it was", (t) => {
  const path = join(emptyDirectory(t), "letter.txt");
  writeFileSync(path, "Dear harbour master, this is not a database at all.");

  assert.throws(() => openVersioned(path, schema(1)), {
    name: "StoreForeignError",
    message: `Cannot open the harbour "${path}": it is not a SQLite database`,
  });

  assert.equal(
    readFileSync(path, "utf8"),
    "Dear harbour master, this is not a database at all.",
  );
});

test("openVersioned() says which file is in a directory that is not there", (t) => {
  const path = join(emptyDirectory(t), "missing", "x.db");

  assert.throws(() => openVersioned(path, schema(1)), (error: Error) => {
    assert.ok(error.message.startsWith(`Cannot open the harbour "${path}": `), error.message);
    return true;
  });
});

for (const known of [0, 1]) {
  test(`openVersioned() takes each step once when six processes start at schema ${known}`, async (t) => {
    const path = join(emptyDirectory(t), "race.db");
    if (known > 0) openVersioned(path, schema(known)).close();
    const child = fileURLToPath(new URL("./migrate_child.ts", import.meta.url));
    const run = process.versions.bun === undefined ? ["run", "-A", child] : ["run", child];

    const exits = await Promise.all(Array.from({ length: 6 }, async () => {
      const stdio: ["ignore", "ignore", "inherit"] = ["ignore", "ignore", "inherit"];
      const started = spawn(process.execPath, [...run, path, JSON.stringify(schema(3))], { stdio });
      const [code] = await once(started, "exit");
      return code;
    }));

    assert.deepEqual(exits, [0, 0, 0, 0, 0, 0]);
    const db = openVersioned(path, schema(3));
    assert.deepEqual(boats(db), [{ name: "Vega", masts: 2 }]);
    db.close();
    assert.equal(existsSync(`${path}.v${known}.bak`), known > 0);
  });
}

test("olderSchema() tells an older file of ours, and makes none where there is none", (t) => {
  const path = join(emptyDirectory(t), "boats.db");

  const none = olderSchema(path, schema(3));
  const made = existsSync(path);
  openVersioned(path, schema(2)).close();

  assert.deepEqual([none, made], [undefined, false]);
  assert.equal(olderSchema(path, schema(3)), 2);
  assert.equal(olderSchema(path, schema(2)), undefined);
  assert.equal(olderSchema(path, { ...schema(3), applicationId: 78 }), undefined);
});
