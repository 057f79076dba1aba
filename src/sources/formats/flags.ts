/** What a command line says, and how flags are put in. */
import type { Prepared } from "./format.ts";

/** The name of a program's file, without the directories before it. */
export function baseName(program: string): string {
  return program.slice(program.lastIndexOf("/") + 1);
}

/** Programs that start another one, with flags, numbers or variables before it at most. */
const STARTERS = ["nice", "ionice", "chrt", "nohup", "env", "sudo", "doas", "timeout", "stdbuf"];
const OF_STARTER = /^(?:-|\w+=|\d+[smhd]?$)/;

/** Where a program stands in a command: 0, or behind what starts it; -1 where it does not. */
export function programAt(command: readonly string[], name: string): number {
  const starts = STARTERS.includes(baseName(command[0] ?? ""));
  const before = (word: string) => STARTERS.includes(baseName(word)) || OF_STARTER.test(word);
  let at = starts ? command.findIndex((word) => !before(word)) : 0;
  // Somebody may be called like the program: `sudo -u rsync rsync`.
  while (baseName(command[at + 1] ?? "") === name && starts) at++;
  return baseName(command[at] ?? "") === name ? at : -1;
}

/** Puts flags behind the program's name; what was there stays as it was. */
export function withFlags(
  command: readonly string[],
  at: number,
  flags: readonly string[],
): Prepared {
  return {
    command: [...command.slice(0, at + 1), ...flags, ...command.slice(at + 1)],
    added: flags,
  };
}

/** Whether a long flag is given, alone or with a value: `--stats`, `--stats=1s`. */
export function hasLong(args: readonly string[], ...names: readonly string[]): boolean {
  return args.some((arg) => names.some((name) => arg === name || arg.startsWith(`${name}=`)));
}

/**
 * How often a flag of one letter is given, `-v -v` or `-vv`.
 *
 * @param valued letters that take what follows them as their value
 */
export function shortCount(args: readonly string[], letter: string, valued = ""): number {
  let count = 0;
  for (const arg of args) {
    if (!/^-[a-zA-Z0-9]/.test(arg)) continue;
    for (const one of arg.slice(1)) {
      if (one === letter) count++;
      if (valued.includes(one) || one === "=") break;
    }
  }
  return count;
}

/** What stands before `--`: behind it there are no flags. */
export function beforeDashes(args: readonly string[]): readonly string[] {
  const end = args.indexOf("--");
  return end < 0 ? args : args.slice(0, end);
}
