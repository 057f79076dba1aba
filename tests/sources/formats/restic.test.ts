import assert from "node:assert/strict";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { formatOf } from "../../../src/sources/formats/formats.ts";
import type { Cleanup } from "../../support/program.ts";
import { tempDirectory } from "../../support/temp.ts";
import { feed, none, type RealRun, replay, RUN, runReal } from "./reading.ts";

const restic = formatOf("restic");

/** A folder and a repository beside it. */
async function bench(t: Cleanup) {
  const { path, remove } = tempDirectory();
  t.after(remove);
  mkdirSync(join(path, "src", "sub"), { recursive: true });
  const env = {
    RESTIC_PASSWORD: "secret",
    RESTIC_REPOSITORY: join(path, "repo"),
    RESTIC_CACHE_DIR: join(path, "cache"),
  };
  const write = (name: string, content: string | Uint8Array) =>
    writeFileSync(join(path, "src", name), content);
  const run = (command: readonly string[], more: Partial<RealRun> = {}) =>
    runReal(restic, command, { cwd: path, env: { ...env, ...more.env }, onEvent: more.onEvent });
  const { error } = await run(["restic", "init"]);
  assert.equal(error, undefined);
  return { path, write, run, locks: () => readdirSync(join(path, "repo", "locks")) };
}

test("restic: a first backup inserts, with final totals from the scan", () => {
  const { counts, last, lines, error } = replay(restic, "restic_first.txt");

  assert.deepEqual(counts, { ...none, inserted: 5 });
  assert.deepEqual(last.encountered, { file: 5 });
  assert.equal(last.total, 5);
  assert.equal(last.bytesDone, 39);
  assert.equal(last.bytesTotal, 39);
  assert.match(lines.join(), /^info: snapshot [0-9a-f]{8} saved$/);
  assert.equal(error, undefined);
});

test("restic: a second backup tells updated and kept, and no total before the scan is done", () => {
  const { counts, progress } = replay(restic, "restic_again.txt");

  assert.deepEqual(counts, { ...none, inserted: 1, updated: 1, kept: 3 });
  assert.equal(progress[0].total, undefined);
  assert.equal(progress[0].bytesTotal, undefined);
  assert.equal(progress[0].phase, "scanning");
  assert.equal(progress[1].total, 5);
  assert.equal(progress[1].bytesTotal, 38);
});

test("restic: without a line a file the summary counts", () => {
  const { counts, last } = replay(restic, "restic_quiet.txt");

  assert.deepEqual(counts, { ...none, kept: 5 });
  assert.deepEqual(last.encountered, { file: 5 });
});

test("restic: what could not be read is a warning, and exit 3 is completed", () => {
  const { counts, last, lines, error } = replay(restic, "restic_warnings.txt");

  assert.deepEqual(counts, { ...none, inserted: 5, skipped: 2 });
  assert.equal(last.warnings, 3);
  assert.equal(error, undefined);
  assert.deepEqual(lines.filter((line) => line.startsWith("warning")), [
    "warning: /nowhere does not exist, skipping",
    "warning: read /proc/self/mem: EIO",
    "warning: Warning: at least one source file could not be read",
  ]);
});

test("restic: exit 3 of another command failed", () => {
  const reader = restic.reader({ ...RUN, command: ["restic", "forget", "--prune"] });

  const { error } = feed(reader, ["E: failed to remove one snapshot"], { code: 3, signal: null });

  assert.equal(error?.message, "restic ended with exit code 3: failed to remove one snapshot");
});

test("restic: its fatal line is the reason", () => {
  const { error } = replay(restic, "restic_failed.txt");

  assert.deepEqual(error, {
    code: "program_failed",
    message: "restic ended with exit code 1: unable to open config file: " +
      "stat nowhere/config: no such file or directory",
  });
});

test("restic: newer versions report errors as messages", () => {
  const reader = restic.reader({ ...RUN, command: ["restic", "backup"] });

  const { counts, lines, error } = feed(reader, [
    'E: {"message_type":"error","error":{"message":"permission denied"},"during":"scan","item":"/a"}',
    'E: {"message_type":"error","error":{"message":"permission denied"},"during":"archival","item":"/a"}',
    'E: {"message_type":"exit_error","code":12,"message":"Fatal: wrong password or no key found"}',
  ], { code: 12, signal: null });

  assert.deepEqual(counts, { ...none, skipped: 1 });
  assert.deepEqual(lines, [
    "warning: /a: permission denied",
    "error: Fatal: wrong password or no key found",
  ]);
  assert.equal(error?.message, "restic ended with exit code 12: wrong password or no key found");
});

test("restic: a file whose metadata could not be read whole is saved, with a warning", () => {
  const reader = restic.reader({ ...RUN, command: ["restic", "backup"] });
  const said = "incomplete metadata for /x: failed to read metadata: permission denied";

  const { counts, last, lines } = feed(reader, [
    `E: {"message_type":"error","error":{"message":"${said}"},"during":"archival","item":"/x"}`,
    'O: {"message_type":"verbose_status","action":"new","item":"/x"}',
    'O: {"message_type":"summary","files_new":1}',
  ], { code: 3, signal: null });

  assert.deepEqual(counts, { ...none, inserted: 1 });
  assert.deepEqual([last.warnings, last.encountered, last.total], [1, { file: 1 }, 1]);
  assert.deepEqual(lines, [`warning: ${said}`]);
});

test("restic: the counts of a script are those of all its backups", () => {
  const first = [
    '{"message_type":"verbose_status","action":"scan_finished","data_size":30,"total_files":5}',
    '{"message_type":"status","bytes_done":20}',
    '{"message_type":"summary","files_new":2,"files_changed":1,"files_unmodified":2,' +
    '"total_bytes_processed":30}',
  ];
  const second = [
    '{"message_type":"verbose_status","action":"scan_finished","data_size":7,"total_files":4}',
    '{"message_type":"verbose_status","action":"modified","item":"/a"}',
    '{"message_type":"status","bytes_done":4}',
    '{"message_type":"summary","files_new":1,"files_changed":2,"files_unmodified":1,' +
    '"total_bytes_processed":7}',
  ];
  const lines = [...first, ...second].map((line) => `O: ${line}`);

  const { counts, last, progress } = feed(restic.reader(RUN), lines, { code: 0, signal: null });

  assert.deepEqual(counts, { ...none, inserted: 3, updated: 3, kept: 3 });
  assert.deepEqual([last.encountered, last.total], [{ file: 9 }, 9]);
  assert.deepEqual([last.bytesDone, last.bytesTotal], [37, 37]);
  assert.deepEqual(progress.map(({ bytesDone }) => bytesDone), [
    ...[undefined, 20, 30, 30, 30, 34, 37, 37],
  ]);
  const [scanned] = progress.slice(first.length);
  assert.deepEqual([scanned.total, scanned.bytesTotal], [9, 37]);
});

test("restic: a directory that cannot be read is left out once, by whatever paths it is called", () => {
  const reader = restic.reader({ ...RUN, command: ["restic", "backup", "src"] });

  const { counts, last, lines } = feed(reader, [
    'E: {"message_type":"error","error":{},"during":"scan","item":"/home/src/sub"}',
    'E: {"message_type":"error","error":{},"during":"archival","item":"src/sub"}',
  ], { code: 3, signal: null });

  assert.deepEqual(counts, { ...none, skipped: 1 });
  assert.equal(last.warnings, 1);
  assert.deepEqual(lines, ["warning: src/sub: an error without words"]);
});

test("restic: what is cut off, unknown or no JSON is a log line", () => {
  const reader = restic.reader({ ...RUN, command: ["restic", "backup"] });

  const { counts, lines } = feed(reader, [
    'O: {"message_type":"summary","files_n',
    'O: {"message_type":"future","files_new":3}',
    'O: {"message_type":"verbose_status","action":"new"}',
    'O: {"message_type":"verbose_status","action":"new","item":7}',
    'O: {"message_type":"status","total_files":-1,"bytes_done":"x","current_files":{}}',
    'E: {"message_type":"error","error":null}',
    "O: [0:00] 100.00%  5 / 5 snapshots",
  ], { code: 0, signal: null });

  assert.deepEqual(counts, none);
  assert.deepEqual(lines, [
    'info: {"message_type":"summary","files_n',
    'info: {"message_type":"future","files_new":3}',
    "warning: an error without words",
    "info: [0:00] 100.00%  5 / 5 snapshots",
  ]);
});

test("restic: prepare() adds what is missing to backups only", () => {
  const added = (...args: string[]) => restic.prepare(["restic", ...args], {}).added;

  assert.deepEqual(restic.prepare(["restic", "-r", "backup", "backup", "/data"], {}).command, [
    ...["restic", "--json", "-v", "-v", "-r", "backup", "backup", "/data"],
  ]);
  const waiting = ["--stuck-request-timeout", "10m", "backup", "/data"];
  assert.deepEqual(added(...waiting), ["--json", "-v", "-v"]);
  assert.deepEqual(added("backup", "-v", "/data"), ["--json", "-v"]);
  assert.deepEqual(added("backup", "--json", "-vv", "/data"), []);
  assert.deepEqual(added("backup", "--verbose=1", "/data"), ["--json"]);
  assert.deepEqual(added("backup", "-q", "/data"), ["--json"]);
  assert.deepEqual(added("-r", "backup", "forget", "--prune"), []);
  assert.deepEqual(added("--repo=backup", "check"), []);
});

test("restic: what other commands say of files is no backup", () => {
  const reader = restic.reader({ ...RUN, command: ["restic", "restore", "--json", "latest"] });
  const lines = [
    '{"message_type":"status","percent_done":0.5,"total_files":2,"files_restored":1}',
    '{"message_type":"verbose_status","action":"unchanged","item":"/a","size":1}',
    '{"message_type":"summary","total_files":2,"files_restored":1,"files_skipped":1}',
  ];

  const told = feed(reader, lines.map((line) => `O: ${line}`), { code: 0, signal: null });

  assert.deepEqual(told.counts, none);
  assert.deepEqual([told.last.phase, told.last.bytesDone, told.last.total], [
    undefined,
    undefined,
    undefined,
  ]);
  assert.deepEqual(told.lines, [`debug: ${lines[0]}`, `debug: ${lines[1]}`, `info: ${lines[2]}`]);
});

test("restic: `--dry-run=false` is a real run", () => {
  for (
    const [flag, phase] of [["--dry-run=false", undefined], ["-vn=0", undefined], ["-n", "dry run"]]
  ) {
    const reader = restic.reader({ ...RUN, command: ["restic", "backup", String(flag), "/data"] });

    const { last } = feed(reader, [], { code: 0, signal: null });

    assert.equal(last.phase, phase, flag);
  }
});

test("restic: of a backup that breaks off what is new is in no snapshot, and what was kept in an earlier one", () => {
  const warned = (...actions: string[]) => {
    const lines = actions.map((action, n) =>
      `O: ${JSON.stringify({ message_type: "verbose_status", action, item: `/${n}` })}`
    );
    const { lines: said, last } = feed(restic.reader(RUN), lines, { code: 1, signal: null });
    assert.equal(last.warnings ?? 0, said.length);
    return said;
  };
  const said = "warning: No snapshot was saved, so";

  assert.deepEqual(warned("unchanged", "unchanged"), []);
  assert.deepEqual(warned("unchanged", "new", "modified"), [
    `${said} 2 files that are counted as inserted or updated are in none`,
  ]);
  assert.deepEqual(warned("new"), [
    `${said} 1 file that is counted as inserted or updated is in none`,
  ]);
});

test("restic: of a script's backups that which breaks off has told of no more than its own files", () => {
  const told = (message_type: string, more: object) =>
    `O: ${JSON.stringify({ message_type, ...more })}`;
  const of = (action: string, item: string) => told("verbose_status", { action, item });
  const saved = told("summary", { files_new: 2, files_changed: 1, snapshot_id: "1" });
  const end = { code: 1, signal: null };
  const script = { ...RUN, command: ["./script"] };
  const warnings = (...lines: string[]) =>
    feed(restic.reader(script), lines, end).lines.filter((line) => line.startsWith("warning: "));
  const first = [of("new", "/a"), of("new", "/b"), of("modified", "/c"), saved];

  assert.deepEqual(warnings(...first), []);
  assert.deepEqual(warnings(...first, of("new", "/d")), [
    "warning: No snapshot was saved, so 1 file that is counted as inserted or updated is in none",
  ]);
});

test("restic: a dry run that breaks off has counted nothing, and stays one", () => {
  const reader = restic.reader({ ...RUN, command: ["restic", "backup", "-n", "/home"] });

  const { lines, last } = feed(reader, [
    'O: {"message_type":"verbose_status","action":"scan_finished","total_files":2,"data_size":9}',
    'O: {"message_type":"verbose_status","action":"new","item":"/a"}',
  ], { code: 1, signal: null });

  assert.deepEqual([lines, last.phase], [["info: new: /a"], "dry run"]);
});

test("restic: a backup that scans nothing is backing up from the start", () => {
  const phase = (...flags: string[]) => {
    const reader = restic.reader({ ...RUN, command: ["restic", "backup", ...flags, "/home"] });
    const status = 'O: {"message_type":"status","bytes_done":20}';
    return feed(reader, [status], { code: 0, signal: null }).last.phase;
  };

  assert.deepEqual([phase(), phase("--no-scan")], ["scanning", "backing up"]);
});

test("restic: a dry run that reads a large file is alive", () => {
  const reader = restic.reader({ ...RUN, command: ["restic", "backup", "-n", "/big"] });

  const { progress, last } = feed(reader, [
    'O: {"message_type":"status","bytes_done":20,"current_files":["/big"]}',
  ], { code: 0, signal: null });

  assert.equal(progress.length, 2);
  assert.equal(last.bytesDone, undefined);
});

test("the real restic: counts are what changed on disk", async (t) => {
  const { path, write, run } = await bench(t);
  for (const name of ["a", "b", "sub/c"]) write(name, `first ${name}`);

  const first = await run(["restic", "backup", "src"]);
  write("a", "longer than before");
  write("new", "n");
  const second = await run(["restic", "backup", "src"]);

  assert.deepEqual(first.counts, { ...none, inserted: 3 });
  assert.deepEqual(second.counts, { ...none, inserted: 1, updated: 1, kept: 2 });
  assert.equal(second.last.total, 4);
  assert.equal(second.last.bytesTotal, 18 + 7 + 11 + 1);
  assert.equal(second.last.bytesDone, 18 + 7 + 11 + 1);
  assert.deepEqual(second.added, ["--json", "-v", "-v"]);
  assert.equal(readdirSync(join(path, "repo", "snapshots")).length, 2);
});

test("the real restic: an unreadable file (exit 3) leaves a snapshot and a warning", async (t) => {
  const { path, write, run } = await bench(t);
  write("a", "a");

  const { counts, exit, error, lines } = await run(["restic", "backup", "src", "/proc/self/mem"]);

  assert.equal(exit.code, 3);
  assert.equal(error, undefined);
  assert.deepEqual(counts, { ...none, inserted: 1, skipped: 1 });
  assert.ok(lines.includes("warning: read /proc/self/mem: EIO"));
  assert.equal(readdirSync(join(path, "repo", "snapshots")).length, 1);
});

test("the real restic: a wrong password fails in its own words", async (t) => {
  const { run } = await bench(t);

  const { error } = await run(["restic", "backup", "src"], { env: { RESTIC_PASSWORD: "wrong" } });

  assert.deepEqual(error, {
    code: "program_failed",
    message: "restic ended with exit code 1: wrong password or no key found",
  });
});

test("the real restic: other commands are lines", async (t) => {
  const { run } = await bench(t);

  const { lines, error, added } = await run(["restic", "check"]);

  assert.deepEqual(added, []);
  assert.equal(error, undefined);
  assert.ok(lines.includes("info: no errors were found"));
});

test("the real restic: stopped in the middle, it leaves no lock, and what it has read is in no snapshot", async (t) => {
  const { path, write, run, locks } = await bench(t);
  write("a", "a");
  // Random, so that it cannot be packed into nothing.
  write("big", crypto.getRandomValues(new Uint8Array(65_536)));
  for (let at = 0; at < 100; at++) {
    write(`b${at}`, crypto.getRandomValues(new Uint8Array(65_536)));
  }

  const { counts, last, lines, error, exit } = await run(
    ["restic", "--limit-upload", "100", "backup", "src"],
    {
      onEvent(event, stop) {
        if (event.type === "progress" && event.total !== undefined && event.inserted > 0) stop();
      },
    },
  );

  assert.notEqual(exit.code, 0);
  assert.equal(error?.code, "program_failed");
  assert.match(error?.message ?? "", /^restic ended with exit code 130: signal interrupt received/);
  assert.deepEqual(locks(), []);
  assert.equal(readdirSync(join(path, "repo", "snapshots")).length, 0);
  const [, told] = /^warning: No snapshot was saved, so (\d+) files? that (?:is|are) counted /
    .exec(lines.at(-1) ?? "") ?? [];
  assert.equal(Number(told), counts.inserted);
  assert.equal(last.warnings, lines.filter((line) => line.startsWith("warning: ")).length);
});
