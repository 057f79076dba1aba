// The test command: every check under Deno and under Bun, and one closing line.
// Usage: node tests/run.mjs [deno|bun|all] [PATH...]; DENO and BUN name the runtimes' binaries.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Debian's packages that tests need, each with the programs that will do; without it they fail. */
const PACKAGES = {
  chromium: ["chromium", "google-chrome"],
  caddy: ["caddy"],
  curl: ["curl"],
  haproxy: ["haproxy"],
  nginx: ["nginx"],
  openssl: ["openssl"],
  systemd: ["systemd-analyze"],
  yamllint: ["yamllint"],
  gcc: ["gcc"],
  python3: ["python3"],
  rclone: ["rclone"],
  "redis-server": ["redis-server"],
  restic: ["restic"],
  rsync: ["rsync"],
};

const LIMIT_MS = 20 * 60_000;
const { DENO = "deno", BUN = "bun" } = process.env;
const [which = "all", ...paths] = process.argv.slice(2);
const where = paths.length > 0 ? paths : ["tests"];
const partial = paths.length > 0;
let passed = 0;
let failed = 0;
const running = new Set();

const timer = setTimeout(() => stop(`it took longer than ${LIMIT_MS / 60_000} minutes`), LIMIT_MS);
for (const name of ["SIGINT", "SIGTERM"]) process.on(name, () => stop(`it was stopped by ${name}`));

if (!["deno", "bun", "all"].includes(which)) {
  console.error(`tests: Cannot run "${which}": the first word is deno, bun or all`);
  process.exit(2);
}
const deno = which === "deno" || which === "all";
const bun = which === "bun" || which === "all";
testPackages();
if (!partial) packages();
if (deno && !partial) {
  await step("deno fmt", DENO, ["fmt", "--check", "--quiet"]);
  await step("deno lint", DENO, ["lint", "--quiet"]);
  await step("deno check", DENO, ["check", "--quiet", "main.ts", "tests", "bench"]);
  await step("deno check (the page)", DENO, ["check", "--quiet", "src/page/app.js"]);
  await step("deno check (thread)", DENO, ["check", "--quiet", "src/log/checkpoint_thread.js"]);
}
if (bun) await step("bun install", BUN, ["install", "--frozen-lockfile"]);
// Beside each other: much of a test's time is waiting, for processes, proxies, browsers.
await Promise.all([
  deno && suite(
    "deno test",
    DENO,
    // A whole run has checked the types already.
    ["test", "-A", "--quiet", ...(partial ? [] : ["--no-check"]), ...where],
    /(\d+) passed.*\| (\d+) failed/,
  ),
  bun && suite(
    "bun test",
    BUN,
    ["test", "--timeout", "120000", ...where],
    /(\d+) pass\n\s*(?:\d+ \w+\n\s*)?(\d+) fail/,
  ),
]);
if (which === "all" && !partial) await binary();
close();

/** Installs what tests/package.json lists, where that has changed. */
function testPackages() {
  const folder = new URL(".", import.meta.url).pathname;
  const lock = readFileSync(join(folder, "package-lock.json"), "utf8");
  const mark = join(folder, "node_modules", "lock-that-was-installed.json");
  if (existsSync(mark) && readFileSync(mark, "utf8") === lock) return;
  const { status } = spawnSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], {
    cwd: folder,
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (status === 0) writeFileSync(mark, lock);
  else console.error("tests: npm ci has failed; tests that need its packages will fail");
}

/** Installs what is missing of PACKAGES. */
function packages() {
  const has = (program) => !spawnSync(program, ["--version"], { stdio: "ignore" }).error;
  const missing = Object.keys(PACKAGES).filter((name) => !PACKAGES[name].some(has));
  if (missing.length === 0) return;
  console.error(`tests: installing ${missing.join(", ")}`);
  spawnSync("apt-get", ["update", "-qq"], { stdio: "ignore" });
  const { status } = spawnSync("apt-get", ["install", "-y", "-qq", ...missing], {
    stdio: "ignore",
  });
  if (status !== 0) console.error("tests: that cannot be installed; tests that need it will fail");
}

/** The compiled program, started and asked. */
async function binary() {
  const dir = mkdtempSync(join(tmpdir(), "synctail-binary-"));
  const file = join(dir, "synctail");
  const built = await step("bun build --compile", BUN, [
    "build",
    "--compile",
    "--minify-syntax",
    "--bytecode",
    "--format=esm",
    "--splitting",
    "main.ts",
    "--outfile",
    file,
  ]);
  if (built) {
    await suite(
      "the binary",
      BUN,
      ["test", "--timeout", "120000", "./tests/binary.check.ts"],
      /(\d+) pass\n\s*(\d+) fail/,
      {
        SYNCTAIL_BINARY: file,
      },
    );
  }
  rmSync(dir, { recursive: true, force: true });
}

/** One check: it passes or fails as a whole. */
async function step(name, command, args) {
  const { code, output } = await run(command, args);
  count(name, code === 0 ? 1 : 0, code === 0 ? 0 : 1, code === 0 ? "" : output);
  return code === 0;
}

/** A test runner: its own summary is counted; none, or one of no tests, is a failure. */
async function suite(name, command, args, summary, env = {}) {
  const { code, output } = await run(command, args, env);
  // deno-lint-ignore no-control-regex -- colours
  const [, pass, fail] = summary.exec(output.replace(/\x1b\[[0-9;]*m/g, "")) ?? [];
  const ran = pass !== undefined && Number(pass) + Number(fail) > 0;
  const broken = !ran || (code !== 0 && Number(fail) === 0);
  count(
    name,
    Number(pass ?? 0),
    Number(fail ?? 0) + (broken ? 1 : 0),
    code === 0 && ran ? "" : output,
  );
}

function count(name, pass, fail, output) {
  passed += pass;
  failed += fail;
  if (fail > 0) console.log(output);
  console.log(`${fail === 0 ? "ok  " : "FAIL"} ${name}: ${pass} ok, ${fail} not`);
}

function run(command, args, env = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      env: { ...process.env, NO_COLOR: "1", ...env },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    let output = "";
    const keep = (chunk) => output = (output + chunk).slice(-400_000);
    running.add(child);
    const ended = (answer) => {
      running.delete(child);
      resolve(answer);
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    child.on("error", (error) => ended({ code: 1, output: `${command}: ${error.message}` }));
    child.on("close", (code) => ended({ code: code ?? 1, output }));
  });
}

function stop(reason) {
  for (const { pid } of running) {
    try {
      if (pid) process.kill(-pid, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }
  count(`the run: ${reason}`, 0, 1, "");
  close();
}

function close() {
  clearTimeout(timer);
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}
