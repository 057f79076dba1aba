/** How long a command may take to end. */

/** Time after SIGKILL until the end of a program and its output is seen, in milliseconds. */
const LAST_MS = 5_000;

/** From a command's signal to its end, in milliseconds. @param graceMs from SIGTERM to SIGKILL */
export function commandStopMs(graceMs: number): number {
  return graceMs + LAST_MS;
}
