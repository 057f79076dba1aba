/** What Linux tells of processes. */
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

/** A process as /proc has it. */
export interface ProcessStat {
  readonly pid: number;
  /** One letter: Z for one that is over and that nobody has waited for. */
  readonly state: string;
  readonly parent: number;
  readonly group: string;
  /** The group that the terminal's keys reach; -1 without a terminal. */
  readonly foreground: string;
  /** When it started; numbers are used again, this tells one process from a later one. */
  readonly startedAt: string;
}

/** All processes, or those of the given numbers; none where there is no /proc. */
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

/** Of the signals that whoever starts a program may have it ignore those that are; none without /proc. */
export function ignoredSignals(): readonly string[] {
  const status = read(`cat ${process.pid}/status`);
  const mask = BigInt(`0x${/^SigIgn:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? "0"}`);
  return IGNORABLE.filter((name) => (mask >> BigInt(constants.signals[name] - 1)) & 1n);
}

/** By a child: Deno lets no program read /proc itself, unless all is allowed to it. */
function read(script: string): string {
  const { stdout } = spawnSync("/bin/sh", ["-c", `cd /proc && ${script}`], {
    stdio: ["ignore", "pipe", "ignore"],
    encoding: "utf8",
    maxBuffer: BYTES_MAX,
  });
  return stdout ?? "";
}
