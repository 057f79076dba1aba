/** Sends signals to processes, and sees whether they are there. */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { codeOf } from "../../reason.ts";

/** The signals that are sent here. */
export type Signal = "SIGTERM" | "SIGINT" | "SIGKILL" | "SIGCONT";

/**
 * Sends a signal to a process, or to a group where the number is negative; signal 0 only looks.
 *
 * @returns whether there is such a process
 */
export function sendSignal(target: number, signal: Signal | 0): boolean {
  try {
    process.kill(target, signal);
    return true;
  } catch (cause) {
    // A process of another user (sudo) is there, but may not be signalled.
    return codeOf(cause) === "EPERM";
  }
}

/**
 * Ends with 0 where the group, whose number is its `$0`, has zombies alone. It is a script, as Deno
 * lets a program read /proc itself only with all permissions; it starts no process of its own.
 */
const SCRIPT = `
code=1
for file in /proc/[0-9]*/stat; do
  read -r stat <"$file" || continue
  set -- \${stat##*) }
  [ "$3" = "$0" ] || continue
  [ "$1" = Z ] || exit 1
  code=0
done 2>/dev/null
exit $code
`;

/** Whether zombies are all that is left of a process group; false where there is no /proc. */
export function isZombies(group: number): boolean {
  const { status } = spawnSync("/bin/sh", ["-c", SCRIPT, String(group)], {
    env: {},
    stdio: "ignore",
  });
  return status === 0;
}
