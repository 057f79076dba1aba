import assert from "node:assert/strict";
import { resolve } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { execOptions, userState } from "../../src/cli/exec/exec_options.ts";

const VARIABLES = [
  "SYNCTAIL_KEY",
  "SYNCTAIL_KEY_FILE",
  "SYNCTAIL_DATA",
  "XDG_STATE_HOME",
  "HOME",
];

/** The options of these flags where of VARIABLES only those in `env` are set. */
function optionsOf(flags: Record<string, string>, env: Record<string, string>) {
  const before = VARIABLES.map((name) => [name, process.env[name]] as const);
  for (const name of VARIABLES) delete process.env[name];
  Object.assign(process.env, env);
  try {
    return execOptions({ server: "http://127.0.0.1:8017", ...flags });
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}

/** The flags with which a later `--flush` gets the key, where `exec` was given these. */
function keyFlags(flags: Record<string, string>, env: Record<string, string> = {}) {
  return optionsOf({ data: "/srv/data", ...flags }, env).keyFlags;
}

test("execOptions() keeps spools in one place, wherever exec is called", () => {
  const spools = (env: Record<string, string>) => optionsOf({}, { HOME: "/home/a", ...env }).spools;

  assert.equal(spools({}), "/home/a/.local/state/synctail/spool");
  assert.equal(spools({ XDG_STATE_HOME: "" }), "/home/a/.local/state/synctail/spool");
  assert.equal(spools({ XDG_STATE_HOME: "state" }), "/home/a/.local/state/synctail/spool");
  assert.equal(spools({ XDG_STATE_HOME: "/state" }), "/state/synctail/spool");
});

test("execOptions() names the key's file so that it is found from anywhere, and no key itself", () => {
  assert.deepEqual(keyFlags({ keyFile: "key" }), { "key-file": resolve("key") });
  assert.deepEqual(keyFlags({ keyFile: "-" }), { "key-file": "-" });
  assert.deepEqual(keyFlags({ key: "abc" }, { SYNCTAIL_KEY: "def" }), { key: "KEY" });
  assert.deepEqual(keyFlags({ key: "abc", keyFile: "key" }), { key: "KEY" });
  assert.deepEqual(keyFlags({}, { SYNCTAIL_KEY: "def" }), {});
  assert.deepEqual(keyFlags({}, { SYNCTAIL_KEY_FILE: "key" }), {});
  assert.deepEqual(keyFlags({}), { key: "KEY" });
});

test("userState() is a place also for a user without a home, whom the system does not know", () => {
  const unknown = () => {
    throw new Error("ENOENT: no such file or directory, uv_os_homedir");
  };

  assert.equal(
    userState({ XDG_STATE_HOME: "/state", HOME: "/home/a" }, unknown),
    "/state/synctail",
  );
  assert.equal(userState({ HOME: "/home/a" }, unknown), "/home/a/.local/state/synctail");
  assert.equal(userState({}, () => "/home/b"), "/home/b/.local/state/synctail");
  assert.equal(userState({}, unknown), "/.local/state/synctail"); // Bun
  assert.equal(userState({}, () => null), "/.local/state/synctail"); // Deno
});
