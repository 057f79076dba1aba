import assert from "node:assert/strict";
import { test } from "node:test";
import { parseConfig } from "../../src/cli/config_file.ts";
import { ConfigError } from "../../src/cli/config_error.ts";

function parse(source: object, more: object = {}) {
  const syncs = [{ name: "nightly", source: { type: "command", ...source }, ...more }];
  return parseConfig(JSON.stringify({ syncs }), "/etc/synctail/synctail.json").syncs[0];
}

/** What is wrong with it, without the part that every line begins with. */
function faults(source: object, more: object = {}): string[] {
  try {
    parse(source, more);
    return [];
  } catch (cause) {
    if (!(cause instanceof ConfigError)) throw cause;
    return cause.issues.map((issue) => issue.replace(/^.*?: syncs\[0\]\./, ""));
  }
}

test("a command needs its program only", () => {
  const { source, destination } = parse({ command: ["make", "sync"] });

  assert.equal(destination, null);
  assert.deepEqual(source, {
    type: "command",
    format: "lines",
    command: ["make", "sync"],
    cwd: "/etc/synctail",
    passEnv: [],
    setEnv: {},
    stopGraceMs: 10_000,
    stallMs: undefined,
    percent: undefined,
  });
});

test("a command is taken as it is written", () => {
  const { source, destination } = parse({
    format: "singer",
    command: ["./tap", "--config", ""],
    cwd: "taps",
    env: ["RCLONE_CONFIG"],
    set_env: { PASSWORD: "x" },
    stop_grace_s: 0.5,
    stall_s: 60,
  }, { destination: { type: "jsonl", path: "users.jsonl" } });

  assert.deepEqual(source, {
    type: "command",
    format: "singer",
    command: ["./tap", "--config", ""],
    cwd: "/etc/synctail/taps",
    passEnv: ["RCLONE_CONFIG"],
    setEnv: { PASSWORD: "x" },
    stopGraceMs: 500,
    stallMs: 60_000,
    percent: undefined,
  });
  assert.deepEqual(destination, { type: "jsonl", path: "/etc/synctail/users.jsonl" });
});

test("a command's format is known by its program where it is not named", () => {
  const format = (...command: string[]) => {
    const { source } = parse({ command });
    return source.type === "command" && source.format;
  };

  assert.equal(format("/usr/bin/rclone", "sync"), "rclone");
  assert.equal(format("backup.sh"), "lines");
});

test("a command's pattern finds percent", () => {
  const { source } = parse({ command: ["make"], percent: "(\\d+) of (\\d+)" });

  assert.deepEqual(source.type === "command" && source.percent, /(\d+) of (\d+)/);
});

test("a command's faults are told in words", () => {
  const command = ["make"];

  assert.deepEqual(faults({}), ["source.command: got nothing: expected a list of strings"]);
  assert.deepEqual(faults({ command: "make all" }), [
    'source.command: got "make all": expected a list of strings',
  ]);
  assert.deepEqual(faults({ command: [] }), [
    "source.command[0]: got nothing: expected a program",
  ]);
  assert.deepEqual(faults({ command: ["", 1] }), [
    "source.command[1]: got 1: expected a string",
    'source.command[0]: got "": expected a program',
  ]);
  assert.deepEqual(faults({ command: ["a\0"] }), [
    'source.command[0]: got "a\\u0000": expected no NUL character',
  ]);
  assert.deepEqual(faults({ command, format: "rsink" }), [
    'source.format: got "rsink": expected "rclone" or "restic" or "rsync" or "singer" or ' +
    '"airbyte" or "ndjson" or "lines"',
  ]);
  assert.deepEqual(faults({ command, env: ["A=1"], set_env: { B: 2, "c-d": "3" } }), [
    'source.env[0]: got "A=1": expected a variable\'s name, of A-Z a-z 0-9 _',
    "source.set_env.B: got a secret: expected a string",
    "source.set_env.c-d: got a secret: expected a variable's name, of A-Z a-z 0-9 _",
  ]);
  assert.deepEqual(faults({ command, stop_grace_s: 301, stall_s: -1 }), [
    "source.stop_grace_s: got 301: expected a number of seconds from 0 to 300; 0 kills at once",
    "source.stall_s: got -1: expected a number of seconds from 0 to 604800; 0 for no limit",
  ]);
  assert.deepEqual(faults({ command, percent: "(" }), [
    'source.percent: got "(": expected a regular expression with one or two groups',
  ]);
  assert.deepEqual(faults({ command, percent: "\\d+%" }), [
    'source.percent: got "\\\\d+%": expected a regular expression with one or two groups',
  ]);
  assert.deepEqual(faults({ command, format: "ndjson", percent: "(\\d+)%" }), [
    'source.percent: got "(\\\\d+)%": expected none: only the format lines is searched by a pattern',
  ]);
  assert.deepEqual(faults({ command, shell: true }), ["source.shell: got true: no such setting"]);
});

test("each source says which destinations it takes", () => {
  const jsonl = { destination: { type: "jsonl", path: "x.jsonl" } };

  assert.deepEqual(faults({ command: ["rclone", "sync"] }, jsonl), [
    "destination: got an object: expected none: a program of this format writes by itself, and " +
    "tells of no records",
  ]);
  assert.deepEqual(faults({ command: ["tap"], format: "airbyte" }, jsonl), []);
  assert.deepEqual(
    faults({ command: ["tap"], format: "airbyte" }, { destination: { type: "s3" } }),
    [
      'destination.type: got "s3": expected "sqlite" or "jsonl" or "none"',
    ],
  );
  for (const destination of [{ type: "jsonl", path: "x" }, { type: "none" }]) {
    assert.deepEqual(faults({ type: "directory", path: "." }, { destination }), [
      'destination: got an object: expected one of type "sqlite": a source of type directory ' +
      "needs an index",
    ]);
  }
});
