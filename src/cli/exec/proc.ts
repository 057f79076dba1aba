/** Reads what Linux knows of processes. */
import { spawnSync } from "node:child_process";
import { constants } from "node:os";
import process from "node:process";

const BYTES_MAX = 64 * 1024 * 1024;
const IGNORABLE = [
  "SIGTERM",
  "SIGHUP",
  "SIGINT",
  "SIGQUIT",
  "SIGUSR1",
  "SIGUSR2",
  "SIGTSTP",
  "SIGTTIN",
  "SIGTTOU",
] as const;

/** A process, from /proc/PID/stat. */
export interface ProcessStat {
  readonly pid: number;
  /** One letter; Z has ended, and its parent has not waited for it. */
  readonly state: string;
  readonly parent: number;
  readonly group: string;
  /** The group that gets the signals of the terminal's keys; -1 without a terminal. */
  readonly foreground: string;
  /** When it started: tells it from a later process with the same pid. */
  readonly startedAt: string;
}

/** All processes, or the given ones; none when there is no /proc. */
export function processStats(pids?: readonly number[]): readonly ProcessStat[] {
  const files = pids?.map((pid) => `${pid}/stat`).join(" ") ?? "[0-9]*/stat";
  return read(`cat ${files}`)
    .split("\n").flatMap((line) => {
      // pid (name) state ppid pgrp session tty_nr tpgid ...; a name may hold blanks and brackets.
      const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
      if (fields.length < 20) return [];
      const [state, parent, group, , , foreground] = fields;
      const pid = Number.parseInt(line, 10);
      return [{ pid, state, parent: Number(parent), group, foreground, startedAt: fields[19] }];
    });
}

/** Signals of IGNORABLE that this process was started to ignore; none without /proc. */
export function ignoredSignals(): readonly string[] {
  const status = read(`cat ${process.pid}/status`);
  const mask = BigInt(`0x${/^SigIgn:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? "0"}`);
  return IGNORABLE.filter((name) => (mask >> BigInt(constants.signals[name] - 1)) & 1n);
}

/** Reads through a child: Deno lets a program read /proc itself only with all permissions. */
function read(script: string): string {
  const { stdout } = spawnSync("/bin/sh", ["-c", `cd /proc && ${script}`], {
    stdio: ["ignore", "pipe", "ignore"],
    encoding: "utf8",
    maxBuffer: BYTES_MAX,
  });
  return stdout ?? "";
}
