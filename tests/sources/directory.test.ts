import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { hash } from "node:crypto";
import {
  linkSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { type Clock, systemClock } from "../../src/clock.ts";
import { SqliteIndex } from "../../src/destinations/sqlite_index.ts";
import { files as machine } from "../../src/runtime/files.ts";
import { type DirectoryOptions, directorySource } from "../../src/sources/directory.ts";
import { type FileSystem, wholeNumber } from "../../src/sources/file_system.ts";
import { SourceError, type SourceEvent, type SourceProgress } from "../../src/sources/source.ts";
import { FakeClock } from "../support/fake_clock.ts";
import type { Cleanup } from "../support/program.ts";
import { tempDirectory } from "../support/temp.ts";

/** Long ago, so that a file's stat stands for its content. */
const PAST = new Date("2020-01-01T00:00:00Z");

/** A tree and an index beside it. */
function bench(t: Cleanup) {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const root = join(path, "tree");
  const index = join(path, "index.db");
  mkdirSync(root);
  const write = (key: string, text: string, at = PAST) => {
    const file = join(root, key);
    mkdirSync(join(file, ".."), { recursive: true });
    writeFileSync(file, text);
    utimesSync(file, at, at);
  };
  return {
    root,
    index,
    write,
    remove: (key: string) => rmSync(join(root, key), { recursive: true }),
    keys: () => rows(index).map(({ key }) => key),
    async run(options: Partial<DirectoryOptions> & { clock?: Clock; signal?: AbortSignal } = {}) {
      const { clock = systemClock, signal = new AbortController().signal, ...rest } = options;
      const destination = new SqliteIndex(index);
      const source = directorySource({ path: root, destination, files: machine, ...rest });
      const events: SourceEvent[] = [];
      for await (const event of source.run({ signal, clock })) events.push(event);
      return told(events);
    },
  };
}

function rows(index: string) {
  const db = new DatabaseSync(index, { readOnly: true });
  const found = db.prepare("SELECT * FROM entities ORDER BY key").all();
  db.close();
  return found;
}

/** The counts of the last progress, the log lines, and all progress there was. */
function told(events: readonly SourceEvent[]) {
  const progress = events.filter((event): event is SourceProgress => event.type === "progress");
  const lines = events.flatMap((event) =>
    event.type === "log" ? [`${event.level}: ${event.message}`] : []
  );
  const last = progress[progress.length - 1];
  const { inserted, updated, deleted, kept, skipped } = last;
  return { counts: { inserted, updated, deleted, kept, skipped }, last, lines, progress };
}

const none = { inserted: 0, updated: 0, deleted: 0, kept: 0, skipped: 0 };

test("directorySource() indexes each file by its path, type, size and SHA-256", async (t) => {
  const { run, write, index } = bench(t);
  write("a.TXT", "hello");
  write("sub/b", "");

  const { counts, last } = await run();

  assert.deepEqual(counts, { ...none, inserted: 2 });
  assert.deepEqual(last.encountered, { txt: 1, none: 1 });
  assert.deepEqual([last.total, last.bytesDone, last.bytesTotal, last.current], [
    2,
    5,
    5,
    undefined,
  ]);
  assert.deepEqual(rows(index).map(({ key, type, size, hash }) => [key, type, size, hash]), [
    ["a.TXT", "txt", 5, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"],
    ["sub/b", "none", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
  ]);
});

test("directorySource() tells what really changed since: inserted, updated, deleted, kept", async (t) => {
  const { run, write, remove, keys } = bench(t);
  for (const key of ["keep", "change", "gone", "dir/gone", "touch"]) write(key, key);
  await run();

  write("new", "new");
  write("change", "changed");
  write("touch", "touch", new Date("2021-01-01"));
  remove("gone");
  remove("dir");
  const { counts } = await run();
  const again = await run();

  assert.deepEqual(counts, { ...none, inserted: 1, updated: 1, deleted: 2, kept: 2 });
  assert.deepEqual(again.counts, { ...none, kept: 4 });
  assert.deepEqual(keys(), ["change", "keep", "new", "touch"]);
});

test("directorySource() knows an unchanged file without reading it", async (t) => {
  const { run, write } = bench(t);
  write("a", "x");
  await run();
  const opened: string[] = [];
  const files: FileSystem = {
    ...machine,
    open(path) {
      opened.push(path);
      return machine.open(path);
    },
  };

  const { counts } = await run({ files });

  assert.deepEqual(counts, { ...none, kept: 1 });
  assert.deepEqual(opened, []);
});

test("directorySource() reads a file again that was fresh when it was indexed", async (t) => {
  const { run, write } = bench(t);
  const clock = new FakeClock();
  const fresh = new Date(clock.now() - 900);
  write("a", "one", fresh);
  await run({ clock });

  write("a", "two", fresh);
  const { counts } = await run();

  assert.deepEqual(counts, { ...none, updated: 1 });
});

test("directorySource() knows a file that was fresh once it has read it again", async (t) => {
  const { run, write } = bench(t);
  const clock = new FakeClock();
  write("a", "one", new Date(clock.now() - 900));
  await run({ clock });
  await run();
  const opened: string[] = [];
  const files = faulty((real) => ({ open: (path) => (opened.push(path), real.open(path)) }));

  const { counts } = await run({ files });

  assert.deepEqual([counts, opened], [{ ...none, kept: 1 }, []]);
});

test("directorySource() meets keys in the order of their bytes, also where UTF-16 has another", async (t) => {
  const { run, write, keys } = bench(t);
  const names = ["a.b", "a/b", "a-b", "a0", "Ä", "\u{1f600}", "\uffee", "z"];
  for (const name of names) write(name, name);
  await run();

  const { counts } = await run();

  assert.deepEqual(counts, { ...none, kept: names.length });
  assert.deepEqual(keys(), ["a-b", "a.b", "a/b", "a0", "z", "Ä", "\uffee", "\u{1f600}"]);
});

test("directorySource() skips links, loops of links and what is no file, each with a line", async (t) => {
  const { run, write, root } = bench(t);
  write("real", "x");
  symlinkSync(".", join(root, "loop"));
  symlinkSync("real", join(root, "link"));
  symlinkSync("nowhere", join(root, "broken"));

  const { counts, lines } = await run();

  assert.deepEqual(counts, { ...none, inserted: 1, skipped: 3 });
  assert.deepEqual(lines.sort(), [
    'info: Skipped "broken": it is a link',
    'info: Skipped "link": it is a link',
    'info: Skipped "loop": it is a link',
  ]);
});

test("directorySource() skips a file that is too large, and forgets what it knew of it", async (t) => {
  const { run, write, keys } = bench(t);
  write("big", "1234");
  await run();

  const { counts, lines } = await run({ maxFileBytes: 3 });

  assert.deepEqual(counts, { ...none, skipped: 1, deleted: 1 });
  assert.deepEqual(lines, ['info: Skipped "big": it has 4 bytes, more than 3']);
  assert.deepEqual(keys(), []);
});

/** The machine's file system with some calls in its place; `fault` is thrown as the system would. */
function faulty(
  changes: (real: FileSystem, fault: (code: string) => Error) => Partial<FileSystem>,
): FileSystem {
  const fault = (code: string) => Object.assign(new Error(code), { code });
  return { ...machine, ...changes(machine, fault) };
}

test("directorySource() leaves what it knows of a file that cannot be read now", async (t) => {
  const { run, write, keys } = bench(t);
  write("secret", "x");
  await run();
  write("secret", "xy");
  const files = faulty((real, fault) => ({
    open(path) {
      if (path.endsWith("secret")) throw fault("EACCES");
      return real.open(path);
    },
  }));

  const { counts, lines, last } = await run({ files });

  assert.deepEqual(counts, { ...none, skipped: 1 });
  assert.deepEqual(lines, ['warning: Skipped "secret": it cannot be read (EACCES)']);
  assert.equal(last.warnings, 1);
  assert.deepEqual(keys(), ["secret"]);
});

test("directorySource() deletes nothing below a directory that cannot be listed", async (t) => {
  const { run, write, keys } = bench(t);
  for (const key of ["a", "dir/b", "dir/sub/c", "dir.txt", "e"]) write(key, key);
  await run();
  const files = faulty((real, fault) => ({
    list(path) {
      if (path.endsWith("/dir/")) throw fault("EIO");
      return real.list(path);
    },
  }));

  const { counts, lines } = await run({ files });

  assert.deepEqual(counts, { ...none, kept: 3, skipped: 1 });
  assert.deepEqual(lines, [
    'warning: Cannot list "dir/": EIO; the 2 known below it are left as they are',
  ]);
  assert.equal(keys().length, 5);
});

test("directorySource() skips what Deno keeps programs out of, and goes on", async (t) => {
  const { root, run, write } = bench(t);
  for (const key of ["a", "b", "dev/c"]) write(key, key);
  const refuse = (path: string) => {
    const words = `Requires all access to "${path}", run again with the --allow-all flag`;
    throw Object.assign(new Error(words), { name: "NotCapable" });
  };
  const files = faulty((real) => ({
    list: (path) => path.endsWith("/dev/") ? refuse(path) : real.list(path),
    open: (path) => path.endsWith("/b") ? refuse(path) : real.open(path),
  }));

  const { counts, lines } = await run({ files });

  assert.deepEqual(counts, { ...none, inserted: 1, skipped: 2 });
  assert.deepEqual(lines, [
    `warning: Skipped "b": it cannot be read (Deno's permissions do not allow it)`,
    `warning: Cannot list "dev/": Deno's permissions do not allow it; the 0 known below it are left as they are`,
  ]);
  await assert.rejects(
    run({ files: { ...machine, realPath: refuse } }),
    new SourceError(
      "source_unreadable",
      `Cannot read the directory "${root}": Deno's permissions do not allow it`,
    ),
  );
});

test("directorySource() says in words that it may not read its directory", async (t) => {
  const { root, run } = bench(t);
  const list = () => {
    throw Object.assign(new Error("EACCES: permission denied"), { code: "EACCES" });
  };

  await assert.rejects(
    run({ files: { ...machine, list } }),
    new SourceError(
      "source_unreadable",
      `Cannot read the directory "${root}": reading it is not permitted (EACCES)`,
    ),
  );
});

test("directorySource() takes a file that vanishes before it is read for deleted", async (t) => {
  const { run, write, remove, keys } = bench(t);
  write("known", "x");
  write("late", "x");
  await run();
  write("known", "xy");
  const files = faulty((real) => ({
    open(path) {
      if (path.endsWith("known")) remove("known");
      return real.open(path);
    },
  }));

  const { counts, lines } = await run({ files });

  assert.deepEqual(counts, { ...none, kept: 1, deleted: 1 });
  assert.deepEqual(lines, ['debug: "known" has vanished']);
  assert.deepEqual(keys(), ["late"]);
});

test("directorySource() marks a file that changes under every reading, and reads it in the next run", async (t) => {
  const { run, write, index } = bench(t);
  write("busy", "0");
  let writes = 0;
  const files = faulty((real) => ({
    read(file, buffer) {
      const read = real.read(file, buffer);
      write("busy", "x".repeat(++writes + 1));
      return read;
    },
  }));

  const { counts, lines } = await run({ files });
  const marked = rows(index)[0].settled;
  const after = await run();

  assert.deepEqual(counts, { ...none, inserted: 1 });
  assert.deepEqual(lines, [
    'warning: "busy" changed while it was read; the next run reads it again',
  ]);
  assert.equal(marked, 0);
  assert.deepEqual(after.counts, { ...none, updated: 1 });
});

test("directorySource() skips names that are no UTF-8 with a line, and goes on", async (t) => {
  const { run, write } = bench(t);
  write("ok", "x");
  const files = faulty((real, fault) => ({
    list: (
      path,
    ) => [...real.list(path), { name: "a\ufffd", directory: false }, {
      name: "d\ufffd",
      directory: true,
    }],
    stat(path) {
      if (path.includes("\ufffd")) throw fault("ENOENT");
      return real.stat(path);
    },
  }));
  const listed = files.list;
  files.list = (path) => {
    if (path.includes("\ufffd")) throw Object.assign(new Error("ENOENT"), { code: "ENOENT" });
    return listed(path);
  };

  const { counts, lines } = await run({ files });

  assert.deepEqual(counts, { ...none, inserted: 1, skipped: 2 });
  assert.deepEqual(lines, [
    'warning: Skipped "a\ufffd": it cannot be read (its name is no UTF-8)',
    'warning: Cannot list "d\ufffd/": its name is no UTF-8; the 0 known below it are left as they are',
  ]);
});

test("directorySource() takes two names that read the same for one file and one without a name", async (t) => {
  const { run, write } = bench(t);
  for (const key of ["a\ufffd", "d\ufffd/x", "z"]) write(key, "x");
  // A name that is no UTF-8 beside one that really has U+FFFD in it.
  const twins = faulty((real) => ({
    list: (path) =>
      real.list(path).flatMap((one) => one.name.endsWith("\ufffd") ? [one, one] : [one]),
  }));

  const first = await run({ files: twins });
  const second = await run({ files: twins });

  assert.deepEqual(first.counts, { ...none, inserted: 3, skipped: 2 });
  assert.deepEqual(second.counts, { ...none, kept: 3, skipped: 2 });
  assert.equal(second.last.total, 5);
});

test("directorySource() of an empty tree is complete at nothing", async (t) => {
  const { counts, last } = await bench(t).run();

  assert.deepEqual([counts, last.total, last.bytesTotal], [none, 0, 0]);
});

for (
  const [what, path, reason] of [["that is gone", "gone", "there is no such directory"], [
    "that is a file",
    "file",
    "it is not a directory",
  ]] as const
) {
  test(`directorySource() of a tree ${what} fails and deletes nothing`, async (t) => {
    const { run, write, root, keys } = bench(t);
    write("file", "x");
    await run();

    await assert.rejects(
      run({ path: join(root, path) }),
      (error) =>
        error instanceof SourceError && error.code === "source_unreadable" &&
        error.message.endsWith(reason),
    );
    assert.deepEqual(keys(), ["file"]);
  });
}

test("directorySource() refuses an index of another tree rather than emptying it", async (t) => {
  const { run, write, root, keys } = bench(t);
  write("sub/a", "x");
  await run();

  await assert.rejects(run({ path: join(root, "sub") }), { code: "destination_of_other_source" });
  assert.deepEqual(keys(), ["sub/a"]);
});

test("directorySource() refuses another application's database and leaves it alone", async (t) => {
  const { run, index } = bench(t);
  const db = new DatabaseSync(index);
  db.exec("CREATE TABLE theirs (x); PRAGMA application_id = 7");
  db.close();

  await assert.rejects(run(), { code: "destination_foreign" });
  const after = new DatabaseSync(index);
  assert.equal(after.prepare("SELECT count(*) AS n FROM theirs").get()?.n, 0);
  after.close();
});

test("directorySource() fails, and deletes nothing, when the tree goes while it is read", async (t) => {
  const { run, write, root, keys } = bench(t);
  for (const key of ["a", "b", "dir/c"]) write(key, key);
  await run();
  for (const key of ["a", "b", "dir/c"]) write(key, "changed");
  const files = faulty((real) => ({
    open(path) {
      if (path.endsWith("a")) renameSync(root, `${root}-away`);
      return real.open(path);
    },
  }));

  await assert.rejects(
    run({ files }),
    (error) =>
      error instanceof SourceError && error.code === "source_unreadable" &&
      error.message.endsWith("any more: it has vanished"),
  );
  assert.deepEqual(keys(), ["a", "b", "dir/c"]);
});

test("directorySource() fails, and deletes nothing, when an empty tree has taken the place of its own", async (t) => {
  const { run, write, root, keys } = bench(t);
  for (const key of ["a", "dir/c"]) write(key, key);
  await run();
  let listed = 0;
  const files = faulty((real) => ({
    list(path) {
      if (++listed === 2) { // the first is the look whether it is there
        renameSync(root, `${root}-away`);
        mkdirSync(root);
      }
      return real.list(path);
    },
  }));

  await assert.rejects(run({ files }), { code: "source_unreadable" });
  assert.deepEqual(keys(), ["a", "dir/c"]);
});

test("directorySource() deletes nothing that is there, whatever a listing leaves out or tells twice", async (t) => {
  const { run, write, keys } = bench(t);
  for (const key of ["a", "b", "d/c", "gone", "z"]) write(key, key);
  await run();
  // As tmpfs lists a directory in which files are renamed to these names meanwhile.
  const files = faulty((real) => ({
    list: (path) =>
      real.list(path).flatMap((one) =>
        one.name === "a" ? [one, one] : ["b", "d", "gone", "z"].includes(one.name) ? [] : [one]
      ),
    stat(path) {
      if (path.endsWith("/gone")) throw Object.assign(new Error("gone"), { code: "ENOENT" });
      return real.stat(path);
    },
  }));
  write("z", "changed");

  const { counts, lines, last } = await run({ files });

  assert.deepEqual(counts, { ...none, kept: 3, updated: 1, deleted: 1 });
  assert.deepEqual(lines, []);
  assert.equal(last.total, 4);
  assert.deepEqual(keys(), ["a", "b", "d/c", "z"]);
});

test("directorySource() takes a file for renamed where only the case of its name has changed", async (t) => {
  const { run, write, root, keys } = bench(t);
  for (const key of ["A.txt", "D/x", "z"]) write(key, key);
  await run();
  for (const name of ["A.txt", "D"]) {
    renameSync(join(root, name), join(root, `${name}-`));
    renameSync(join(root, `${name}-`), join(root, name.toLowerCase()));
  }
  // As vfat and SMB find it by either name.
  const lower = (path: string) => root + path.slice(root.length).toLowerCase();
  const files = faulty((real) => ({
    list: (path) => real.list(lower(path)),
    stat: (path) => real.stat(lower(path)),
    realPath: (path) => path,
  }));

  const { counts } = await run({ files });

  assert.deepEqual(counts, { ...none, inserted: 2, kept: 1, deleted: 2 });
  assert.deepEqual(keys(), ["a.txt", "d/x", "z"]);
});

test("directorySource() forgets what is behind a link, and what it is told to leave out since", async (t) => {
  const { run, write, remove, keys, root } = bench(t);
  for (const key of ["d/a", "e/b", "f"]) write(key, key);
  await run();
  remove("d");
  symlinkSync("e", join(root, "d"));

  const { counts } = await run({ exclude: [join(root, "f")] });

  assert.deepEqual(counts, { ...none, kept: 1, skipped: 1, deleted: 2 });
  assert.deepEqual(keys(), ["e/b"]);
});

test("directorySource() fails, and deletes nothing, when the tree cannot be listed any more", async (t) => {
  const { run, write, keys } = bench(t);
  write("a", "x");
  await run();
  let listed = 0;
  const files = faulty((real, fault) => ({
    list(path) {
      if (++listed > 1) throw fault("EIO"); // once when it starts
      return real.list(path);
    },
  }));

  await assert.rejects(run({ files }), { code: "source_unreadable" });
  assert.deepEqual(keys(), ["a"]);
});

/** Lets go of a lock while it is waited for. */
function unlocking(other: DatabaseSync): Clock {
  let pauses = 0;
  return {
    ...systemClock,
    after(ms, fire) {
      if (++pauses === 3) other.exec("ROLLBACK");
      return systemClock.after(ms, fire);
    },
  };
}

test("directorySource() waits for who has locked its index, and holds nobody up meanwhile", async (t) => {
  const { run, write, index, keys } = bench(t);
  await run();
  for (const key of ["a", "b"]) write(key, key);
  const other = new DatabaseSync(index);
  other.exec("BEGIN IMMEDIATE");

  const { counts } = await run({ clock: unlocking(other) });

  other.close();
  assert.deepEqual(counts, { ...none, inserted: 2 });
  assert.deepEqual(keys(), ["a", "b"]);
});

test("directorySource() waits in the same way for an index that it cannot even open", async (t) => {
  const { run, write, index, keys } = bench(t);
  write("a", "x");
  const other = new DatabaseSync(index);
  other.exec("BEGIN EXCLUSIVE");

  await run({ clock: unlocking(other) });

  other.close();
  assert.deepEqual(keys(), ["a"]);
});

test("directorySource() fails where its index stays locked", async (t) => {
  const { run, write, index } = bench(t);
  await run();
  write("a", "x");
  const other = new DatabaseSync(index);
  other.exec("BEGIN IMMEDIATE");
  const clock = new FakeClock();
  const after = clock.after.bind(clock);
  clock.after = (ms, fire) => {
    queueMicrotask(() => clock.advance(ms));
    return after(ms, fire);
  };

  await assert.rejects(run({ clock }), { code: "destination_unwritable" });
  other.close();
  assert.ok(clock.monotonic() >= 5_000);
});

test("directorySource() fails with storage_full rather than blaming the files", async (t) => {
  const { run, write, index } = bench(t);
  for (let n = 0; n < 200; n++) write(`${n}`.padEnd(250, "x"), "x");
  const destination = new SqliteIndex(index, (db) => db.exec("PRAGMA max_page_count = 8"));

  await assert.rejects(
    run({ destination }),
    (error) => error instanceof SourceError && error.code === "storage_full",
  );
});

test("directorySource() does not index its own index nor what it is told to leave out", async (t) => {
  const { run, write, root } = bench(t);
  write("a", "x");
  write("data/log.db", "x");
  symlinkSync(root, `${root}-link`);
  const destination = new SqliteIndex(join(`${root}-link`, "own", "index.db"));
  const exclude = [join(`${root}-link`, "data")];

  const first = await run({ destination, exclude });
  const second = await run({ destination, exclude });

  assert.deepEqual(first.counts, { ...none, inserted: 1 });
  assert.deepEqual(second.counts, { ...none, kept: 1 });
});

test("directorySource() forgets a file whose place a link has taken, also in the moment of opening", async (t) => {
  const { run, write, root, keys, remove } = bench(t);
  write("a", "x");
  write("b", "x");
  await run();
  write("b", "xy");
  remove("a");
  symlinkSync("b", join(root, "a"));
  const files = faulty((real) => ({
    open(path) {
      remove("b");
      symlinkSync("a", path);
      return real.open(path);
    },
  }));

  const { counts, lines } = await run({ files });

  assert.deepEqual(counts, { ...none, skipped: 2, deleted: 2 });
  assert.deepEqual(lines, [
    'info: Skipped "a": it is a link',
    'info: Skipped "b": it is a link',
  ]);
  assert.deepEqual(keys(), []);
});

const CHANGES = {
  changes: (file: string) => writeFileSync(file, "new"),
  "is replaced"(file: string) {
    writeFileSync(`${file}~`, "new");
    renameSync(`${file}~`, file);
  },
};
for (const when of ["before it is opened", "while it is open", "once it is read"] as const) {
  for (const [how, change] of Object.entries(CHANGES)) {
    test(`directorySource() tells the hash of the state that it tells of, of a file that ${how} ${when}`, async (t) => {
      const { run, write, root, index } = bench(t);
      write("a", "old");
      const file = join(root, "a");
      const old = machine.stat(file);
      let changed = false;
      const at = (now: typeof when) => {
        if (now !== when || changed) return;
        changed = true;
        change(file);
      };
      const files = faulty((real) => ({
        open(path) {
          at("before it is opened");
          const open = real.open(path);
          at("while it is open");
          return open;
        },
        read(open, buffer) {
          const read = real.read(open, buffer);
          at("once it is read");
          return read;
        },
      }));

      await run({ files });
      const [row] = rows(index);
      await run();
      const [next] = rows(index);

      const isOld = row.inode === old.inode && row.mtime_ms === old.mtimeMs;
      assert.equal(row.hash, hash("sha256", isOld ? "old" : "new"));
      assert.deepEqual([next.hash, next.inode], [hash("sha256", "new"), machine.stat(file).inode]);
    });
  }
}

test("directorySource() gives up a file that grows beyond the limit while it is read", async (t) => {
  const { run, write, keys } = bench(t);
  write("log", "1234");
  const files = faulty(() => ({ read: (_, buffer) => buffer.byteLength }));

  const { counts, lines } = await run({ files, maxFileBytes: 2_500_000 });

  assert.deepEqual(counts, { ...none, skipped: 1 });
  assert.deepEqual(lines, ['info: Skipped "log": it has 3145728 bytes, more than 2500000']);
  assert.deepEqual(keys(), []);
});

test("directorySource() takes a file for fresh that changed just before a long reading", async (t) => {
  const { run, write, index } = bench(t);
  const clock = new FakeClock();
  const startedAtMs = clock.now();
  write("a", "one", new Date(startedAtMs - 500));
  const files = faulty((real) => ({
    read(file, buffer) {
      clock.advance(60_000);
      return real.read(file, buffer);
    },
  }));

  await run({ files, clock });

  assert.equal(rows(index)[0].settled, 0);
});

test("directorySource() writes nothing for unchanged files, and only the stamp of touched ones", async (t) => {
  const { run, write, index } = bench(t);
  write("same", "x");
  write("touched", "x");
  await run();
  write("touched", "x", new Date("2021-01-01"));
  const real = new SqliteIndex(index);
  const puts: string[] = [];
  const destination = {
    paths: real.paths,
    open(source: string) {
      const session = real.open(source);
      const put = session.put.bind(session);
      session.put = (row) => (puts.push(row.key), put(row));
      return session;
    },
  };

  const { counts } = await run({ destination });
  await run({ destination });

  assert.deepEqual(counts, { ...none, kept: 2 });
  assert.deepEqual(puts, ["touched"]);
});

test("directorySource() lists and stats once what it counted a moment ago", async (t) => {
  const { run, write, root } = bench(t);
  for (const key of ["a", "d/b", "e/f/c"]) write(key, key);
  await run();
  write("d/b", "changed");
  const calls: string[] = [];
  const files = faulty((real) => ({
    list: (path) => (calls.push(`list ${path}`), real.list(path)),
    stat: (path) => (calls.push(`stat ${path}`), real.stat(path)),
    lookAgain: (file, path) => (calls.push("look again"), real.lookAgain(file, path)),
  }));
  const clock = { ...systemClock, monotonic: () => 60_000 }; // as in a server that has run for long

  const { counts } = await run({ files, clock });

  assert.deepEqual(counts, { ...none, updated: 1, kept: 2 });
  assert.deepEqual(calls.map((call) => call.replace(root, "")), [
    "list ", // whether it is there
    "stat ",
    "list ",
    "stat /a",
    "list /d/",
    "stat /d/b",
    "list /e/",
    "list /e/f/",
    "stat /e/f/c",
    "look again",
  ]);
});

test("directorySource() looks again at what it counted long ago", async (t) => {
  const { run, write, remove, root, keys } = bench(t);
  const known = ["a", "a0", "b.x", "b/a/x", "b/z", "c/gone", "c/kept", "d/gone", "e"];
  for (const key of known) write(key, key);
  await run();
  write("a", "changed");
  const clock = new FakeClock();
  let listed: string[] = [];
  const files = faulty((real) => ({
    list: (path) => (listed.push(path.slice(root.length)), real.list(path)),
    open(path) {
      if (path.endsWith("/a")) {
        clock.advance(60_000);
        listed = [];
        write("0", "is met by the next run");
        write("b/a/new", "new");
        write("b/z", "changed");
        remove("c/gone");
        remove("d");
      }
      return real.open(path);
    },
  }));

  const { counts, last, lines } = await run({ files, clock });
  const met = listed;
  const next = await run();

  assert.deepEqual(counts, { ...none, inserted: 1, updated: 2, deleted: 2, kept: 5 });
  assert.deepEqual([last.total, lines], [8, []]);
  assert.deepEqual(met, ["", "/b/", "/b/a/", "/c/"]);
  assert.deepEqual(next.counts, { ...none, inserted: 1, kept: 8 });
  assert.deepEqual(keys(), ["0", "a", "a0", "b.x", "b/a/new", "b/a/x", "b/z", "c/kept", "e"]);
});

test("directorySource() reads a file again that was changed since it was counted, without a warning", async (t) => {
  const { run, write, index } = bench(t);
  write("a", "first");
  const files = faulty((real) => ({
    open(path) {
      write("a", "2nd", new Date("2021-01-01"));
      return real.open(path);
    },
  }));

  const { counts, lines, last } = await run({ files });

  assert.deepEqual([counts, lines, last.bytesDone], [{ ...none, inserted: 1 }, [], 3]);
  assert.deepEqual(rows(index).map(({ size, settled }) => [size, settled]), [[3, 1]]);
});

for (const [what, code] of [["a directory", "EISDIR"], ["a fifo", undefined]] as const) {
  test(`directorySource() forgets a file whose place ${what} has taken since it was counted`, async (t) => {
    const { run, write, remove, root, keys } = bench(t);
    write("a", "x");
    await run();
    write("a", "xy");
    const files = faulty((real) => ({
      open(path) {
        remove("a");
        if (code) mkdirSync(path);
        else execFileSync("mkfifo", [join(root, "a")]);
        return real.open(path);
      },
    }));

    const { counts, lines } = await run({ files });

    assert.deepEqual(counts, { ...none, skipped: 1, deleted: 1 });
    assert.deepEqual(lines, ['info: Skipped "a": it is not a file']);
    assert.deepEqual(keys(), []);
  });
}

test("directorySource() closes a file whose reading is broken off", async (t) => {
  const { root, write, index } = bench(t);
  write("big", "x".repeat(100));
  let nowMs = 0;
  let open = 0;
  const clock: Clock = { ...systemClock, monotonic: () => nowMs };
  const files = faulty((real) => ({
    open: (path) => (open++, real.open(path)),
    close: (file) => (open--, real.close(file)),
    read: (file, buffer) => (nowMs += 10, real.read(file, buffer.subarray(0, 1))),
  }));
  const source = directorySource({ path: root, destination: new SqliteIndex(index), files });
  const stop = new AbortController();
  let wasOpen = 0;

  for await (const _ of source.run({ signal: stop.signal, clock })) {
    wasOpen = Math.max(wasOpen, open);
    if (open > 0) stop.abort();
  }

  assert.deepEqual([wasOpen, open], [1, 0]);
});

test("directorySource() stops at its signal and leaves an index that the next run repairs", async (t) => {
  const { run, write, root, index, keys } = bench(t);
  for (let n = 0; n < 50; n++) write(`f${String(n).padStart(2, "0")}`, "x");
  const stop = new AbortController();
  let seen = 0;
  const files = faulty((real) => ({
    open(path) {
      if (++seen === 20) stop.abort();
      return real.open(path);
    },
  }));

  const source = directorySource({ path: root, destination: new SqliteIndex(index), files });
  const events: SourceEvent[] = [];
  for await (const event of source.run({ signal: stop.signal, clock: systemClock })) {
    events.push(event);
  }
  const left = keys().length;
  const { counts } = await run();

  assert.ok(left >= 19 && left <= 20, `${left} rows`);
  assert.equal(told(events).last.inserted, left);
  assert.deepEqual(counts, { ...none, inserted: 50 - left, kept: left });
});

test("directorySource() tells no totals of what is not written yet", async (t) => {
  const { root, write, index } = bench(t);
  for (let n = 0; n < 200; n++) write(`f${n}`, "x");
  let nowMs = 0;
  const clock: Clock = { ...systemClock, monotonic: () => nowMs++ };
  const source = directorySource({ path: root, destination: new SqliteIndex(index) });
  const inserted: number[] = [];

  for await (const event of source.run({ signal: new AbortController().signal, clock })) {
    if (event.type !== "progress") continue;
    inserted.push(event.inserted);
    if (event.inserted > 0) assert.ok(rows(index).length >= event.inserted);
  }

  assert.equal(inserted.at(-1), 200);
  assert.ok(new Set(inserted).size > 5, `${inserted}`);
});

test("directorySource({maxPerS}) spends the time that the pace asks for, and says so", async (t) => {
  const { root, write, index } = bench(t);
  for (let n = 0; n < 20; n++) write(`f${n}`, "x");
  const clock = new FakeClock();
  const source = directorySource({ path: root, destination: new SqliteIndex(index), maxPerS: 10 });
  const events = source.run({ signal: new AbortController().signal, clock });
  const progress: SourceProgress[] = [];
  let next = events.next();

  for (let done = false; !done;) {
    const turn = new Promise<"turn">((resolve) => setImmediate(() => resolve("turn")));
    const result = await Promise.race([next, turn]);
    if (result === "turn") {
      if (clock.waiting > 0) clock.advance(50); // else it is at work
    } else {
      done = result.done === true;
      if (!done && result.value?.type === "progress") progress.push(result.value);
      next = events.next();
    }
  }

  assert.equal(progress.at(-1)?.inserted, 20);
  assert.equal(progress.at(-1)?.paced, true);
  const tookMs = clock.monotonic();
  assert.ok(tookMs >= 1_900 && tookMs <= 2_300, `20 files at 10 a second took ${tookMs} ms`);
});

test("directorySource() hands control back within 8 ms of work, also from within a file", async (t) => {
  const { run, write } = bench(t);
  for (let n = 0; n < 60; n++) write(`f${n}`, "x");
  // Every call of the file system takes a millisecond of this clock, and nothing else does.
  let nowMs = 0;
  const clock: Clock = { ...systemClock, monotonic: () => nowMs };
  const files = faulty((real) => ({
    stat: (path) => (nowMs++, real.stat(path)),
    open: (path) => (nowMs++, real.open(path)),
    read: (file, buffer) => (nowMs++, real.read(file, buffer)),
  }));
  const turns: number[] = [];
  let running = true;
  const watch = () => {
    turns.push(nowMs);
    if (running) setImmediate(watch);
  };
  setImmediate(watch);

  await run({ clock, files });
  running = false;

  const gaps = turns.slice(1).map((ms, n) => ms - turns[n]);
  assert.ok(Math.max(...gaps) <= 8, `the longest stretch of work was ${Math.max(...gaps)} ms`);
  assert.ok(nowMs > 150);
});

test("directorySource() hands control back also where there are only directories, or only deletions", async (t) => {
  const { run, write, root, remove } = bench(t);
  for (let n = 0; n < 40; n++) write(`d/${n}`, "x");
  await run();
  remove("d");
  for (let n = 0; n < 40; n++) mkdirSync(join(root, `e${n}`));
  // Every look at the clock takes a millisecond of it.
  let nowMs = 0;
  const clock: Clock = { ...systemClock, monotonic: () => nowMs++ };
  let turns = 0;
  let running = true;
  const watch = () => {
    turns++;
    if (running) setImmediate(watch);
  };
  setImmediate(watch);

  const { counts } = await run({ clock });
  running = false;

  assert.deepEqual(counts, { ...none, deleted: 40 });
  // 40 directories to count, 40 to walk, 40 rows to remove: a slice holds no more than 8 of them.
  assert.ok(turns >= 120 / 8, `${turns} turns`);
});

test(
  "directorySource() goes through 100,000 files, tells the total only when it is final, and knows them again",
  { timeout: 120_000 },
  async (t) => {
    const { root, run, write } = bench(t);
    for (let dir = 0; dir < 100; dir++) {
      // Hard links are files too, and much faster to make.
      write(`d${dir}/f0`, "");
      const first = join(root, `d${dir}`, "f0");
      for (let file = 1; file < 1_000; file++) linkSync(first, join(root, `d${dir}`, `f${file}`));
    }

    const first = await run();
    const second = await run();

    assert.deepEqual(first.counts, { ...none, inserted: 100_000 });
    assert.deepEqual(second.counts, { ...none, kept: 100_000 });
    for (const { total, phase } of first.progress) {
      assert.equal(total, phase === "counting" ? undefined : 100_000);
    }
  },
);

test("wholeNumber() of what file systems give as times and inodes comes back from SQLite", () => {
  const db = new DatabaseSync(":memory:");
  const kept = db.prepare("SELECT ? AS value");

  for (const given of [0, 1.9, 2 ** 53 - 1, 2 ** 53, 2 ** 63, 2 ** 64 - 2 ** 11]) {
    const value = wholeNumber(given);
    assert.deepEqual([Number.isSafeInteger(value), kept.get(value)?.value], [true, value]);
  }
  assert.deepEqual([1.9, NaN, Infinity].map(wholeNumber), [1, 0, 0]);
  db.close();
});
