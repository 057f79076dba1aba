/** Waits for what others do: another process, the server, what goes on in the background. */
import { setImmediate, setTimeout } from "node:timers";

/**
 * Asks until it is so; that it never is, is found by the test's own limit.
 *
 * @param pauseMs between two questions, so that a process that is asked gets to do it
 */
export async function until(
  passes: () => boolean | Promise<boolean>,
  pauseMs?: number,
): Promise<void> {
  while (!await passes()) {
    await new Promise<void>((resolve) =>
      pauseMs === undefined ? setImmediate(resolve) : setTimeout(resolve, pauseMs)
    );
  }
}
