/** Finds programs and flags in a command, and adds flags to it. */
import type { Prepared, Timeout } from "./format.ts";

/** The name of a program's file, without the directories before it. */
export function baseName(program: string): string {
  return program.slice(program.lastIndexOf("/") + 1);
}

/** Programs that start another one, and their flags of one letter that take the next word. */
const STARTERS: ReadonlyMap<string, string> = new Map([
  ["nice", "n"],
  ["ionice", "cn"],
  ["chrt", ""],
  ["nohup", ""],
  ["env", "uC"],
  ["sudo", "CDghpRrTtUu"],
  ["doas", "Cu"],
  ["timeout", "ks"],
  ["stdbuf", "eio"],
]);
/** Long flags of these programs that take the next word. */
const VALUED_LONG = [
  ...["--adjustment", "--class", "--classdata", "--unset", "--chdir", "--signal", "--kill-after"],
  ...["--user", "--group", "--host", "--prompt", "--chroot", "--input", "--output", "--error"],
];
/** Words of these programs before the program they start: variables, priorities, durations. */
const OF_STARTER = /^(?:\w+=|[\d.]+[smhd]?$)/;

/** The program's place in a command: 0, or after programs that start it, such as `nice`. */
export function programIndex(command: readonly string[]): number {
  let at = 0;
  for (;;) {
    const valued = STARTERS.get(baseName(command[at] ?? ""));
    if (valued === undefined) return at;
    at = behindFlags(command, at + 1, valued);
  }
}

function behindFlags(command: readonly string[], from: number, valued: string): number {
  for (let at = from; at < command.length; at++) {
    const word = command[at];
    if (word.startsWith("--")) {
      if (VALUED_LONG.includes(word)) at++;
    } else if (word.startsWith("-")) {
      const letter = [...word.slice(1)].findIndex((each) => valued.includes(each));
      if (letter >= 0 && letter === word.length - 2) at++;
    } else if (!OF_STARTER.test(word)) return at;
  }
  return command.length;
}

/** Of a program that `timeout` starts; undefined for any other. */
export function timeoutOf(command: readonly string[]): Timeout | undefined {
  const starters = command.slice(0, programIndex(command));
  const at = starters.findLastIndex((word) => baseName(word) === "timeout");
  if (at < 0) return undefined;
  const words = starters.slice(at + 1, behindFlags(command, at + 1, "ks"));
  const time = words.at(-1) ?? "";
  return {
    time: /\d$/.test(time) ? `${time} s` : time,
    kills: words.some((word) => /^(?:-k|--kill-after)|KILL$/.test(word)),
  };
}

/** As `programIndex`; -1 when the program there has another name. */
export function programAt(command: readonly string[], name: string): number {
  const at = programIndex(command);
  return baseName(command[at] ?? "") === name ? at : -1;
}

/** Adds flags after the program's name, without changing anything else. */
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
export function shortCount(args: readonly string[], letter: string, valued: string): number {
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

/** The values that Go, and so rclone and restic, read as off. */
const OFF = /^=(?:0|f|false)$/i;

/** Whether a boolean flag is on: the last one given counts, and `--name=false` is off. */
export function isOn(
  args: readonly string[],
  long: string,
  letter: string,
  valued = "",
): boolean {
  let on = false;
  for (const arg of args) {
    if (hasLong([arg], long)) on = !OFF.test(arg.slice(long.length));
    else if (shortCount([arg], letter, valued) > 0) {
      on = !OFF.test(arg.slice(arg.indexOf(`${letter}=`) + 1));
    }
  }
  return on;
}

/** The arguments before `--`: after it there are no flags. */
export function beforeDashes(args: readonly string[]): readonly string[] {
  const end = args.indexOf("--");
  return end < 0 ? args : args.slice(0, end);
}
