import assert from "node:assert/strict";
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { formatOf } from "../../../src/sources/formats/formats.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import type { Cleanup } from "../../support/program.ts";
import { tempDirectory } from "../../support/temp.ts";
import { feed, none, type RealRun, replay, RUN, runReal } from "./reading.ts";

const rsync = formatOf("rsync");

/** Two folders, and rsync between them. */
function bench(t: Cleanup) {
  const { path, remove } = tempDirectory();
  t.after(remove);
  mkdirSync(join(path, "src", "sub"), { recursive: true });
  const write = (name: string, content: string | Uint8Array) =>
    writeFileSync(join(path, "src", name), content);
  const list = (where: string) =>
    readdirSync(join(path, where), { recursive: true, encoding: "utf8" }).sort();
  const run = (command: readonly string[], more: Partial<RealRun> = {}) =>
    runReal(rsync, command, { cwd: path, env: { LC_ALL: "C" }, ...more });
  return { path, write, list, run };
}

test("rsync: a first run inserts", () => {
  const { counts, last, lines, error } = replay(rsync, "rsync_first.txt");

  assert.deepEqual(counts, { ...none, inserted: 5 });
  assert.deepEqual(last.encountered, { file: 5 });
  assert.equal(last.bytesDone, 38);
  assert.deepEqual(lines, ["info: created directory dst"]);
  assert.equal(error, undefined);
});

test("rsync: a second run tells updated, deleted and kept; links count, directories do not", () => {
  const { counts, last, lines } = replay(rsync, "rsync_again.txt");

  assert.deepEqual(counts, { inserted: 2, updated: 2, deleted: 2, kept: 1, skipped: 0 });
  assert.deepEqual(last.encountered, { file: 4, link: 1 });
  assert.equal(last.bytesDone, 27);
  assert.deepEqual(lines, [
    "info: sending incremental file list",
    "info: sent 283 bytes  received 112 bytes  790.00 bytes/sec",
    "info: total size is 27  speedup is 0.07",
  ]);
});

test("rsync: exit 23 failed, with what it said of the file", () => {
  const { counts, last, error } = replay(rsync, "rsync_failed.txt");

  assert.deepEqual(counts, { ...none, inserted: 5, skipped: 1 });
  assert.equal(last.warnings, 1);
  assert.deepEqual(error, {
    code: "program_failed",
    message: "rsync ended with exit code 23: some files/attrs were not transferred: " +
      'symlink has no referent: "/data/src/dangling"',
  });
});

test("rsync: progress that draws over itself is a percent once the list is whole", () => {
  const { counts, last, lines, progress } = replay(rsync, "rsync_progress.txt");

  assert.deepEqual(counts, { ...none, inserted: 6 });
  assert.equal(last.percent, 100);
  assert.deepEqual(
    [...new Set(progress.map(({ percent }) => percent && Math.floor(percent)))],
    [undefined, 28, 42, 85, 100],
  );
  assert.deepEqual(lines, ["info: created directory dst3"]);
});

test("rsync: a host that is not there says so", () => {
  const { error } = replay(rsync, "rsync_unknown_host.txt");

  assert.equal(
    error?.message,
    "rsync ended with exit code 255: unexplained error: " +
      "ssh: Could not resolve hostname host.invalid: Name or service not known",
  );
});

test("rsync: a connection that breaks is the reason only where nothing was said before", () => {
  const broken = "E: rsync: [sender] write error: Broken pipe (32)";
  const full = 'rsync: [receiver] write failed on "/dst/a": No space left on device (28)';
  const ended = "E: rsync error: error in file IO (code 11) at receiver.c(657) [receiver=3.5.0]";
  const reason = (...lines: string[]) =>
    feed(rsync.reader(RUN), [...lines, ended], { code: 11, signal: null }).error?.message;
  const before = "rsync ended with exit code 11: error in file IO: ";

  assert.equal(reason(`E: ${full}`, broken), before + full);
  assert.equal(reason(broken), before + broken.slice(3));
});

test("rsync: a list that still grows gives no percent", () => {
  const { last } = feed(rsync.reader(RUN), [
    "O:      32,768   5%    1.00MB/s    0:00:09 (xfr#5, ir-chk=10/100)",
  ], { code: 0, signal: null });

  assert.equal(last.percent, undefined);
});

test("rsync: what it prints of a large file on its way is a sign of life", () => {
  const told = (...lines: string[]) =>
    feed(rsync.reader(RUN), lines, { code: 0, signal: null }).progress.length;

  const once = told(item("big"));

  assert.equal(told(item("big"), "O:     32,768   0%   31.25MB/s    0:00:09"), once + 1);
  assert.equal(told(item("big"), "O: .d          4096 sub/"), once + 1);
});

test("rsync: unknown lines, odd names and a death are told", () => {
  const { counts, last, lines, error } = feed(rsync.reader(RUN), [
    "O: >f+++++++++ 12 34 with digits",
    "O: >f+++++++++ name without a size",
    "O: >f++++",
    "O: hf          5 linked",
    "O: *unheard of",
    "O: \u001b[31mred\u001b[0m",
    "O: >f..t...... 7 cut off in the mid",
  ], { code: null, signal: "SIGKILL" });

  assert.deepEqual(counts, { ...none, inserted: 2, kept: 1 });
  assert.equal(last.bytesDone, 17);
  assert.deepEqual(lines, ["info: >f++++", "info: *unheard of", "info: red"]);
  assert.deepEqual(error, {
    code: "program_killed",
    message: "rsync was killed by SIGKILL and said nothing of why",
  });
});

/** A run of which some could not be written, each told of by a complaint. */
function unwritten(lines: readonly string[], code = 23) {
  const { counts, last } = feed(rsync.reader(RUN), lines, { code, signal: null });
  return { counts, bytes: last.bytesDone, met: last.encountered };
}

const item = (name: string, how = "+++++++++") => `O: >f${how} 2 ${name}`;
const denied = (path: string) =>
  `E: rsync: [receiver] mkstemp "${path}.QC3KR2" failed: Permission denied (13)`;

test("rsync: what could not be written is skipped and nothing else", () => {
  const told = unwritten([
    ...[item("a"), item("sub/a"), item("sub/.b", ".st......"), item("c d"), item("sub/e")],
    ...[denied("/dst/sub/.a"), denied("/dst/sub/.b"), denied("/dst/.c d")],
    'E: rsync: [receiver] rename "/dst/sub/.e.5rcXxg" -> "sub/e": Operation not permitted (1)',
  ]);

  assert.deepEqual(told, {
    counts: { ...none, inserted: 1, skipped: 4 },
    bytes: 2,
    met: { file: 5 },
  });
});

test("rsync: what could not be written is known in place and in a module", () => {
  const inPlace = unwritten([
    ...[item("a"), item("b")],
    'E: rsync: [receiver] open "/dst/b" failed: No such file or directory (2)',
  ]);
  const module = unwritten([
    ...[item("a"), item("b", "..t......")],
    'E: rsync: [receiver] mkstemp ".b.RZwrTY" (in mod) failed: Permission denied (13)',
  ]);
  const renamed = unwritten([
    ...[item("a"), item("b", "..t......")],
    'E: rsync: [receiver] rename ".b.RZwrTY" (in mod) -> "b": Operation not permitted (1)',
  ]);
  for (const { counts } of [inPlace, module, renamed]) {
    assert.deepEqual(counts, { ...none, inserted: 1, skipped: 1 });
  }
});

test("rsync: what could not be written is known in the root of a disk", () => {
  const reader = rsync.reader({ ...RUN, command: ["rsync", "-ii", "-r", "src/", "/"] });

  const { counts } = feed(reader, [
    ...["O: >f+++++++++ a", "O: >f+++++++++ sub/a", denied("/sub/.a")],
  ], { code: 23, signal: null });

  assert.deepEqual(counts, { ...none, inserted: 1, skipped: 1 });
});

test("rsync: a file that could not be written under another name is not counted", () => {
  const run = (destination: string, ...lines: string[]) => {
    const reader = rsync.reader({ ...RUN, command: ["rsync", "-a", "file", destination] });
    const { counts, last } = feed(reader, lines, { code: 23, signal: null });
    return [counts, last.bytesDone];
  };
  const hidden = 'E: rsync: [receiver] open "/dst/.other" failed: Permission denied (13)';
  const nothing = [{ ...none, skipped: 1 }, undefined];
  const other = denied("/dst/.other");

  assert.deepEqual(run("/dst/other", item("file"), other), nothing);
  assert.deepEqual(run("/dst/other", other, item("file")), nothing);
  assert.deepEqual(run("host:dst/other", item("file"), other), nothing);
  assert.deepEqual(run("host:dst/other", other, item("file")), nothing);
  assert.deepEqual(run("/dst/.other", item("file"), hidden), nothing);
});

test("rsync: a file that was written is counted, whatever another could not be", () => {
  const run = (destination: string, ...lines: string[]) => {
    const reader = rsync.reader({ ...RUN, command: ["rsync", "-a", "src/", destination] });
    return feed(reader, lines, { code: 23, signal: null }).counts.inserted;
  };

  assert.equal(run("host:dst", item("a")), 1);
  assert.equal(run("/dst", item("a"), denied("/dst/.b")), 1);
  assert.equal(run("host:dst", item("a"), item("b"), denied("/dst/.c")), 2);
});

test("rsync: complaints that found their file make room for others", () => {
  const pairs = Array.from({ length: 32_769 }, (_, n) => [denied(`/dst/.f${n}`), item(`f${n}`)]);

  const { counts } = unwritten(pairs.flat());

  assert.deepEqual(counts, { ...none, skipped: 32_769 });
});

test("rsync: what could not be written by way of another directory is skipped and nothing else", () => {
  const command = ["rsync", "-a", "--temp-dir=/dst.parts", "src/", "/dst"];
  const reader = rsync.reader({ ...RUN, command });

  const { counts } = feed(reader, [
    ...[item("a"), item("b"), denied("/dst.parts/b"), denied("/dst.parts/c"), item("sub/c")],
    ...[item("d"), item("sub/d", ".st......"), item("sub/e"), denied("/dst.parts/e")],
    'E: rsync: [receiver] rename "/dst.parts/d.rbKBqA" -> "sub/d": Permission denied (13)',
  ], { code: 23, signal: null });

  assert.deepEqual(counts, { ...none, inserted: 2, skipped: 4 });
});

test("rsync: a pull does not name what it could not write, and another of that name was", () => {
  const command = ["rsync", "-a", "host:/src/", "dst", "--delete"];
  const reader = rsync.reader({ ...RUN, command });

  const { counts } = feed(reader, [
    ...[item("a"), item("b/b"), denied("/dst/sub/.a"), denied("/dst/.c"), item("c/c")],
    'E: rsync: [receiver] rename "/dst/b/.b.5rcXxg" -> "b/b": Operation not permitted (1)',
  ], { code: 23, signal: null });

  assert.deepEqual(counts, { ...none, inserted: 2, skipped: 3 });
});

test("rsync: a complaint that is read before its file counts too", () => {
  const told = unwritten([
    ...[denied("/dst/x/.a"), denied("/dst/y/.a"), item("y/a"), item("a"), item("x/a")],
  ]);

  assert.deepEqual(told.counts, { ...none, inserted: 1, skipped: 2 });
});

test("rsync: behind the file that fills the disk nothing is written", () => {
  const told = unwritten([
    ...[item("a"), item("b"), item("c")],
    'E: rsync: [receiver] write failed on "/dst/b": No space left on device (28)',
    ...[item("d"), item("e"), "E: rsync: [sender] write error: Broken pipe (32)"],
  ], 11);

  assert.deepEqual(told.counts, { ...none, inserted: 1 });
});

test("rsync: before the file that fills the disk all is written, whichever output is read first", () => {
  const told = unwritten([
    'E: rsync: [receiver] write failed on "/dst/c": No space left on device (28)',
    ...[item("a"), item("b"), item("c"), item("d")],
    "E: rsync: [sender] write error: Broken pipe (32)",
  ], 11);

  assert.deepEqual(told.counts, { ...none, inserted: 2 });
});

test("rsync: what could not be written is known by a name that only its complaint escapes", () => {
  const told = unwritten([
    ...[item("é d/(x)"), item("é d/日本"), item("a\\#134#012")],
    denied("/dst/\\#303\\#251 d/.(x)"),
    denied("/dst/\\#303\\#251 d/.\\#346\\#227\\#245\\#346\\#234\\#254"),
  ]);

  assert.deepEqual(told.counts, { ...none, inserted: 1, skipped: 2 });
});

test("rsync: what could not be written in place is not taken for a file without its dot", () => {
  const told = unwritten([
    ...[item("sub/.a", ".st......"), item("sub/a")],
    'E: rsync: [receiver] open "/dst/sub/.a" failed: Permission denied (13)',
  ]);

  assert.deepEqual(told.counts, { ...none, inserted: 1, skipped: 1 });
});

test("rsync: what could not be written is not taken for a file of that name higher up", () => {
  const changed = ".st......";
  const plain = unwritten([item(".a"), item("sub/a", changed), denied("/dst/sub/.a")]);
  const dotted = unwritten([item("a"), item("sub/.a", changed), denied("/dst/sub/.a")]);

  assert.deepEqual(plain.counts, { ...none, inserted: 1, skipped: 1 });
  assert.deepEqual(dotted.counts, { ...none, inserted: 1, skipped: 1 });
});

test("rsync: a file that is sent again, as it came out wrong, counts once", () => {
  const wrong = (name: string, severity = "WARNING", then = " (will try again)") =>
    `E: ${severity}: ${name} failed verification -- update discarded${then}.`;
  const again = (...lines: string[]) => unwritten([...lines, item("sub/é")]);
  const big = "O: >f+++++++++ 3000000 big";

  const inTime = again(item("sub/é"), wrong("sub/\\#303\\#251"), item("b"));
  const early = again(wrong("sub/é"), item("sub/é"), item("b"));
  const behind = unwritten([item("sub/é"), item("b"), item("sub/é"), wrong("sub/é")]);
  const twice = unwritten([
    ...[item("a"), item("b"), wrong("b"), item("b"), wrong("b", "ERROR", "")],
  ]);

  const once = { counts: { ...none, inserted: 2 }, bytes: 4, met: { file: 2 } };
  assert.deepEqual([inTime, early, behind], [once, once, once]);
  assert.deepEqual(twice.counts, { ...none, inserted: 1, skipped: 1 });

  const clock = new FakeClock();
  const reader = rsync.reader({ ...RUN, clock });
  for (const line of [item("sub/é"), big]) reader.line(line.slice(3), "stdout");
  clock.advance(500);
  const late = feed(reader, [item("c"), wrong("sub/é"), item("sub/é")], { code: 23, signal: null });
  assert.deepEqual([late.progress[0].inserted, late.counts.inserted], [1, 3]);
});

test("rsync: what a script sends in a second run, under the same names, counts once more", () => {
  const run = Array.from({ length: 10 }, (_, n) => item(`f${n}`));

  const told = unwritten([...run, ...run], 0);

  assert.deepEqual(told, { counts: { ...none, inserted: 20 }, bytes: 40, met: { file: 20 } });
});

test("rsync: that a file is sent again is not why it failed", () => {
  const truncated = 'rsync: [sender] read errors mapping "/src/a": No data available (61)';
  const { error } = feed(rsync.reader(RUN), [
    `E: ${truncated}`,
    "E: WARNING: a failed verification -- update discarded (will try again).",
  ], { code: 23, signal: null });

  assert.equal(error?.message, `rsync ended with exit code 23: ${truncated}`);
});

test("rsync: a file counts when its complaint would have been read, too", () => {
  const clock = new FakeClock();
  const reader = rsync.reader({ ...RUN, clock });
  const lines = ["a", "b", "c"].map((name) => `O: >f+++++++++ 3000000 ${name}`);

  for (const line of lines) reader.line(line.slice(3), "stdout");
  clock.advance(499);
  const [tooEarly] = reader.line(">f+++++++++ 3000000 d", "stdout");
  const { counts, progress } = feed(reader, [
    'E: rsync: [receiver] rename "/dst/.b.5rcXxg" -> "b": Operation not permitted (1)',
  ], { code: 23, signal: null });

  assert.equal(tooEarly.type === "progress" && tooEarly.inserted, 0);
  assert.equal(progress[0].inserted, 0);
  assert.deepEqual(counts, { ...none, inserted: 3, skipped: 1 });
});

test("rsync: a file that was sent for long need not be written when the next one begins", () => {
  const clock = new FakeClock();
  const reader = rsync.reader({ ...RUN, clock });
  const add = (name: string) => {
    clock.advance(1_000);
    const [progress] = reader.line(`>f+++++++++ 20000000 ${name}`, "stdout");
    return progress.type === "progress" && progress.inserted;
  };
  const added = [add("a"), add("b")];

  reader.line('rsync: [receiver] rename "/tmp/a.VW3cny" -> "a": Permission denied (13)', "stderr");
  added.push(add("c"), add("d"));
  const { counts } = feed(reader, [], { code: 23, signal: null });

  assert.deepEqual(added, [0, 0, 0, 1]);
  assert.deepEqual(counts, { ...none, inserted: 3, skipped: 1 });
});

test("rsync: while complaints come, further ones may be later than the first", () => {
  const clock = new FakeClock();
  const reader = rsync.reader({ ...RUN, clock });
  const names = Array.from({ length: 20 }, (_, n) => `${n}`);
  const complain = (name: string) => void reader.line(denied(`/dst/.${name}`).slice(3), "stderr");

  names.forEach((name, n) => {
    clock.advance(600);
    reader.line(`>f+++++++++ 3000000 ${name}`, "stdout");
    if (n % 2 === 1) complain(names[(n - 1) / 2]);
  });
  names.slice(10).forEach(complain);
  const { counts } = feed(reader, [], { code: 23, signal: null });

  assert.deepEqual(counts, { ...none, skipped: 20 });
});

test("rsync: while complaints come, so many files are held and no more", () => {
  const clock = new FakeClock();
  const reader = rsync.reader({ ...RUN, clock });
  const inserted = Array.from({ length: 33_000 }, (_, n) => {
    clock.advance(600);
    reader.line(denied("/dst/.other").slice(3), "stderr");
    const [progress] = reader.line(`>f+++++++++ 2 ${n}`, "stdout");
    return progress.type === "progress" && progress.inserted;
  });

  assert.equal(inserted.at(-1), 33_000 - 32_768 - 1);
});

test("rsync: thousands of complaints are remembered that are read before their files", () => {
  const names = Array.from({ length: 30_000 }, (_, n) => `${n}`);

  const told = unwritten([
    ...names.map((name) => denied(`/dst/.${name}`)),
    ...names.map((n) => item(n)),
  ]);

  assert.deepEqual(told.counts, { ...none, skipped: 30_000 });
});

test("rsync: so many complaints are remembered and no more, and fewer of one name", () => {
  const told = (names: readonly string[]) =>
    unwritten([
      ...names.map((name) => denied(`/dst/${name}`)),
      ...names.map((n) => item(n)),
    ]).counts;

  const many = told(Array.from({ length: 32_770 }, (_, n) => `${n}`));
  const ofOneName = told(Array.from({ length: 2_002 }, (_, n) => `${n}/a`));

  assert.deepEqual(many, { ...none, inserted: 2, skipped: 32_770 });
  assert.deepEqual(ofOneName, { ...none, inserted: 2, skipped: 2_002 });
});

test("rsync: a file counts when so many have come by it that it must be written", () => {
  const clock = new FakeClock();
  const reader = rsync.reader({ ...RUN, clock });
  const inserted = (line: string) => {
    clock.advance(500);
    const [progress] = reader.line(line, "stdout");
    return progress.type === "progress" && progress.inserted;
  };
  const small = Array.from({ length: 20_000 }, (_, at) => `>f+++++++++ 2 small ${at}`);

  const first = inserted(">f+++++++++ 2 first");
  const big = inserted(">f+++++++++ 3000000 big");
  const [next, ...rest] = small.map(inserted);

  assert.deepEqual([first, big, next], [0, 0, 1]);
  assert.equal(rest.at(-1), 2 + 20_000 - 16_384 - 1);
});

test("rsync: prepare() adds what is missing and leaves a format of the user's own", () => {
  const added = (...args: string[]) => rsync.prepare(["rsync", ...args], {}).added;
  const format = "--out-format=%i %l %n";

  assert.deepEqual(rsync.prepare(["rsync", "-a", "src/", "host:dst"], {}), {
    command: ["rsync", "-ii", format, "-a", "src/", "host:dst"],
    added: ["-ii", format],
  });
  assert.deepEqual(added("-aii", "src", "dst"), [format]);
  assert.deepEqual(added("-ai", "-e", "ssh -i key -i other", "src", "dst"), ["-ii", format]);
  assert.deepEqual(added("-a", "--out-format=%i %n", "src", "dst"), ["-ii"]);
  assert.deepEqual(added("-a", "--out-format", "%n", "src", "dst"), []);
  assert.deepEqual(added("--server", "-a", ".", "dst"), []);
  assert.deepEqual(added("--version"), []);
  assert.deepEqual(rsync.prepare(["./mirror.sh"], {}).added, []);
});

test("the real rsync: counts are what changed on disk", async (t) => {
  const { path, write, list, run } = bench(t);
  for (const name of ["a", "b", "c", "sub/d e"]) write(name, `first ${name}`);
  const command = ["rsync", "-a", "--delete", "src/", "dst"];

  const first = await run(command);
  write("a", "longer than before");
  rmSync(join(path, "src", "b"));
  chmodSync(join(path, "src", "c"), 0o600);
  write("two\nlines", "n");
  symlinkSync("a", join(path, "src", "link"));
  const second = await run(command);

  assert.deepEqual(first.counts, { ...none, inserted: 4 });
  assert.deepEqual(second.counts, { inserted: 2, updated: 2, deleted: 1, kept: 1, skipped: 0 });
  assert.deepEqual(second.last.encountered, { file: 4, link: 1 });
  assert.deepEqual(list("dst"), list("src"));
  assert.equal(readFileSync(join(path, "dst", "a"), "utf8"), "longer than before");
  assert.equal(second.last.bytesDone, 18 + 7 + 13 + 1 + 1);
  assert.deepEqual(second.lines, []);
  assert.deepEqual(second.added, ["-ii", "--out-format=%i %l %n"]);
});

test("the real rsync: a dry run counts nothing and shows each change", async (t) => {
  const { write, run } = bench(t);
  write("a", "a");

  const { counts, last, lines } = await run(["rsync", "-an", "src/", "dst"]);

  assert.deepEqual(counts, none);
  assert.equal(last.phase, "dry run");
  assert.ok(lines.includes("info: >f+++++++++ 1 a"));
});

test("the real rsync: where all it says comes on stderr, complaints alone are warnings", async (t) => {
  const { path, write, run } = bench(t);
  write("a.txt", "a");
  symlinkSync("nowhere", join(path, "src", "dangling"));

  for (const flags of [["--stderr=all"], ["--stderr", "a"], ["--msgs2stderr"]]) {
    rmSync(join(path, "dst"), { recursive: true, force: true });
    const { counts, last, lines, exit } = await run([
      ...["rsync", "-rL", "--stats", ...flags, "src/", "dst/"],
    ]);

    assert.equal(exit.code, 23);
    assert.deepEqual(counts, { ...none, inserted: 1, skipped: 1 });
    assert.equal(last.warnings, 1);
    assert.ok(lines.includes("info: created directory dst"));
    const [warning, ...others] = lines.filter((line) => line.startsWith("warning: "));
    assert.ok(warning.startsWith("warning: symlink has no referent: "));
    assert.deepEqual(others, []);
  }
  const reader = rsync.reader({ ...RUN, command: ["rsync", "--stderr=all", "src", "host:dst"] });
  const { error } = feed(reader, [
    "E: ssh: Could not resolve hostname host: Name or service not known",
    "E: rsync error: unexplained error (code 255) at io.c(232) [sender=3.5.0]",
  ], { code: 255, signal: null });
  assert.match(error?.message ?? "", /unexplained error: ssh: Could not resolve hostname host/);
  const { lines } = await run(["rsync", "--stderr=all", "--stderr=errors", "nowhere/", "dst/"]);
  assert.ok(lines[0].startsWith("warning: rsync: "), lines[0]);
});

test("rsync: the last flag says whether all comes on stderr", () => {
  const isWarning = (...flags: string[]) => {
    const reader = rsync.reader({ ...RUN, command: ["rsync", ...flags, "src/", "dst/"] });
    const { lines } = feed(reader, ["E: created directory dst"], { code: 0, signal: null });
    return lines[0].startsWith("warning: ");
  };

  assert.deepEqual(
    [
      isWarning("--stderr=a"),
      isWarning("--stderr=all", "--stderr", "errors"),
      isWarning("--msgs2stderr", "--no-msgs2stderr"),
      isWarning("--no-msgs2stderr", "--msgs2stderr"),
      isWarning("--stderr=client", "--stderr=all"),
      isWarning("--stderr"),
    ],
    [false, true, true, false, false, true],
  );
});

test("the real rsync: what is written into a batch alone is a dry run", async (t) => {
  const { path, write, run } = bench(t);
  write("a", "a");

  const { counts, last } = await run(["rsync", "-a", "--only-write-batch=b", "src/", "dst"]);

  assert.deepEqual(counts, none);
  assert.equal(last.phase, "dry run");
  assert.deepEqual(readdirSync(path).sort(), ["b", "b.sh", "src"]);
});

test("the real rsync: what cannot be written is not counted", async (t) => {
  const { path, write, run } = bench(t);
  rmSync(join(path, "src", "sub"), { recursive: true });
  for (let n = 0; n < 3_000; n++) write(`file ${n}`, "n");

  // Where nobody can create a file, root neither.
  const { counts, last, exit } = await run(["rsync", "-r", "src/", "/proc/sys"]);

  assert.equal(exit.code, 23);
  assert.deepEqual(counts, { ...none, skipped: 3_000 });
  assert.deepEqual([last.bytesDone, last.encountered], [undefined, { file: 3_000 }]);
});

test("rsync: a file whose new name is refused before its line comes is not taken for one of another directory", () => {
  const reader = rsync.reader({ ...RUN, command: ["rsync", "-a", "src/", "/dst"] });

  const { counts } = feed(reader, [
    item("d"),
    'E: rsync: [receiver] rename "/dst/sub/.d.rbKBqA" -> "sub/d": Permission denied (13)',
    item("sub/d", ".st......"),
  ], { code: 23, signal: null });

  assert.deepEqual(counts, { ...none, inserted: 1, skipped: 1 });
});

test("the real rsync: what finds a directory in its place is skipped", async (t) => {
  const { path, write, run } = bench(t);
  for (const name of ["a", "b", "sub/c"]) write(name, name);
  symlinkSync("a", join(path, "src", "link"));
  for (const name of ["a", "link"]) {
    mkdirSync(join(path, "dst", name), { recursive: true });
    writeFileSync(join(path, "dst", name, "full"), "");
  }

  const { counts, exit } = await run(["rsync", "-a", "src/", "dst"]);

  assert.equal(exit.code, 23);
  assert.deepEqual(counts, { ...none, inserted: 2, skipped: 2 });
});

test("the real rsync: a file that cannot be written under another name is not counted", async (t) => {
  const { write, run } = bench(t);
  write("a", "a");

  const { counts, exit } = await run(["rsync", "src/a", "/proc/sys/b"]);

  assert.equal(exit.code, 23);
  assert.deepEqual(counts, { ...none, skipped: 1 });
});

test("the real rsync: what cannot be read (exit 23) fails the run", async (t) => {
  const { path, write, list, run } = bench(t);
  write("a", "a");
  symlinkSync("/nowhere", join(path, "src", "dangling"));

  const { counts, exit, error } = await run(["rsync", "-aL", "src/", "dst"]);

  assert.equal(exit.code, 23);
  assert.equal(error?.code, "program_failed");
  assert.match(error?.message ?? "", /symlink has no referent: ".*\/src\/dangling"$/);
  assert.deepEqual(counts, { ...none, inserted: 1, skipped: 1 });
  assert.deepEqual(list("dst"), ["a", "sub"]);
});

test("the real rsync: a file that vanishes while it runs (exit 24) is a warning", async (t) => {
  const { path, write, list, run } = bench(t);
  write("a", new Uint8Array(600_000));
  write("b", "b");
  write("z", "z");

  const { counts, exit, error, last, lines } = await run(
    ["rsync", "-a", "--bwlimit=300", "src/", "dst"],
    {
      onEvent(event) {
        if (event.type === "progress" && event.current === "a") {
          rmSync(join(path, "src", "z"), { force: true });
        }
      },
    },
  );

  assert.equal(exit.code, 24);
  assert.equal(error, undefined);
  assert.deepEqual(list("dst"), ["a", "b", "sub"]);
  assert.deepEqual(counts, { ...none, inserted: 2, skipped: 1 });
  assert.equal(last.warnings, 2);
  assert.ok(lines.some((line) => line.startsWith("warning: file has vanished: ")));
});

test("the real rsync: stopped in the middle, what is being sent is not counted", async (t) => {
  const { write, list, run } = bench(t);
  write("a", "a");
  write("big", new Uint8Array(30_000_000));

  const { counts, exit, error } = await run(["rsync", "-a", "--bwlimit=300", "src/", "dst"], {
    onEvent(event, stop) {
      if (event.type === "progress" && event.current === "big") stop();
    },
  });

  assert.equal(exit.code, 20);
  assert.deepEqual(counts, { ...none, inserted: 1 });
  assert.deepEqual(list("dst").filter((name) => name === "big"), []);
  assert.equal(error?.code, "program_failed");
  assert.match(error?.message ?? "", /^rsync ended with exit code 20: received SIG/);
});

test("the real rsync: what is put into place at the end is counted then", async (t) => {
  const { write, list, run } = bench(t);
  write("a", "a");
  write("big", new Uint8Array(3_000_000));
  const command = ["rsync", "-a", "--delay-updates", "src/", "dst"];

  const stopped = await run([...command, "--bwlimit=300"], {
    onEvent(event, stop) {
      if (event.type === "progress" && event.current === "big") stop();
    },
  });
  const listed = list("dst");
  const { counts, last } = await run(command);

  assert.equal(stopped.exit.code, 20);
  assert.deepEqual([stopped.counts, listed.includes("a")], [none, false]);
  assert.deepEqual(counts, { ...none, inserted: 2 });
  assert.deepEqual([last.encountered, last.bytesDone], [{ file: 2 }, 3_000_001]);
  assert.deepEqual(list("dst"), ["a", "big", "sub"]);
});

test("rsync: with --delay-updates a file that cannot be put into place at the end is skipped", () => {
  const clock = new FakeClock();
  const command = ["rsync", "-a", "--delay-updates", "src/", "/dst"];
  const reader = rsync.reader({ ...RUN, clock, command });

  for (const line of [">f.st...... 4 a", ">f+++++++++ 3000000 b", ">f+++++++++ 5 c"]) {
    reader.line(line, "stdout");
    clock.advance(60_000);
  }
  const { counts, last } = feed(reader, [
    'E: rsync: [receiver] rename failed for "/dst/a" (from .~tmp~/a): Operation not permitted (1)',
  ], { code: 23, signal: null });

  assert.deepEqual(counts, { ...none, inserted: 2, skipped: 1 });
  assert.deepEqual([last.encountered, last.bytesDone], [{ file: 3 }, 3_000_005]);
});

test("rsync: each way in which an entity is left out counts one, and nothing else does", () => {
  const skipped = (line: string) =>
    feed(rsync.reader(RUN), [line], { code: 23, signal: null }).counts.skipped;
  const denied = "failed: Permission denied (13)";
  const leftOut = [
    `E: rsync: [sender] link_stat "/src/a" failed: No such file or directory (2)`,
    `E: rsync: [sender] readlink_stat("/src/a") ${denied}`,
    `E: rsync: [sender] readlink "/src/a" ${denied}`,
    `E: rsync: [sender] opendir "/src/a" ${denied}`,
    `E: rsync: [sender] send_files failed to open "/src/a": Permission denied (13)`,
    `E: rsync: [generator] mknod "/dst/a" failed: Operation not permitted (1)`,
    `E: rsync: [generator] symlink "/dst/a" -> "b" ${denied}`,
    'E: file has vanished: "/src/a"',
    'E: symlink has no referent: "/src/a"',
    "E: could not make way for new regular file: a",
    'O: skipping non-regular file "a"',
    "O: skipping directory a",
  ];
  const others = [
    "E: could not make way for new directory: a",
    `E: rsync: [sender] failed: open "/src/a"`,
    `O: opendir "a"`,
  ];

  assert.deepEqual(leftOut.filter((line) => skipped(line) !== 1), []);
  assert.deepEqual(others.filter((line) => skipped(line) !== 0), []);
});

// This took minutes where the pattern looked to the line's end from each of its words.
test("rsync: a line of 1 MiB is read once, whatever it is made of", () => {
  for (const word of ['mknod "', "open (", "failed: "]) {
    const line = word.repeat(2 ** 20 / word.length);

    const { counts, lines } = feed(rsync.reader(RUN), [`O: ${line}`], { code: 0, signal: null });

    assert.deepEqual([counts.skipped, lines.length], [0, 1], word);
  }
});

// Each line took 50 ms where all names that each failure may have were written out for it.
test("rsync: many failures of one name, told early, are found by their directories", () => {
  const reader = rsync.reader({ ...RUN, command: ["rsync", "-a", "src/", "host:dst"] });
  const failures = Array.from({ length: 2_000 }, (_, n) => denied(`/dst/a/b/${n}/.index.html`));
  const written = Array.from({ length: 2_000 }, (_, n) => item(`a/c/${n}/index.html`));

  const { counts } = feed(reader, [...failures, ...written, item("a/b/7/index.html")], {
    code: 23,
    signal: null,
  });

  assert.deepEqual(counts, { ...none, inserted: 2_000, skipped: 2_000 });
});
