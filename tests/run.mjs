// The test command: every check under Deno and under Bun, and one closing line.
// Usage: node tests/run.mjs [deno|bun|all] [PATH...]; DENO and BUN name the runtimes' binaries.
import { spawn, spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join, relative } from "node:path";

/**
 * Debian's packages that tests need, each with the programs that will do; without it they fail.
 * Only what they depend on comes with them: what they recommend is three times as much.
 */
const PACKAGES = {
  chromium: ["chromium", "google-chrome"],
  caddy: ["caddy"],
  curl: ["curl"],
  haproxy: ["haproxy"],
  nginx: ["nginx"],
  openssl: ["openssl"],
  systemd: ["systemd-analyze"],
  yamllint: ["yamllint"],
  "gcc libc6-dev": ["gcc"],
  python3: ["python3"],
  rclone: ["rclone"],
  "redis-server": ["redis-server"],
  restic: ["restic"],
  rsync: ["rsync"],
};

/** Begin first, because their files take longest: one that begins last is alone in the end. */
const FIRST = ["browser", "cli", "sources", "reliability", "http"];

/** Files at a time. More than there are cores: much of a test's time is waiting for others. */
const AT_ONCE = Math.min(2 * availableParallelism(), 12);

const LIMIT_MS = 20 * 60_000;
const { DENO = "deno", BUN = "bun" } = process.env;
const [which = "all", ...paths] = process.argv.slice(2);
const where = paths.length > 0 ? paths : ["tests"];
const partial = paths.length > 0;
let passed = 0;
let failed = 0;
/** What a runner's files come to, by the runner's name. */
const suites = new Map();
const running = new Set();

const timer = setTimeout(() => stop(`it took longer than ${LIMIT_MS / 60_000} minutes`), LIMIT_MS);
for (const name of ["SIGINT", "SIGTERM"]) process.on(name, () => stop(`it was stopped by ${name}`));

if (!["deno", "bun", "all"].includes(which)) {
  console.error(`tests: Cannot run "${which}": the first word is deno, bun or all`);
  process.exit(2);
}
const deno = which === "deno" || which === "all";
const bun = which === "bun" || which === "all";
const runners = [...(deno ? [denoTest] : []), ...(bun ? [bunTest] : [])];
const files = testFiles();
if (files.length === 0) {
  count(where.join(" "), 0, 1, "There is no test file");
  close();
}
const tests = files.flatMap((file) => runners.map((runner) => () => runner(file)));
if (which === "all" && !partial) tests.push(built);
// The checks need nothing that is installed, so they go on meanwhile.
const ready = prepared();
await inPool([...(deno ? checks() : []), ...tests.map((test) => () => ready.then(test))]);
for (const total of suites.values()) {
  if (total.pass + total.fail === 0) total.fail = 1; // not one test
}
close();

/** Does all jobs, so many at a time as there is room for. */
async function inPool(jobs) {
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let job = jobs.shift(); job; job = jobs.shift()) await job();
  }));
}

/** Whatever the tests need beside the sources and the runtimes. */
async function prepared() {
  await Promise.all([
    testPackages(),
    !partial && packages(),
    bun && step("bun install", BUN, ["install", "--frozen-lockfile"]),
  ]);
}

/** Installs what tests/package.json lists, where that has changed. */
async function testPackages() {
  const folder = new URL(".", import.meta.url).pathname;
  const lock = readFileSync(join(folder, "package-lock.json"), "utf8");
  const mark = join(folder, "node_modules", "lock-that-was-installed.json");
  if (existsSync(mark) && readFileSync(mark, "utf8") === lock) return;
  const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
  if (await installed("npm", args, { cwd: folder })) return writeFileSync(mark, lock);
  console.error("tests: npm ci has failed; tests that need its packages will fail");
}

/** Installs what is missing of PACKAGES. */
async function packages() {
  const has = (program) => !spawnSync(program, ["--version"], { stdio: "ignore" }).error;
  const missing = Object.keys(PACKAGES).filter((name) => !PACKAGES[name].some(has));
  if (missing.length === 0) return;
  console.error(`tests: installing ${missing.join(", ")}`);
  await installed("apt-get", ["update", "-qq"]);
  const names = missing.flatMap((name) => name.split(" "));
  const args = ["install", "-y", "-qq", "--no-install-recommends", ...names];
  if (await installed("apt-get", args)) return;
  console.error("tests: that cannot be installed; tests that need it will fail");
}

/** Runs an installer, which `stop` leaves alone: killed, it would leave half of something. */
function installed(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ["ignore", "ignore", "inherit"], ...options });
    child.on("error", () => resolve(false));
    child.on("close", (code) => resolve(code === 0));
  });
}

/** What is checked without running anything. */
function checks() {
  const check = (name, ...args) => () => step(name, DENO, args);
  if (partial) return [check("deno check", "check", "--quiet", ...where)];
  return [
    check("deno check", "check", "--quiet", "main.ts", "tests", "bench"),
    check("deno check (the page)", "check", "--quiet", "src/page/app.js"),
    check("deno check (thread)", "check", "--quiet", "src/log/checkpoint_thread.js"),
    check("deno lint", "lint", "--quiet"),
    check("deno fmt", "fmt", "--check", "--quiet"),
  ];
}

/** All test files at or below the given paths, those that take longest first. */
function testFiles() {
  const rank = (file) => {
    const at = FIRST.findIndex((folder) => file.includes(`/${folder}/`));
    return at < 0 ? FIRST.length : at;
  };
  const below = (path) => {
    if (!existsSync(path)) return [];
    if (!statSync(path).isDirectory()) return /[._]test\.ts$/.test(path) ? [path] : [];
    const names = readdirSync(path).filter((name) => name !== "node_modules");
    return names.sort().flatMap((name) => below(join(path, name)));
  };
  const all = new Set(where.flatMap(below).map((path) => relative("", path)));
  return [...all].sort((a, b) => rank(a) - rank(b));
}

function denoTest(file) {
  const args = ["test", "-A", "--quiet", "--no-check", file]; // the types are checked once for all
  return suite("deno test", file, DENO, args, /(\d+) passed.*\| (\d+) failed/);
}

function bunTest(file, name = "bun test", env = {}) {
  const args = ["test", "--timeout", "120000", `./${file}`];
  return suite(name, file, BUN, args, /(\d+) pass\n\s*(?:\d+ \w+\n\s*)?(\d+) fail/, env);
}

/** What `./run build` makes, started and asked where nothing of the sources is near. */
async function built() {
  if (!await step("./run build", "sh", ["run", "build"])) return;
  const dir = mkdtempSync(join(tmpdir(), "synctail-built-"));
  cpSync("dist", dir, { recursive: true });
  const main = join(dir, "js", "main.js");
  const ways = {
    "the binary": [join(dir, "synctail")],
    "dist/js under Deno": [DENO, "run", "--quiet", "-P", main],
    "dist/js under Bun": [
      BUN,
      "--no-env-file",
      "--config=/dev/null",
      "--tsconfig-override=/dev/null",
      main,
    ],
  };
  for (const [name, command] of Object.entries(ways)) {
    const env = { SYNCTAIL_BUILT: JSON.stringify(command), DENO_DIR: join(dir, "deno") };
    await bunTest("tests/built.check.ts", name, env);
  }
  rmSync(dir, { recursive: true, force: true });
}

/** One check: it passes or fails as a whole. */
async function step(name, command, args) {
  const { code, output } = await run(command, args);
  count(name, code === 0 ? 1 : 0, code === 0 ? 0 : 1, code === 0 ? "" : output);
  return code === 0;
}

/** A file with a test runner: its own summary is counted; none is a failure. */
async function suite(name, file, command, args, summary, env = {}) {
  const total = suites.get(name) ?? { pass: 0, fail: 0 };
  suites.set(name, total);
  const { code, output } = await run(command, args, env);
  // deno-lint-ignore no-control-regex -- colours
  const [, pass, fail] = summary.exec(output.replace(/\x1b\[[0-9;]*m/g, "")) ?? [];
  const broken = pass === undefined || (code !== 0 && Number(fail) === 0);
  total.pass += Number(pass ?? 0);
  total.fail += Number(fail ?? 0) + (broken ? 1 : 0);
  if (code !== 0 || broken) console.log(`${output}\nFAIL ${name} ${file}`);
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
  for (const [name, { pass, fail }] of suites) count(name, pass, fail, "");
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}
