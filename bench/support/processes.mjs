// Processes under measurement: a core each, their CPU and their memory.
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

export const SERVER_CORE = 0;
export const CLIENT_CORE = 1;
/** Microseconds of one tick of /proc/PID/stat: USER_HZ is 100 on every Linux that there is. */
const TICK_US = 10_000;
/** A process that was told to end is killed after so many milliseconds. */
const STOP_MS = 5_000;

const running = new Set();
process.on("exit", () => {
  for (const { pid } of running) for (const each of tree(pid)) kill(each, "SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

/**
 * Starts a program on a core; its lines on stderr go to ours.
 * @param {string[]} command
 * @param {{ core?: number, env?: Record<string, string>, cwd?: string, quiet?: boolean }} options
 *   `quiet` drops what it says on stderr
 */
export function start([program, ...args], { core, env, cwd, quiet } = {}) {
  const pin = core !== undefined && availableParallelism() > 1;
  // taskset execs the program: the pid is the program's.
  const full = pin ? ["taskset", "-c", String(core), program, ...args] : [program, ...args];
  const child = spawn(full[0], full.slice(1).map(String), {
    stdio: ["pipe", "pipe", quiet ? "ignore" : "inherit"],
    env: { ...process.env, ...env },
    cwd,
  });
  const { pid } = child;
  if (pid === undefined) throw new Error(`Cannot start ${program}: it is not here`);
  const self = { pid };
  running.add(self);
  const lines = [];
  const waiting = [];
  let rest = "";
  let over = false;
  child.stdin.on("error", () => {}); // said by the end of its lines
  child.stdout.setEncoding("utf8").on("data", (chunk) => {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop();
    for (const line of parts) waiting.length > 0 ? waiting.shift().resolve(line) : lines.push(line);
  });
  const exited = new Promise((resolve) => {
    child.on("close", (code, signal) => {
      running.delete(self);
      over = true;
      const reason = new Error(`${program} ended with ${code ?? signal}`);
      waiting.splice(0).forEach(({ reject }) => reject(reason));
      resolve(code);
    });
  });
  return {
    pid,
    /** Its code, when it has ended. */
    exited,
    /** Its next line on stdout. @returns {Promise<string>} */
    line() {
      if (lines.length > 0) return Promise.resolve(lines.shift());
      if (over) return Promise.reject(new Error(`${program} has ended`));
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    say: (text) => child.stdin.write(`${text}\n`),
    cpuUs: () => cpuUs(pid),
    memory: () => memory(pid),
    /** Ends it, and what it has started. */
    async stop(signal = "SIGTERM") {
      if (over) return;
      kill(pid, signal);
      const late = setTimeout(() => tree(pid).forEach((each) => kill(each, "SIGKILL")), STOP_MS);
      await exited;
      clearTimeout(late);
    },
  };
}

/** What a program prints; it must end with 0. */
export async function output(command, options) {
  const child = start(command, options);
  const lines = [];
  for (;;) {
    try {
      lines.push(await child.line());
    } catch {
      break;
    }
  }
  const code = await child.exited;
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}`);
  return lines.join("\n");
}

/** CPU of a process and its children so far, in microseconds, to the next 10 ms. */
export function cpuUs(pid) {
  let ticks = 0;
  for (const each of tree(pid)) {
    const stat = read(`/proc/${each}/stat`);
    // The name stands in parentheses and may hold spaces: utime and stime are 12 and 13 behind it.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
  }
  return ticks * TICK_US;
}

/** Time that a core was busy so far, with whatever program, in microseconds, to the next 10 ms. */
export function coreBusyUs(core) {
  const line = new RegExp(`^cpu${core} (.*)$`, "m").exec(read("/proc/stat"))?.[1] ?? "";
  // user nice system idle iowait irq softirq steal
  const ticks = line.split(" ").map(Number);
  return ticks.reduce((sum, each, n) => n === 3 || n === 4 || n > 7 ? sum : sum + each, 0) *
    TICK_US;
}

/** Memory of a process and its children, in bytes; shared pages count once a process in `rss`. */
export function memory(pid) {
  let rss = 0;
  let pss = 0;
  for (const each of tree(pid)) {
    const rollup = read(`/proc/${each}/smaps_rollup`);
    rss += Number(/^Rss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0) * 1024;
    pss += Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0) * 1024;
  }
  return { rss, pss };
}

/** A process and its children, by pid. */
function tree(pid) {
  const all = [pid];
  try {
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      const children = read(`/proc/${pid}/task/${task}/children`).split(" ").filter(Boolean);
      for (const child of children) all.push(...tree(Number(child)));
    }
  } catch {
    // It has ended.
  }
  return all;
}

function read(path) {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return ""; // It has ended.
  }
}

function kill(pid, signal) {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended.
  }
}
