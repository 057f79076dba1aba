/** Starts children as shells and execvp do. */
import { type ChildProcess, spawn, type SpawnOptions } from "node:child_process";
import { codeOf } from "../../reason.ts";
import type { Exit } from "../formats/format.ts";
import { exitOf } from "./exit_of.ts";

/** A child that has been started, and how it ends. */
export interface Begun {
  readonly child: ChildProcess;
  /** Never rejects. */
  readonly exit: Promise<Exit>;
}

/**
 * Starts a program. A script without an interpreter in its first line is run by the shell.
 *
 * @param find the path of such a script, as the shell does not search for it
 * @throws {Error} with the system's code
 */
export async function begin(
  name: string,
  args: readonly string[],
  options: SpawnOptions,
  find: () => string = () => name,
): Promise<Begun> {
  try {
    return await started(spawn(name, args, options));
  } catch (cause) {
    if (codeOf(cause) !== "ENOEXEC") throw cause;
    return await started(spawn("/bin/sh", [find(), ...args], options));
  }
}

function started(child: ChildProcess): Promise<Begun> {
  const exit = exitOf(child);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("spawn", () => {
      child.off("error", reject);
      // Later errors could only come from the child's kill() and send(), which nobody calls.
      child.on("error", () => {});
      resolve({ child, exit });
    });
  });
}
