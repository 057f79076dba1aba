import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Cleanup } from "../support/program.ts";
import { tempDirectory } from "../support/temp.ts";

const ROOT = new URL("../..", import.meta.url).pathname;

/**
 * Calls ./run of a repository with no packages by a link elsewhere, with these programs in front of
 * the system's.
 */
function bench(t: Cleanup, programs: Readonly<Record<string, string>>) {
  const { path, remove } = tempDirectory();
  t.after(remove);
  mkdirSync(join(path, "bin"));
  const root = join(path, "repository");
  mkdirSync(root);
  for (const name of ["run", "bun.lock"]) copyFileSync(join(ROOT, name), join(root, name));
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(join(path, "bin", name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  symlinkSync(join(root, "run"), join(path, "synctail"));
  const env = { PATH: `${join(path, "bin")}:/usr/bin:/bin`, XDG_CACHE_HOME: path };
  const run = (...args: string[]) =>
    spawnSync(join(path, "synctail"), args, { env, cwd: path, encoding: "utf8" });
  return { run, root };
}

const version = (name: "DENO" | "BUN") =>
  new RegExp(`${name}_VERSION=(\\S+)`).exec(readFileSync(join(ROOT, "run"), "utf8"))?.[1];

/** A Bun that says what it is called with, but for its version, and installs one package. */
const BUN = `case $1 in
  --version) echo ${version("BUN")} ;;
  install) echo install >>installed; mkdir -p node_modules/hono ;;
  *) echo "$@" ;;
esac`;

test("./run finds its repository also behind a link", (t) => {
  const deno = `if [ "$1" = --version ]; then echo "deno ${version("DENO")}"; else echo "$@"; fi`;
  const { run, root } = bench(t, { deno });

  const { status, stdout } = run("deno", "check", "a b");

  const [config, main] = ["deno.json", "main.ts"].map((name) => join(root, name));
  assert.deepEqual([status, stdout], [0, `run --quiet -P --config ${config} ${main} check a b\n`]);
});

test("./run bun takes nothing from where it is started", (t) => {
  const { run, root } = bench(t, { bun: BUN });

  const { status, stdout } = run("bun", "check");

  const flags = "--no-env-file --config=/dev/null --tsconfig-override=/dev/null";
  assert.deepEqual([status, stdout], [0, `run ${flags} ${join(root, "main.ts")} check\n`]);
});

test("./run bun installs the packages again where a pull has changed their list", (t) => {
  const { run, root } = bench(t, { bun: BUN });
  const installs = () => readFileSync(join(root, "installed"), "utf8").match(/install/g)?.length;

  run("bun", "check");
  run("bun", "check");
  const before = installs();
  writeFileSync(join(root, "bun.lock"), "another list");
  const { status, stderr } = run("bun", "check");
  run("bun", "check");

  assert.deepEqual([before, installs(), status, stderr], [1, 2, 0, ""]);
});

test("./run adds nothing to the words of a command that nobody watches", (t) => {
  for (const name of ["deno", "bun"]) {
    const deno = `if [ "$1" = --version ]; then echo "deno ${version("DENO")}"; fi`;
    const { run, root } = bench(t, { deno, bun: BUN });
    mkdirSync(join(root, "node_modules", "hono"), { recursive: true });

    const { status, stderr } = run(name, "exec", "--quiet", "--flush");

    assert.deepEqual([status, stderr], [0, ""]);
  }
});

test("./run fetches a runtime in its repository, not where it is started", (t) => {
  const { run, root } = bench(t, { npx: "pwd >&2; exit 1", deno: "", bun: "" });

  const { stderr } = run("deno", "check");

  assert.match(stderr, new RegExp(`^${root}$`, "m"));
});

test("./run test goes on to nothing where the first runtime cannot be had", (t) => {
  const { run } = bench(t, { npx: "echo no network; exit 1", deno: "", bun: "" });

  const { status, stderr } = run("test");

  assert.equal(status, 2);
  assert.match(
    stderr,
    /cannot start deno: npm could not fetch deno@\S+ \(its words are above\)\n$/,
  );
});
