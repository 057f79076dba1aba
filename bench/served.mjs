// A real `serve` with a fresh data directory, for benches that ask it over HTTP.
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";

const { DENO = "deno", BUN = "bun" } = process.env;
const TICKS_PER_S = 100; // of /proc/PID/stat, as every Linux has it

/** How each runtime starts the program. */
export const RUNTIMES = [
  ["Deno", [DENO, "run", "-P", "--quiet", "--config", "deno.json", "main.ts"]],
  ["Bun", [BUN, "run", "main.ts"]],
];

const running = new Set();
process.on("exit", () => running.forEach((stop) => stop()));

/** Pins a command to a core, where there is more than one. */
export function pinned(core, command) {
  const can = availableParallelism() > 1 && process.platform === "linux";
  return (can ? ["taskset", "-c", core, ...command] : command).map(String);
}

/** Starts it on the first core; `key(tenant)` makes a key of all scopes. */
export async function served(program, flags = []) {
  const data = mkdtempSync(join(tmpdir(), "synctail-bench-"));
  const args = ["serve", "--data", data, "--port", 0, "--json", "--log-level", "error", ...flags];
  const [command, ...rest] = pinned(0, [...program, ...args]);
  const child = spawn(command, rest, { stdio: ["ignore", "pipe", "ignore"] });
  const stop = () => {
    if (!running.delete(stop)) return;
    child.kill("SIGKILL");
    rmSync(data, { recursive: true, force: true });
  };
  running.add(stop);
  const url = await new Promise((resolve, reject) => {
    let said = "";
    child.stdout.on("data", (chunk) => {
      const line = (said += chunk).split("\n").find((each) => each.includes("listening"));
      if (line) resolve(JSON.parse(line).url);
    });
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}: ${said}`)));
  });
  return {
    port: Number(new URL(url).port),
    stop,
    key(tenant) {
      const [name, ...more] = program;
      const made = spawnSync(
        name,
        [...more, "keys", "create", "--tenant", tenant, "--data", data, "--json"],
        { encoding: "utf8" },
      );
      return JSON.parse(made.stdout).key;
    },
    /** Seconds of CPU so far. */
    cpuS() {
      const stat = readFileSync(`/proc/${child.pid}/stat`, "utf8");
      const [user, system] = stat.slice(stat.lastIndexOf(")") + 2).split(" ").slice(11, 13);
      return (Number(user) + Number(system)) / TICKS_PER_S;
    },
  };
}

export function median(values) {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}
