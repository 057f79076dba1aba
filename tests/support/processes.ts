/** Processes of this machine, as ps sees them. */
import { execFile } from "node:child_process";

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
