/** How long a command may take to end. */

/** What it takes, after SIGKILL, to see the end of a program and of its output, in milliseconds. */
const LAST_MS = 5_000;

/** From a command's signal to its end, in milliseconds. @param graceMs from SIGTERM to SIGKILL */
export function commandStopMs(graceMs: number): number {
  return graceMs + LAST_MS;
}
