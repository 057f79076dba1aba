/** Sends signals to processes. */
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
