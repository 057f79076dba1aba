/** Signals to processes, and whether there is anybody to hear them. */
import process from "node:process";
import { codeOf } from "../../reason.ts";

/** The signals that are sent here. */
export type Signal = "SIGTERM" | "SIGINT" | "SIGKILL" | "SIGCONT";

/**
 * Sends it to the process of that number, or to the group where the number is negative; 0 only looks.
 *
 * @returns whether there was anybody to send it to
 */
export function sendSignal(target: number, signal: Signal | 0): boolean {
  try {
    process.kill(target, signal);
    return true;
  } catch (cause) {
    // Somebody of another user (sudo) is there, and cannot be reached.
    return codeOf(cause) === "EPERM";
  }
}
