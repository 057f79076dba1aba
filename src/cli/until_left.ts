/** Ends commands that somebody watches, also when their terminal closes. */
import process from "node:process";
import { ignoredSignals } from "./exec/proc.ts";
import { endAsBySignal } from "./output.ts";
import { type Stopping, untilStopped } from "./signals.ts";

/** As `untilStopped`, also by SIGHUP, unless this process was started to ignore it (`nohup`). */
export function untilLeft(): Stopping {
  const ignored = ignoredSignals().includes("SIGHUP");
  const stopping = untilStopped();
  // With its first listener Deno takes over all signals, and would die of one that was ignored.
  process.on("SIGHUP", ignored ? () => {} : endAsBySignal);
  return stopping;
}
