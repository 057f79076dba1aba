import assert from "node:assert/strict";
import { resolve } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { execOptions } from "../../src/cli/exec/exec_options.ts";

const VARIABLES = ["SYNCTAIL_KEY", "SYNCTAIL_KEY_FILE"];

/** The flags with which a later `--flush` gets the key, where `exec` was given these. */
function keyFlags(flags: Record<string, string>, env: Record<string, string> = {}) {
  const before = VARIABLES.map((name) => [name, process.env[name]] as const);
  for (const name of VARIABLES) delete process.env[name];
  Object.assign(process.env, env);
  try {
    return execOptions({ server: "http://127.0.0.1:8017", data: "/srv/data", ...flags }).keyFlags;
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}

test("execOptions() names the key's file so that it is found from anywhere, and no key itself", () => {
  assert.deepEqual(keyFlags({ keyFile: "key" }), { "key-file": resolve("key") });
  assert.deepEqual(keyFlags({ keyFile: "-" }), { "key-file": "-" });
  assert.deepEqual(keyFlags({ key: "abc" }, { SYNCTAIL_KEY: "def" }), { key: "KEY" });
  assert.deepEqual(keyFlags({ key: "abc", keyFile: "key" }), { key: "KEY" });
  assert.deepEqual(keyFlags({}, { SYNCTAIL_KEY: "def" }), {});
  assert.deepEqual(keyFlags({}, { SYNCTAIL_KEY_FILE: "key" }), {});
  assert.deepEqual(keyFlags({}), { key: "KEY" });
});
