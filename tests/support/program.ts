/** The program as a process of its own, under the runtime that runs the tests or as a binary. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { tempDirectory } from "./temp.ts";
import { until } from "./until.ts";

/** What of a test's context is used here. */
export interface Cleanup {
  after(run: () => void | Promise<void>): void;
}

export interface ProgramOptions {
  /** What to start; the present runtime with main.ts when left out. */
  readonly command?: readonly string[];
  readonly args: readonly string[];
  /** A data directory of the test's own; a fresh one when left out. */
  readonly data?: string;
  readonly env?: Readonly<Record<string, string>>;
}

const ROOT = new URL("../..", import.meta.url).pathname;
/** The program under the present runtime. */
export const OWN = "Bun" in globalThis ? [process.execPath, "run", join(ROOT, "main.ts")] : [
  process.execPath,
  "run",
  "--quiet",
  "-P",
  "--config",
  join(ROOT, "deno.json"),
  join(ROOT, "main.ts"),
];

/** A server that has said that it is listening. */
export interface RunningProgram {
  readonly url: string;
  readonly data: string;
  readonly pid: number;
  /** What it has written so far. */
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** The key that a first start shows. It may come after the line: stderr is a pipe of its own. */
  firstKey(): Promise<string>;
  /** Sends the signal and waits for the end; the answer is the exit code, or the signal's name. */
  stop(signal: "SIGTERM" | "SIGINT" | "SIGKILL"): Promise<number | string>;
}

/** Starts a server (`--port 0 --json`) and waits for its first line. It is killed with the test. */
export async function startProgram(t: Cleanup, options: ProgramOptions): Promise<RunningProgram> {
  const data = options.data ?? fresh(t);
  const args = [...options.args, "--port", "0", "--json", "--data", data];
  const child = start(t, { ...options, args });
  const out = collected(child);
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout?.on("data", () => {
      const first = out.stdout().split("\n").slice(0, -1).find((text) =>
        text.includes("listening")
      );
      if (first !== undefined) resolve(first);
    });
    child.on("close", (code) => reject(new Error(`It ended with ${code}: ${out.stderr()}`)));
  });
  const { url } = JSON.parse(line);
  assert.ok(child.pid);
  return {
    url,
    data,
    pid: child.pid,
    ...out,
    async firstKey() {
      const key = () => /^st_\S+(?=\n)/m.exec(out.stderr())?.[0];
      await until(() => key() !== undefined);
      return key() ?? "";
    },
    stop(signal) {
      const end = ended(child);
      // child.kill() makes Deno report the signal instead of the exit code.
      process.kill(child.pid ?? 0, signal);
      return end;
    },
  };
}

/** Runs a command to its end. */
startProgram.toEnd = async (t: Cleanup, options: ProgramOptions) => {
  const child = start(t, options);
  const out = collected(child);
  const code = await ended(child);
  return { code, stdout: out.stdout(), stderr: out.stderr() };
};

/** Starts a command as it is; `until` waits for what it writes. */
startProgram.raw = (t: Cleanup, options: ProgramOptions) => {
  const child = start(t, options);
  const out = collected(child);
  const end = ended(child);
  return {
    ...out,
    ended: end,
    until: (passes: (stdout: string) => boolean) =>
      new Promise<void>((resolve, reject) => {
        const look = () => passes(out.stdout()) && resolve();
        child.stdout?.on("data", look);
        end.then((code) => {
          look(); // what it wrote last may be what is waited for
          reject(new Error(`It ended with ${code}: ${out.stdout()}${out.stderr()}`));
        });
        look();
      }),
    stop(signal: "SIGTERM" | "SIGINT" | "SIGKILL") {
      // child.kill() makes Deno report the signal instead of the exit code.
      process.kill(child.pid ?? 0, signal);
      return end;
    },
  };
};

function start(t: Cleanup, { command = OWN, args, env }: ProgramOptions): ChildProcess {
  const [program, ...before] = command;
  const child = spawn(program, [...before, ...args], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    cwd: tempOf(t),
  });
  t.after(() => void child.kill("SIGKILL"));
  return child;
}

function collected(child: ChildProcess) {
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (chunk) => stdout += chunk);
  child.stderr?.on("data", (chunk) => stderr += chunk);
  return { stdout: () => stdout, stderr: () => stderr };
}

function ended(child: ChildProcess): Promise<number | string> {
  return new Promise((resolve) => {
    if (child.exitCode !== null) resolve(child.exitCode);
    else if (child.signalCode !== null) resolve(child.signalCode);
    else child.on("close", (code, signal) => resolve(code ?? signal ?? "unknown"));
  });
}

function fresh(t: Cleanup): string {
  const { path, remove } = tempDirectory();
  t.after(remove);
  return join(path, "data");
}

function tempOf(t: Cleanup): string {
  const { path, remove } = tempDirectory();
  t.after(remove);
  return path;
}
