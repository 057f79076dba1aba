/** SIGINT and SIGTERM as an AbortSignal. */
import process from "node:process";

export interface Stopping {
  readonly signal: AbortSignal;
  readonly stopped: Promise<void>;
}

/**
 * A signal that fires at the first SIGINT or SIGTERM. A second one ends the process at once, for
 * people who do not want to wait.
 */
export function untilStopped(): Stopping {
  const controller = new AbortController();
  const stopped = new Promise<void>((resolve) => {
    const stop = () => {
      if (controller.signal.aborted) process.exit(130);
      controller.abort();
      resolve();
    };
    process.on("SIGINT", stop);
    process.on("SIGTERM", stop);
  });
  return { signal: controller.signal, stopped };
}
