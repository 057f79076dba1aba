import assert from "node:assert/strict";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { formatOf } from "../../../src/sources/formats/formats.ts";
import type { Cleanup } from "../../support/program.ts";
import { tempDirectory } from "../../support/temp.ts";
import { feed, none, type RealRun, replay, RUN, runReal } from "./reading.ts";

const rclone = formatOf("rclone");

/** Two folders, and rclone between them. */
function bench(t: Cleanup) {
  const { path, remove } = tempDirectory();
  t.after(remove);
  mkdirSync(join(path, "src"));
  mkdirSync(join(path, "dst"));
  const write = (name: string, content: string | Uint8Array) => {
    mkdirSync(join(path, "src", name, ".."), { recursive: true });
    writeFileSync(join(path, "src", name), content);
  };
  const list = (where: string) =>
    readdirSync(join(path, where), { recursive: true, encoding: "utf8" }).sort();
  // A configuration of its own, so that none of this machine speaks.
  const env = { RCLONE_CONFIG: join(path, "rclone.conf") };
  writeFileSync(env.RCLONE_CONFIG, "");
  const run = (command: readonly string[], more: Partial<RealRun> = {}) =>
    runReal(rclone, command, { cwd: path, ...more, env: { ...env, ...more.env } });
  return { path, write, list, run };
}

const readme = (said: string) => ({ level: "info", msg: said });

test("rclone: a first sync inserts", () => {
  const { counts, last, lines, error } = replay(rclone, "rclone_first.txt");

  assert.deepEqual(counts, { ...none, inserted: 5 });
  assert.deepEqual(last.encountered, { file: 5 });
  assert.equal(last.bytesDone, 42);
  assert.equal(last.bytesTotal, 42);
  assert.equal(error, undefined);
  assert.deepEqual(lines, [
    'info: Config file "/home/me/.config/rclone/rclone.conf" not found - using defaults',
  ]);
});

test("rclone: a second sync tells updated, deleted, kept and left out", () => {
  const { counts, last, lines, error } = replay(rclone, "rclone_again.txt");

  assert.deepEqual(counts, { inserted: 1, updated: 1, deleted: 1, kept: 3, skipped: 1 });
  assert.deepEqual(last.encountered, { file: 6 });
  assert.equal(last.warnings, 1);
  assert.equal(error, undefined);
  assert.equal(lines.at(-1), "warning: dangling: Can't follow symlink without -L/--copy-links");
});

test("rclone: three attempts count each file once, and the last fatal line is the reason", () => {
  const { counts, error } = replay(rclone, "rclone_failed.txt");

  assert.deepEqual(counts, { ...none, kept: 5, skipped: 1 });
  assert.deepEqual(error, {
    code: "program_failed",
    message: "rclone ended with exit code 1: Failed to sync with 2 errors: last error was: " +
      "not deleting files as there were IO errors",
  });
});

test("rclone: a missing source and a wrong command line say so", () => {
  const missing = replay(rclone, "rclone_missing.txt");
  const usage = replay(rclone, "rclone_usage.txt");

  assert.equal(
    missing.error?.message,
    "rclone ended with exit code 3: Failed to sync: directory not found",
  );
  assert.equal(
    usage.error?.message,
    "rclone ended with exit code 1: Command sync needs 2 arguments minimum: " +
      'you provided 1 non flag arguments: ["src"]',
  );
});

test("rclone: a dry run counts nothing and shows each line", () => {
  const { counts, last, lines } = replay(rclone, "rclone_dry.txt");

  assert.deepEqual(counts, { ...none, skipped: 1 });
  assert.equal(last.phase, "dry run");
  assert.ok(lines.includes("info: 1.jpg: Skipped copy as --dry-run is set (size 15)"));
});

test("rclone: a dry run is known by its lines, where the command does not show it", () => {
  const reader = rclone.reader({ ...RUN, command: ["./backup.sh"] });
  const stats = { checks: 3, transfers: 1, totalTransfers: 1, bytes: 2, totalBytes: 2 };

  const { counts, last, lines } = feed(reader, [
    'E: {"level":"warning","msg":"Skipped copy as --dry-run is set (size 2)","object":"a","skipped":"copy"}',
    `E: ${JSON.stringify({ level: "warning", msg: "stats", stats })}`,
  ], { code: 0, signal: null });

  assert.deepEqual(counts, none);
  assert.deepEqual([last.phase, last.bytesDone], ["dry run", undefined]);
  assert.deepEqual(lines, ["info: a: Skipped copy as --dry-run is set (size 2)"]);
});

test("rclone: `--dry-run=false` is a real run", () => {
  for (const flag of ["--dry-run=false", "-n=0", "-vn=F"]) {
    const reader = rclone.reader({ ...RUN, command: ["rclone", "sync", flag, "a", "b"] });

    const { last } = feed(reader, [], { code: 0, signal: null });

    assert.equal(last.phase, undefined, flag);
  }
});

test("rclone: newer versions say notice and critical", () => {
  const reader = rclone.reader({ ...RUN, command: ["rclone", "copy", "a", "b"] });

  const { lines, error } = feed(reader, [
    'E: {"time":"2026-01-15T10:00:00Z","level":"notice","msg":"Skipping","object":"a","objectType":"*local.Object"}',
    'E: {"time":"2026-01-15T10:00:00Z","level":"critical","msg":"Failed to copy: no space left"}',
  ], { code: 1, signal: null });

  assert.deepEqual(lines, ["warning: a: Skipping", "error: Failed to copy: no space left"]);
  assert.equal(error?.message, "rclone ended with exit code 1: Failed to copy: no space left");
});

test("rclone: what is checked and waits to be copied is not kept, nor when it is killed", () => {
  const reader = rclone.reader(RUN);
  const stats = {
    checks: 11,
    deletes: 1,
    totalTransfers: 7,
    transfers: 2,
    bytes: 5,
    totalBytes: 9,
  };

  const { counts, last } = feed(reader, [
    'E: {"level":"info","msg":"Deleted","object":"x","objectType":"*local.Object"}',
    'E: {"level":"info","msg":"Copied (new)","object":"a","objectType":"*local.Object"}',
    'E: {"level":"info","msg":"Copied (replaced existing)","object":"b","objectType":"*local.Object"}',
    'E: {"level":"info","msg":"Updated modification time in destination","object":"c"}',
    `E: ${JSON.stringify({ level: "notice", msg: "stats", stats })}`,
  ], { code: null, signal: "SIGTERM" });

  assert.deepEqual(counts, { inserted: 1, updated: 2, deleted: 1, kept: 3, skipped: 0 });
  assert.deepEqual([last.bytesDone, last.bytesTotal], [5, undefined]);
});

const said = (level: string, msg: string, object?: string) =>
  `E: ${JSON.stringify({ level, msg, object })}`;
const stats = (counts: Readonly<Record<string, number>>) =>
  `E: ${JSON.stringify({ level: "notice", msg: "stats", stats: counts })}`;

test("rclone: what is checked as the old name of another file is not kept", () => {
  const { counts, progress } = feed(rclone.reader(RUN), [
    stats({ checks: 2 }),
    said("info", "Making map for --track-renames", "Local file system at /dst"),
    stats({ checks: 5 }),
    said("info", 'Renamed from "a"', "b"),
    said("info", 'Renamed from "c"', "d"),
    said("info", "Deleted", "e"),
    stats({ checks: 9, deletes: 1, renames: 2 }),
  ], { code: 0, signal: null });

  assert.equal(progress[1].kept, 2);
  assert.deepEqual(counts, { inserted: 2, updated: 0, deleted: 3, kept: 4, skipped: 0 });
});

test("rclone: what a later attempt has copied is not left out, and is checked again by the next", () => {
  const { counts, last } = feed(rclone.reader(RUN), [
    said("error", "Failed to copy: no network", "a"),
    ...["b", "c", "d"].map((name) => said("info", "Copied (new)", name)),
    said("error", "Attempt 1/3 failed with 1 errors and: no network"),
    said("info", "Copied (new)", "a"),
    said("error", "Attempt 2/3 failed with 1 errors and: no network"),
    stats({ checks: 4 + 7 + 8 }),
  ], { code: 0, signal: null });

  assert.deepEqual(counts, { ...none, inserted: 4, kept: 4 });
  assert.deepEqual(last.encountered, { file: 8 });
});

test("rclone: of many files that fail none counts twice, nor when a later attempt has copied it", () => {
  const names = Array.from({ length: 10_500 }, (_, n) => `file ${n}`);
  const failed = names.map((name) => said("error", "Failed to copy: no network", name));
  const attempt = (n: number) => said("error", `Attempt ${n}/2 failed with 10500 errors and: x`);
  const skipped = (code: number, ...second: string[]) => {
    const lines = [...failed, attempt(1), ...second];
    return feed(rclone.reader(RUN), lines, { code, signal: null }).counts;
  };

  assert.deepEqual(skipped(1, ...failed, attempt(2)), { ...none, skipped: 10_500 });
  assert.deepEqual(
    skipped(0, ...names.map((name) => said("info", "Copied (new)", name))),
    { ...none, inserted: 10_500 },
  );
  // 20 files that are there were checked in both attempts.
  const checked = stats({ checks: 2 * 10_520 });
  assert.deepEqual(skipped(1, ...failed, attempt(2), checked), {
    ...none,
    kept: 20,
    skipped: 10_500,
  });
});

test("rclone: what could not be copied over is left out, not kept; what could not be deleted neither", () => {
  const { counts, last, lines } = feed(rclone.reader(RUN), [
    said("error", "Failed to copy: denied", "a"),
    said("error", "Couldn't delete: denied", "b"),
    said("error", "Something failed", "rclone"),
    said("warning", "Can't follow symlink", "c"),
    said("warning", "Can't follow symlink", "c"),
    stats({ checks: 2, totalTransfers: 1, bytes: 5 }),
    stats({ checks: 2, totalTransfers: 1, bytes: 3 }),
  ], { code: 1, signal: null });

  assert.deepEqual(counts, { ...none, kept: 1, skipped: 2 });
  assert.deepEqual([last.bytesDone, last.warnings], [5, 1]);
  assert.equal(lines.filter((line) => line.startsWith("warning: ")).length, 1);
});

test("rclone: what moveto takes away from its source is not deleted", () => {
  const reader = rclone.reader({ ...RUN, command: ["rclone", "moveto", "a", "b"] });

  const { counts } = feed(reader, [said("info", "Deleted", "a")], { code: 0, signal: null });

  assert.deepEqual(counts, none);
});

const move = ["rclone", "-v", "move", "a", "b"];
const moved = (name: string, to?: string) =>
  said("info", `Moved (server-side)${to === undefined ? "" : ` to: ${to}`}`, name);
const deleted = (name: string) => said("info", "Deleted", name);

test("rclone: a file that takes another's place in a move is updated, and kept only at the end", () => {
  const run = (command: readonly string[], ...lines: string[]) => {
    const reader = rclone.reader({ ...RUN, command });
    const { counts, progress, last } = feed(reader, lines, { code: 0, signal: null });
    const { encountered, current } = last;
    return { ...counts, before: progress.at(-2)?.kept, met: encountered?.file, current };
  };
  const told = { ...none, inserted: 1, updated: 1, kept: 1, before: 0, met: 3, current: "old" };

  assert.deepEqual(
    run(
      ...[move, deleted("kept"), moved("new"), deleted("old"), moved("old")],
      stats({ checks: 6, deletes: 2, renames: 2 }),
    ),
    told,
  );
  assert.deepEqual(
    run(
      ...[[...move, "--backup-dir=c"], moved("new"), deleted("kept"), deleted("old")],
      ...[moved("old"), moved("old"), stats({ checks: 7, deletes: 2, renames: 3 })],
    ),
    told,
  );
  assert.deepEqual(
    run(
      ...[[...move, "--suffix=.bak"], moved("new"), moved("old", "old.bak"), moved("old")],
      stats({ checks: 5, renames: 3 }),
    ),
    told,
  );
  const one = { ...none, before: 0, met: 1 };
  const moveto = ["rclone", "moveto", "a", "b"];
  assert.deepEqual(
    run(moveto, deleted("b"), moved("a", "b")),
    { ...one, updated: 1, current: "b" },
  );
  assert.deepEqual(
    run(moveto, deleted("c"), moved("a", "of two\nlines")),
    { ...one, inserted: 1, current: "of two lines" },
  );
});

test("rclone: what a move with errors has kept is not known", () => {
  const reader = rclone.reader({ ...RUN, command: move });

  // As of three files that are there already, and two that cannot be moved, in one attempt.
  const { counts, last } = feed(reader, [
    ...["a", "b", "c"].map(deleted),
    said("error", "Couldn't move: permission denied", "new"),
    said("error", "Couldn't move: permission denied", "other"),
    stats({ checks: 8, deletes: 3 }),
  ], { code: 1, signal: null });

  assert.deepEqual(counts, { ...none, skipped: 2 });
  assert.deepEqual(last.encountered, { file: 2 });
});

test("rclone: a check keeps nothing and leaves nothing out", () => {
  const reader = rclone.reader({
    ...RUN,
    command: ["rclone", "check", "--use-json-log", "-v", "a", "b"],
  });

  const { counts, lines } = feed(reader, [
    said("error", "sizes differ", "a"),
    said("warning", "Can't follow symlink without -L/--copy-links", "link"),
    stats({ checks: 6 }),
  ], { code: 1, signal: null });

  assert.deepEqual(counts, none);
  assert.deepEqual(lines, [
    "error: a: sizes differ",
    "warning: link: Can't follow symlink without -L/--copy-links",
  ]);
});

test("rclone: what bisync keeps and leaves out counts, as of any that copies", () => {
  const reader = rclone.reader({ ...RUN, command: ["rclone", "bisync", "-v", "a", "b"] });

  const { counts } = feed(reader, [
    said("info", "Copied (new)", "a"),
    said("warning", "Can't follow symlink without -L/--copy-links", "link"),
    stats({ checks: 6 }),
  ], { code: 0, signal: null });

  assert.deepEqual(counts, { ...none, inserted: 1, kept: 6, skipped: 1 });
});

test("rclone: a thousand deletions are remembered of a move, each until its place is taken", () => {
  const names = Array.from({ length: 1_001 }, (_, n) => `file ${n}`);

  const { counts } = feed(rclone.reader({ ...RUN, command: move }), [
    ...names.map(deleted),
    ...[moved(names[0]), moved(names[1]), moved(names[1]), moved(names[1_000])],
  ], { code: 0, signal: null });

  assert.deepEqual(counts, { ...none, inserted: 2, updated: 2 });
});

test("rclone: what a sync has the server move is no file of its own", () => {
  const command = ["rclone", "-v", "sync", "--track-renames", "a", "b"];
  const renamed = said("info", 'Renamed from "old"', "new");

  const { counts, lines } = feed(rclone.reader({ ...RUN, command }), [
    ...[moved("old", "new"), renamed, moved("twice"), moved("twice")],
    said("info", "Copied (new)", "twice"),
  ], { code: 0, signal: null });

  assert.deepEqual(counts, { ...none, inserted: 1, updated: 1, deleted: 1 });
  assert.equal(lines[0], "debug: old: Moved (server-side) to: new");
});

test("rclone: what it deletes from the backup directory is not deleted", () => {
  const command = ["rclone", "-v", "sync", "--backup-dir", "c", "a", "b"];

  const { counts } = feed(rclone.reader({ ...RUN, command }), [
    ...[said("info", "Deleted", "old"), said("info", "Moved (server-side)", "old")],
    ...[said("info", "Copied (new)", "old"), said("info", "Deleted", "gone")],
    ...[said("info", "Moved (server-side)", "gone"), said("info", "Moved into backup dir", "gone")],
    stats({ checks: 7, deletes: 3, renames: 2, totalTransfers: 1 }),
    said("info", "Copied (new)", "gone"), // another attempt finds it in the source
  ], { code: 0, signal: null });

  assert.deepEqual(counts, { ...none, inserted: 1, updated: 1, deleted: 1, kept: 1 });
});

test("rclone: what is cut off, unknown or no JSON is a log line", () => {
  const reader = rclone.reader(RUN);

  const { lines, counts } = feed(reader, [
    'E: {"level":"info","msg":"Copied (new)","obj',
    "E: [1, 2]",
    'E: {"level":7,"msg":{"a":1}}',
    `E: ${JSON.stringify(readme("\u001b[31mred\u001b[0m"))}`,
    'E: {"level":"info","msg":"Copied (new)","object":null}',
    'E: {"level":"info","msg":"x","stats":{"checks":"many","transferring":[7]}}',
    "E: ",
  ], { code: 0, signal: null });

  assert.deepEqual(counts, none);
  assert.deepEqual(lines, [
    'info: {"level":"info","msg":"Copied (new)","obj',
    "info: [1, 2]",
    'info: {"level":7,"msg":{"a":1}}',
    "info: red",
    "info: Copied (new)",
  ]);
});

const BLOCK = [
  "Transferred:   \t        1.234 MiB / 5 MiB, 25%, 1.100 MiB/s, ETA 3s",
  "Errors:                 1 (retrying may help)",
  "Checks:                 3 / 3, 100%, Listed 12",
  "Deleted:                1 (files), 0 (dirs), 3 B (freed)",
  "Renamed:                1",
  "Listed:                12",
  "Server Side Copies:     1 @ 3 B",
  "Server Side Moves:      1 @ 3 B",
  "Transferred:            1 / 2, 50%",
  "Elapsed time:         0.5s",
  "Checking:",
  " *                                         a.txt: checking",
  "Transferring:",
  " *                                           big: 25% /5Mi, 1.100Mi/s, 3s",
];

test("rclone: the block that -P draws is no log line, nor why it failed; what a script says is", () => {
  const again = [`${BLOCK.at(-1)}${BLOCK[0]}`, ...BLOCK.slice(1)];
  const others = ["Errors: none", "Transferring: soon", "* a"];

  const { lines, error } = feed(rclone.reader(RUN), [
    said("info", "first"),
    ...[...BLOCK, ...again, ...others].map((line) => `O: ${line}`),
    `E: ${BLOCK[9]}`,
    "O: ",
    ...BLOCK.map((line) => `O: ${line}`),
  ], { code: 1, signal: null });

  assert.deepEqual(lines, [
    ...["first", ...others, BLOCK[9]].map((line) => `info: ${line}`),
  ]);
  assert.equal(error?.message, `rclone ended with exit code 1: ${BLOCK[9]}`);
});

test("rclone: the one line that -P draws behind itself is no log line, nor why it failed", () => {
  const drawn = [
    "0 B / 0 B, -, 0 B/s, ETA -",
    "224 KiB / 4.005 MiB, 5%, 0 B/s, ETA - (xfr#0/6)320 KiB / 4.005 MiB, 8%, 0 B/s, ETA 2s",
    "1.011 MiB / 4.005 MiB, 25%, 16.258 Mibit/s, ETA 1s (xfr#1/6, chk#1/2)",
    "2026/12/01 11:05:37 -       540 KiB / 2.861 MiB, 18%, 0 B/s, ETA -2026/12/01 11:05:38 -  ",
    "540.123k / 2.861 MBytes, 18%, 1.027 MBytes/s, ETA 1s",
    "         0 / 2.861 MBytes, 0%, 0 Bytes/s, ETA -   540.123k / 2.861 MBytes, 18%, 1 MBytes/s, ETA 1s",
  ];
  const others = ["5 MiB / 7 MiB, 71%, soon", "224 KiB, ETA 1s"];

  const { lines, error } = feed(
    rclone.reader(RUN),
    ["O: because", ...[...others, ...drawn].map((line) => `O: ${line}`)],
    { code: 1, signal: null },
  );

  assert.deepEqual(lines, ["because", ...others].map((line) => `info: ${line}`));
  assert.equal(error?.message, `rclone ended with exit code 1: ${others[1]}`);
});

test("rclone: prepare() adds what is missing, and only where files are copied", () => {
  const ours = ["--use-json-log", "--stats", "500ms", "--stats-log-level", "NOTICE", "-v"];
  const prepared = (...args: string[]) => rclone.prepare(["/usr/bin/rclone", ...args], {});

  assert.deepEqual(prepared("sync", "a", "b:"), {
    command: ["/usr/bin/rclone", ...ours, "sync", "a", "b:"],
    added: ours,
  });
  assert.deepEqual(prepared("--config", "c", "move", "sync", "b:", "-vv", "--stats=1s").added, [
    "--use-json-log",
    "--stats-log-level",
    "NOTICE",
  ]);
  assert.deepEqual(prepared("copy", "a", "b:", "-q").added, [
    "--use-json-log",
    "--stats",
    "500ms",
    "--stats-log-level",
    "ERROR",
  ]);
  assert.deepEqual(prepared("copy", "a", "b:", "--log-level", "INFO").added, [
    "--use-json-log",
    "--stats",
    "500ms",
    "--stats-log-level",
    "NOTICE",
  ]);
  assert.deepEqual(prepared("copy", "a", "b:", "--log-level", "ERROR").added, [
    "--use-json-log",
    "--stats",
    "500ms",
    "--stats-log-level",
    "ERROR",
  ]);
  assert.deepEqual(prepared("copy", "--", "a", "-q").added, ours);
  assert.deepEqual(prepared("ls", "sync").added, []);
  assert.deepEqual(prepared("version").added, []);
  assert.deepEqual(rclone.prepare(["./backup.sh", "sync"], {}).added, []);
  assert.deepEqual(rclone.prepare(["/bin/sh", "rclone", "sync"], {}).added, []);
  for (const before of [["nice", "-n", "10"], ["env", "A=b"], ["sudo", "-u", "rclone"]]) {
    const { command } = rclone.prepare([...before, "rclone", "sync", "a", "b"], {});
    assert.deepEqual(command, [...before, "rclone", ...ours, "sync", "a", "b"]);
  }
});

test("rclone: prepare() takes its variables for flags", () => {
  const added = (env: Record<string, string>, ...args: string[]) =>
    rclone.prepare(["rclone", "copy", "a", "b:", ...args], env).added.join(" ");
  const all = "--use-json-log --stats 500ms --stats-log-level NOTICE -v";
  const quiet = "--use-json-log --stats 500ms --stats-log-level ERROR";

  assert.equal(added({ RCLONE_CONFIG: "c", RCLONE_LOG_LEVEL_: "x", RCLONE_STATS_UNIT: "b" }), all);
  assert.equal(added({ RCLONE_LOG_LEVEL: "ERROR" }), quiet);
  assert.equal(added({ RCLONE_QUIET: "true" }), quiet);
  assert.equal(added({ RCLONE_QUIET: "false", RCLONE_VERBOSE: "0" }), all);
  assert.equal(added({ RCLONE_QUIET: "", RCLONE_STATS: "" }), all);
  assert.equal(added({ RCLONE_QUIET: "true" }, "-q=false"), all);
  assert.equal(added({ RCLONE_LOG_LEVEL: "INFO" }, "--log-level=ERROR"), quiet);
  assert.equal(added({ RCLONE_VERBOSE: "2" }), all.replace(" -v", ""));
  assert.equal(
    added({ RCLONE_STATS: "1m", RCLONE_USE_JSON_LOG: "true" }),
    "--stats-log-level NOTICE -v",
  );
  assert.equal(added({ RCLONE_STATS_LOG_LEVEL: "INFO" }), "--use-json-log --stats 500ms -v");
  const { command } = rclone.prepare(["env", "RCLONE_QUIET=true", "rclone", "copy", "a", "b"], {});
  assert.deepEqual(command, [
    ...["env", "RCLONE_QUIET=true", "rclone", ...quiet.split(" "), "copy", "a", "b"],
  ]);
});

test("the real rclone: counts are what changed on disk", async (t) => {
  const { path, write, list, run } = bench(t);
  for (const name of ["a.txt", "b.txt", "c.txt", "sub/d e.bin"]) write(name, `first ${name}`);

  const first = await run(["rclone", "sync", "src", "dst"]);
  write("a.txt", "longer than before");
  rmSync(join(path, "src", "b.txt"));
  write("new.txt", "n");
  utimesSync(join(path, "src", "c.txt"), 1, 1);
  const second = await run(["rclone", "sync", "src", "dst"]);

  assert.deepEqual(first.counts, { ...none, inserted: 4 });
  assert.deepEqual(second.counts, { inserted: 1, updated: 2, deleted: 1, kept: 1, skipped: 0 });
  assert.deepEqual(list("dst"), list("src"));
  assert.equal(readFileSync(join(path, "dst", "a.txt"), "utf8"), "longer than before");
  assert.equal(second.last.bytesDone, 19);
  assert.equal(second.error, undefined);
  assert.deepEqual(second.lines, []);
});

test("the real rclone: what cannot be read fails the run, and the rest is counted once", async (t) => {
  const { path, write, list, run } = bench(t);
  write("a.txt", "a");
  write("b.txt", "b");
  await run(["rclone", "sync", "src", "dst"]);
  write("b.txt", "changed");
  write("c.txt", "c");
  symlinkSync("/nowhere", join(path, "src", "dangling"));

  const { counts, error, exit, lines } = await run(["rclone", "sync", "-L", "src", "dst"]);

  assert.deepEqual(list("dst"), ["a.txt", "b.txt", "c.txt"]);
  assert.deepEqual(counts, { inserted: 1, updated: 1, deleted: 0, kept: 1, skipped: 1 });
  assert.equal(exit.code, 1);
  assert.equal(error?.code, "program_failed");
  assert.match(error?.message ?? "", /^rclone ended with exit code 1: Failed to sync/);
  assert.ok(lines.some((line) => line.startsWith("error: dangling: Listing error")));
});

test("the real rclone: a file that is called like the program is a file", async (t) => {
  const { write, run } = bench(t);
  const command = ["rclone", "sync", "src", "dst"];
  write("rclone", "first");
  write("other", "other");
  const first = await run(command);
  write("rclone", "longer than before");

  const second = await run(command);

  assert.deepEqual(first.counts, { ...none, inserted: 2 });
  assert.deepEqual(second.counts, { ...none, updated: 1, kept: 1 });
});

test("rclone: what is said of a file that is called like the program names the file", () => {
  const failed = (objectType: string) =>
    `E: ${JSON.stringify({ level: "error", msg: "Failed", object: "rclone", objectType })}`;

  const { lines } = feed(rclone.reader(RUN), [failed("*local.Object"), failed("string")], {
    code: 1,
    signal: null,
  });

  assert.deepEqual(lines, ["error: rclone: Failed", "error: Failed"]);
});

test("the real rclone: nothing to do (exit 9) is completed", async (t) => {
  const { write, run } = bench(t);
  write("a.txt", "a");
  await run(["rclone", "copy", "src", "dst"]);

  const { exit, counts, error } = await run([
    ...["rclone", "copy", "--error-on-no-transfer", "src", "dst"],
  ]);

  assert.equal(exit.code, 9);
  assert.deepEqual(counts, { ...none, kept: 1 });
  assert.equal(error, undefined);
});

test("the real rclone: what it says under systemd has the same levels", async (t) => {
  const { write, run } = bench(t);
  write("a.txt", "a");
  await run(["rclone", "copy", "src", "dst"]);
  write("a.txt", "longer");

  const { lines, error } = await run(["rclone", "check", "src", "dst"], {
    env: { INVOCATION_ID: "0123456789abcdef0123456789abcdef" },
  });

  const errors = lines.filter((line) => line.startsWith("error: "));
  assert.deepEqual(errors, [
    "error: <3>ERROR : a.txt: sizes differ",
    "error: Failed to check: 1 differences found",
  ]);
  assert.equal(
    error?.message,
    "rclone ended with exit code 1: Failed to check: 1 differences found",
  );
});

test("the real rclone: where it does not look what is there, it is told that all count as new", async (t) => {
  const { write, run } = bench(t);
  for (const name of ["a", "b"]) write(name, name);
  await run(["rclone", "copy", "src", "dst"]);

  const { counts, lines } = await run(["rclone", "copy", "--no-check-dest", "src", "dst"]);

  assert.deepEqual(counts, { ...none, inserted: 2 });
  assert.deepEqual(lines, [
    "info: rclone does not say which of the files (--no-check-dest) are new: all are counted as inserted",
  ]);
});

test("the real rclone: what a move takes away from its source is not deleted", async (t) => {
  const { write, list, run } = bench(t);
  write("a.txt", "a");
  write("b.txt", "b");
  await run(["rclone", "copyto", "src/a.txt", "dst/a.txt"]);

  const { counts } = await run(["rclone", "move", "src", "dst"]);

  assert.deepEqual(counts, { ...none, inserted: 1, kept: 1 });
  assert.deepEqual([list("src"), list("dst")], [[], ["a.txt", "b.txt"]]);
});

test("the real rclone: a move replaces and keeps as it says", async (t) => {
  const { path, write, list, run } = bench(t);
  for (const name of ["same", "replaced"]) write(name, name);
  await run(["rclone", "copy", "src", "dst"]);
  for (const name of ["replaced", "new"]) write(name, `longer ${name}`);

  const { counts } = await run(["rclone", "move", "src", "dst"]);
  write("replaced", "again another one");
  const withBackup = await run(["rclone", "move", "--backup-dir", join(path, "old"), "src", "dst"]);

  assert.deepEqual(counts, { ...none, inserted: 1, updated: 1, kept: 1 });
  assert.deepEqual(withBackup.counts, { ...none, updated: 1 });
  assert.deepEqual([list("dst"), list("old")], [["new", "replaced", "same"], ["replaced"]]);
});

test("the real rclone: a backup directory that has older versions changes no count", async (t) => {
  const { path, write, run } = bench(t);
  const command = ["rclone", "sync", "--backup-dir", join(path, "old"), "src", "dst"];
  for (const content of ["1", "22", "333"]) {
    write("replaced", content);
    await run(command);
  }
  write("replaced", "4444");

  const { counts } = await run(command);

  assert.deepEqual(counts, { ...none, updated: 1 });
});

test("the real rclone: a backup directory and tracked renames change no count", async (t) => {
  const { path, write, list, run } = bench(t);
  const command = [
    ...["rclone", "sync", "--track-renames", "--backup-dir", join(path, "old"), "src", "dst"],
  ];
  for (const name of ["replaced", "gone", "renamed", "stays"]) write(name, `first ${name}`);
  await run(command);
  write("replaced", "longer than before");
  write("again", "first renamed");
  write("new", "new");
  rmSync(join(path, "src", "renamed"));
  rmSync(join(path, "src", "gone"));

  const { counts } = await run(command);

  assert.deepEqual(list("dst"), ["again", "new", "replaced", "stays"]);
  assert.deepEqual(list("old"), ["gone", "replaced"]);
  assert.deepEqual(counts, { inserted: 2, updated: 1, deleted: 2, kept: 1, skipped: 0 });
});

test("the real rclone: its total is told once all is checked", async (t) => {
  const { write, run } = bench(t);
  write("big", new Uint8Array(400_000));

  const { progress, last } = await run([
    ...["rclone", "copy", "--check-first", "--bwlimit", "400k", "src", "dst"],
  ]);

  const during = progress.find(({ inserted, bytesTotal }) => inserted === 0 && bytesTotal);
  assert.equal(during?.bytesTotal, 400_000);
  assert.equal(during?.current, "big");
  assert.equal(during?.phase, "transferring");
  assert.equal(last.bytesDone, 400_000);
});

test("the real rclone: a log level that hides the files is told", async (t) => {
  const { path, write, run } = bench(t);
  for (const name of ["replaced", "touched", "kept"]) write(name, name);
  await run(["rclone", "copy", "src", "dst"]);
  const command = (
    level: string,
    to: string,
  ) => ["rclone", "copy", `--log-level=${level}`, "src", to];

  for (const [level, to] of [["ERROR", "dst"], ["NOTICE", "dst2"]]) {
    write("replaced", `${level} is longer`);
    write("new", "n");
    utimesSync(join(path, "src", "touched"), 1, 1);
    const { counts, last, lines } = await run(command(level, to));

    const copied = to === "dst" ? 2 : 4;
    assert.deepEqual(counts, none);
    assert.equal(last.warnings, 1);
    assert.deepEqual(lines, [
      `warning: rclone has copied ${copied} files, and moved or deleted 0, and its log level ` +
      "hides which: they are not counted",
    ]);
  }
  const again = await run(command("ERROR", "dst2"));

  assert.deepEqual([again.counts, again.lines], [none, []]);
});

test("the real rclone: a log level that hides what is deleted or moved is told", async (t) => {
  const { path, write, list, run } = bench(t);
  for (const name of ["a", "b", "gone"]) write(name, name);
  await run(["rclone", "copy", "src", "dst"]);
  rmSync(join(path, "src", "gone"));
  mkdirSync(join(path, "dst2"));

  const deleted = await run(["rclone", "sync", "-q", "src", "dst"]);
  const moved = await run(["rclone", "move", "-q", "src", "dst2"]);

  assert.deepEqual([list("dst"), list("dst2")], [["a", "b"], ["a", "b"]]);
  for (const [{ counts, last, lines }, removals] of [[deleted, 1], [moved, 2]] as const) {
    assert.deepEqual([counts, last.warnings], [none, 1]);
    assert.deepEqual(lines, [
      `warning: rclone has copied 0 files, and moved or deleted ${removals}, and its log level ` +
      "hides which: they are not counted",
    ]);
  }
});

test("the real rclone: a log that goes into a file is told", async (t) => {
  const { path, write, list, run } = bench(t);
  write("a.txt", "a");

  const { counts, last, lines } = await run(["rclone", "copy", "--log-file", "log", "src", "dst"]);

  assert.deepEqual([counts, list("dst"), last.warnings], [none, ["a.txt"], 1]);
  assert.deepEqual(lines, [
    "warning: rclone writes its log into a file (--log-file): what it does is not counted",
  ]);
  assert.ok(statSync(join(path, "log")).size > 0);
});

test("the real rclone: a log level of its environment does not stop it", async (t) => {
  const { path, write, list, run } = bench(t);
  write("a.txt", "a");
  const env = (more: Record<string, string>) => ({
    env: { RCLONE_CONFIG: join(path, "rclone.conf"), ...more },
  });

  const shown = await run(["rclone", "copy", "src", "dst"], env({ RCLONE_LOG_LEVEL: "INFO" }));
  write("b.txt", "b");
  const hidden = await run(["rclone", "copy", "src", "dst"], env({ RCLONE_LOG_LEVEL: "ERROR" }));
  write("c.txt", "c");
  const quiet = await run(["rclone", "copy", "src", "dst"], env({ RCLONE_QUIET: "true" }));

  assert.deepEqual([shown, hidden, quiet].map(({ exit }) => exit.code), [0, 0, 0]);
  assert.deepEqual(shown.counts, { ...none, inserted: 1 });
  assert.deepEqual(list("dst"), ["a.txt", "b.txt", "c.txt"]);
});

test("the real rclone: stopped in the middle, what is done is counted", async (t) => {
  const { path, write, list, run } = bench(t);
  write("a.txt", "a");
  write("big", new Uint8Array(30_000_000));

  const { counts, exit, error } = await run(
    ["rclone", "copy", "--bwlimit", "500k", "src", "dst"],
    {
      onEvent(event, stop) {
        if (event.type === "progress" && event.inserted === 1 && event.current === "big") stop();
      },
    },
  );

  assert.deepEqual(counts, { ...none, inserted: 1 });
  assert.ok(list("dst").includes("a.txt"));
  assert.ok(statSync(join(path, "dst", "big")).size < 30_000_000);
  assert.equal(exit.signal, "SIGTERM");
  assert.deepEqual(error, {
    code: "program_killed",
    message: "rclone was killed by SIGTERM and said nothing of why",
  });
});
