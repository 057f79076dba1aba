/** Processes of this machine, as ps and /proc show them. */
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** What the process has of the machine's memory (VmRSS). */
export function residentBytes(pid: number): number {
  const [, kilobytes] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kilobytes) * 1024;
}

/** Files, sockets and all else that the process has open. */
export function descriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Whether the process is there, and is no zombie. */
export async function runs(pid: number): Promise<boolean> {
  return (await stats(["-p", String(pid)])).length > 0;
}

/** Whether anybody of the session is there; a program of ours leads one, under its own number. */
export async function sessionRuns(pid: number): Promise<boolean> {
  return (await stats(["-s", String(pid)])).length > 0;
}

function stats(selection: readonly string[]): Promise<string[]> {
  return new Promise((resolve) => {
    // It ends with 1 when it finds nobody.
    execFile("ps", ["-o", "stat=", ...selection], (_, stdout) => {
      resolve(stdout.split("\n").filter((stat) => stat !== "" && !stat.startsWith("Z")));
    });
  });
}
