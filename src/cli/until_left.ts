/** As Ctrl-C, for commands that somebody waits for: their terminal may close. */
import process from "node:process";
import { ignoredSignals } from "./exec/proc.ts";
import { endAsBySignal } from "./output.ts";
import { type Stopping, untilStopped } from "./signals.ts";

/** As `untilStopped`, also by SIGHUP, unless whoever started us has that ignored (`nohup`). */
export function untilLeft(): Stopping {
  const ignored = ignoredSignals().includes("SIGHUP");
  const stopping = untilStopped();
  // Deno takes all signals over with the first that is asked for, and dies of an ignored one.
  process.on("SIGHUP", ignored ? () => {} : endAsBySignal);
  return stopping;
}
