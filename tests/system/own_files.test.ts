import assert from "node:assert/strict";
import {
  lstatSync,
  readFileSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ownFiles } from "../../src/system/own_files.ts";
import { codeOf, reasonOf } from "../../src/reason.ts";
import type { Cleanup } from "../support/program.ts";
import { tempDirectory } from "../support/temp.ts";

/** A directory with a `file` of `text`, a `link` to it and one `astray`, which leads nowhere. */
function tree(t: Cleanup): (name: string) => string {
  const { path, remove } = tempDirectory();
  t.after(remove);
  writeFileSync(join(path, "file"), "text", { mode: 0o640 });
  symlinkSync("file", join(path, "link"));
  symlinkSync("nowhere", join(path, "astray"));
  return (name) => join(path, name);
}

const modeOf = (path: string) => statSync(path).mode & 0o777;

test("what a file is, is told as node:fs does, also behind a link", (t) => {
  const at = tree(t);

  for (
    const [path, facts] of [["file", ownFiles.stat], ["link", ownFiles.stat], [
      "link",
      ownFiles.lstat,
    ]] as const
  ) {
    const { size, mode, uid, dev, ino } = facts === ownFiles.stat
      ? statSync(at(path))
      : lstatSync(at(path));
    assert.deepEqual(facts(at(path)), { size, mode, uid, identity: `${dev} ${ino}` });
  }
  assert.equal(ownFiles.realPath(at("link")), realpathSync(at("file")));
});

test("only what can be seen is there", (t) => {
  const at = tree(t);
  const names = ["file", "link", "astray", "none", "file/below"];

  assert.deepEqual(names.map((name) => ownFiles.exists(at(name))), [
    true,
    true,
    false,
    false,
    false,
  ]);
  assert.deepEqual([ownFiles.stat(at("astray")), ownFiles.stat(at("none"))], [
    undefined,
    undefined,
  ]);
});

test("a directory is made with those that lead to it, and said to be made once", (t) => {
  const at = tree(t);

  const made = [ownFiles.makeDirectory(at("a/b"), 0o700), ownFiles.makeDirectory(at("a/b"), 0o755)];

  assert.deepEqual([made, modeOf(at("a")), modeOf(at("a/b"))], [[true, false], 0o700, 0o700]);
});

test("a file is made empty for its owner alone, and one that is there keeps what it has", (t) => {
  const at = tree(t);

  ownFiles.create(at("new"), 0o600);
  ownFiles.create(at("file"), 0o600);

  assert.deepEqual([ownFiles.readText(at("new")), modeOf(at("new"))], ["", 0o600]);
  assert.deepEqual([ownFiles.readText(at("file")), modeOf(at("file"))], ["text", 0o640]);
});

test("a file's first bytes are as many as there are", (t) => {
  const at = tree(t);

  const read = [3, 9].map((bytes) =>
    new TextDecoder().decode(ownFiles.readFirst(at("file"), bytes))
  );

  assert.deepEqual(read, ["tex", "text"]);
});

test("a text takes the place of all that was in the file, which keeps its permissions", (t) => {
  const at = tree(t);

  ownFiles.writeText(at("file"), "ü", 0o600);
  ownFiles.writeText(at("new"), "new", 0o600);

  assert.equal(readFileSync(at("file"), "utf8"), "ü");
  assert.deepEqual([modeOf(at("file")), modeOf(at("new"))], [0o640, 0o600]);
});

test("a file is removed once, and a link without what it leads to", (t) => {
  const at = tree(t);

  for (const name of ["link", "link", "none"]) ownFiles.remove(at(name));

  assert.deepEqual(["link", "file"].map((name) => ownFiles.exists(at(name))), [false, true]);
});

test("a directory is not removed", (t) => {
  const at = tree(t);
  ownFiles.makeDirectory(at("directory"), 0o700);

  assert.throws(() => ownFiles.remove(at("directory")));

  assert.equal(ownFiles.exists(at("directory")), true);
});

for (
  const [what, act, words] of [
    [
      "lstat of nothing",
      (at) => ownFiles.lstat(at("none")),
      /^ENOENT: no such file or directory, lstat '.*none'$/,
    ],
    [
      "stat below a file",
      (at) => ownFiles.stat(at("file/below")),
      /^ENOTDIR: not a directory, stat '.*below'$/,
    ],
    ["real path of a link astray", (at) => ownFiles.realPath(at("astray")), /^ENOENT: /],
    [
      "directory in a file's place",
      (at) => ownFiles.makeDirectory(at("file"), 0o700),
      /^EEXIST: file (already )?exists, mkdir '.*file'$/,
    ],
    [
      "directory below a file",
      (at) => ownFiles.makeDirectory(at("file/below"), 0o700),
      /^ENOTDIR: not a directory, \w+ '.*below'$/,
    ],
    [
      "directory in a link's place that leads nowhere",
      (at) => ownFiles.makeDirectory(at("astray"), 0o700),
      /^EEXIST: /,
    ],
    ["text of nothing", (at) => ownFiles.readText(at("none")), /^ENOENT: .*, open '.*none'$/],
    [
      "first bytes of nothing",
      (at) => ownFiles.readFirst(at("none"), 1),
      /^ENOENT: .*, open '.*none'$/,
    ],
    ["file in a directory's place", (at) => ownFiles.create(at("."), 0o600), /^EISDIR: /],
    [
      "text in a directory that is not there",
      (at) => ownFiles.writeText(at("no/file"), "", 0o600),
      /^ENOENT: .*, open '.*file'$/,
    ],
  ] as readonly (readonly [string, (at: (name: string) => string) => unknown, RegExp])[]
) {
  test(`what fails has the system's code and words: ${what}`, (t) => {
    const at = tree(t);

    assert.throws(
      () => act(at),
      (cause) => words.test(reasonOf(cause)) && reasonOf(cause).startsWith(`${codeOf(cause)}:`),
    );
  });
}
