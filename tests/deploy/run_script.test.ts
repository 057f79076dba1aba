import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Cleanup } from "../support/program.ts";
import { tempDirectory } from "../support/temp.ts";

const ROOT = new URL("../..", import.meta.url).pathname;

/** Calls ./run by a link elsewhere, with these programs in front of the system's. */
function bench(t: Cleanup, programs: Readonly<Record<string, string>>) {
  const { path, remove } = tempDirectory();
  t.after(remove);
  mkdirSync(join(path, "bin"));
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(join(path, "bin", name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  symlinkSync(join(ROOT, "run"), join(path, "synctail"));
  const env = { PATH: `${join(path, "bin")}:/usr/bin:/bin`, XDG_CACHE_HOME: path };
  return (...args: string[]) =>
    spawnSync(join(path, "synctail"), args, { env, cwd: path, encoding: "utf8" });
}

test("./run finds its repository also behind a link", (t) => {
  const version = /DENO_VERSION=(\S+)/.exec(readFileSync(join(ROOT, "run"), "utf8"))?.[1];
  const deno = `if [ "$1" = --version ]; then echo "deno ${version}"; else echo "$@"; fi`;
  const run = bench(t, { deno });

  const { status, stdout } = run("deno", "check", "a b");

  const [config, main] = ["deno.json", "main.ts"].map((name) => join(ROOT, name));
  assert.deepEqual([status, stdout], [0, `run --quiet -P --config ${config} ${main} check a b\n`]);
});

test("./run bun takes nothing from where it is started", (t) => {
  const version = /BUN_VERSION=(\S+)/.exec(readFileSync(join(ROOT, "run"), "utf8"))?.[1];
  const bun = `if [ "$1" = --version ]; then echo "${version}"; else echo "$@"; fi`;
  const run = bench(t, { bun });

  const { status, stdout } = run("bun", "check");

  const flags = "--no-env-file --config=/dev/null --tsconfig-override=/dev/null";
  assert.deepEqual([status, stdout], [0, `run ${flags} ${join(ROOT, "main.ts")} check\n`]);
});

test("./run adds nothing to the words of a command that nobody watches", (t) => {
  const text = readFileSync(join(ROOT, "run"), "utf8");
  for (const name of ["deno", "bun"]) {
    const version = new RegExp(`${name.toUpperCase()}_VERSION=(\\S+)`).exec(text)?.[1];
    const words = name === "deno" ? `deno ${version}` : version;
    const run = bench(t, { [name]: `if [ "$1" = --version ]; then echo "${words}"; fi` });

    const { status, stderr } = run(name, "exec", "--quiet", "--flush");

    assert.deepEqual([status, stderr], [0, ""]);
  }
});

test("./run fetches a runtime in its repository, not where it is started", (t) => {
  const run = bench(t, { npx: "pwd >&2; exit 1", deno: "", bun: "" });

  const { stderr } = run("deno", "check");

  assert.match(stderr, new RegExp(`^${ROOT.replace(/\/$/, "")}$`, "m"));
});

test("./run test goes on to nothing where the first runtime cannot be had", (t) => {
  const run = bench(t, { npx: "echo no network; exit 1", deno: "", bun: "" });

  const { status, stderr } = run("test");

  assert.equal(status, 2);
  assert.match(
    stderr,
    /cannot start deno: npm could not fetch deno@\S+ \(its words are above\)\n$/,
  );
});
