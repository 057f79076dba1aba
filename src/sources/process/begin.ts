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
 * Starts a program; a script whose first line does not say by whom it is read is read by the shell.
 *
 * @param find says where that script lies, since the shell does not look for it
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
      // Only kill() and send() of the child fail later, and nobody calls these.
      child.on("error", () => {});
      resolve({ child, exit });
    });
  });
}
