/** Ctrl-C and its kin as an AbortSignal. */
import process from "node:process";
import { ignoredSignals } from "./exec/proc.ts";
import { endAsBySignal } from "./output.ts";

/**
 * A signal that fires at the first SIGINT or SIGTERM. A second one ends the process at once, for
 * whoever does not want to wait. With `hangup` a terminal that closes (SIGHUP) is a first one too,
 * unless whoever started us has that ignored (`nohup`).
 */
export function untilStopped(
  { hangup = true } = {},
): { readonly signal: AbortSignal; readonly stopped: Promise<void> } {
  const controller = new AbortController();
  const ignored = hangup && ignoredSignals().includes("SIGHUP");
  const stopped = new Promise<void>((resolve) => {
    const stop = () => {
      if (controller.signal.aborted) process.exit(130);
      controller.abort();
      resolve();
    };
    process.on("SIGINT", stop);
    process.on("SIGTERM", stop);
    if (!hangup) return;
    // Deno takes all signals over with the first that is asked for, and dies of an ignored one.
    process.on("SIGHUP", ignored ? () => {} : endAsBySignal);
  });
  return { signal: controller.signal, stopped };
}
