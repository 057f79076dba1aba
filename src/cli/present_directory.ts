/** The directory in which a command was called. */
import process from "node:process";

/**
 * The path of the working directory, also when it has been removed: then its old path leads
 * nowhere, or to another directory of the same name.
 */
export function presentDirectory(): string {
  try {
    return process.cwd();
  } catch {
    return "/proc/self/cwd";
  }
}
