/** `exec` as a process of its own, byte by byte. */
import { type ChildProcess, spawn } from "node:child_process";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import process from "node:process";
import { type Cleanup, OWN, startProgram } from "./program.ts";
import { tempDirectory } from "./temp.ts";

export interface ExecOptions {
  /** What stands before `--`, after `exec`. */
  readonly own?: readonly string[];
  /** What stands after it. */
  readonly program: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Whether its input stays open until `input` is ended; empty when left out. */
  readonly input?: boolean;
  /** Where its outputs go, as descriptors; they are read where left out. */
  readonly stdout?: number;
  readonly stderr?: number;
  /** How long a file may be that it writes, in KiB: beyond, its disk counts as full. */
  readonly fileKib?: number;
}

/** A run that is under way. */
export interface RunningExec {
  readonly child: ChildProcess;
  readonly stdout: () => Buffer;
  readonly stderr: () => string;
  /** The exit code, or the signal's name. */
  readonly ended: Promise<number | string>;
  /** Resolves when what it has written passes. */
  until(passes: () => boolean): Promise<void>;
  /** The page of its job, as soon as it names it: stderr is a pipe of its own. */
  page(): Promise<{ readonly url: string; readonly id: string }>;
  /** Sends a signal to exec alone. */
  signal(name: NodeJS.Signals): void;
}

/** Starts `exec`; it is killed with the test. */
export function startExec(t: Cleanup, options: ExecOptions): RunningExec {
  const { own = [], program, env, input = false, stdout, stderr, fileKib } = options;
  const limited = fileKib === undefined
    ? []
    : ["bash", "-c", `trap '' XFSZ; ulimit -f ${fileKib}; exec "$@"`, "bash"];
  const [command, ...args] = [...limited, ...OWN, "exec", ...own, "--", ...program];
  const { path, remove } = tempDirectory();
  t.after(remove);
  const child = spawn(command, args, {
    cwd: path,
    env: { ...process.env, ...env },
    stdio: [input ? "pipe" : "ignore", stdout ?? "pipe", stderr ?? "pipe"],
  });
  t.after(() => void child.kill("SIGKILL"));
  const out: Buffer[] = [];
  let err = "";
  child.stdout?.on("data", (chunk: Buffer) => void out.push(chunk));
  child.stderr?.on("data", (chunk: Buffer) => err += chunk);
  const ended = new Promise<number | string>((resolve) =>
    child.on("close", (code, signal) => resolve(code ?? signal ?? "unknown"))
  );
  const until = (passes: () => boolean) =>
    new Promise<void>((resolve, reject) => {
      const look = () => passes() && resolve();
      child.stdout?.on("data", look);
      child.stderr?.on("data", look);
      child.on("close", (code) => passes() ? resolve() : reject(new Error(`${code}: ${err}`)));
      look();
    });
  return {
    child,
    stdout: () => Buffer.concat(out),
    stderr: () => err,
    ended,
    until,
    async page() {
      const named = () => /(http:\S+)\/job\/(\S+)\n/.exec(err);
      await until(() => named() !== null);
      const [, url = "", id = ""] = named() ?? [];
      return { url, id };
    },
    // child.kill() makes Deno report the signal instead of the exit code.
    signal: (name) => void process.kill(child.pid ?? 0, name),
  };
}

/** Directories and a key, for a data directory of the test's own. */
export async function execBench(t: Cleanup) {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const data = join(path, "data");
  const { stdout } = await startProgram.toEnd(t, {
    args: ["keys", "create", "--json", "--data", data],
  });
  return { path, data, key: String(JSON.parse(stdout).key) };
}

/** Asks a server. */
// deno-lint-ignore no-explicit-any -- the server's JSON
export async function ask(url: string, key: string, path: string, method = "GET"): Promise<any> {
  const headers = { Authorization: `Bearer ${key}` };
  return await (await fetch(url + path, { method, headers })).json();
}
