/** Where a command was called. */
import process from "node:process";

/**
 * The working directory. Where it has been removed, its path leads nowhere, also where another of
 * its name is there by now.
 */
export function presentDirectory(): string {
  try {
    return process.cwd();
  } catch {
    return "/proc/self/cwd";
  }
}
