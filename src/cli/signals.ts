/** SIGINT and SIGTERM as an AbortSignal. */
import { nodeProcess } from "../system/node.ts";
import { ownProcess } from "../system/own_process.ts";

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
      if (controller.signal.aborted) nodeProcess().exit(130);
      controller.abort();
      resolve();
    };
    ownProcess.onSignal("SIGINT", stop);
    ownProcess.onSignal("SIGTERM", stop);
  });
  return { signal: controller.signal, stopped };
}
