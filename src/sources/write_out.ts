/** Waits for a destination that another program has locked, without blocking the event loop. */
import { type Clock, sleep } from "../clock.ts";
import { DestinationLockedError } from "../destinations/index_destination.ts";

/** The longest wait in all, in milliseconds, and the longest when the run is to stop. */
export const LOCKED_MS_MAX = 5_000;
const STOPPING_MS_MAX = 500;
/** Between two tries, in milliseconds. */
export const PAUSE_MS = 50;

interface Waiting {
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Flushes the session. @throws as unlocked */
export function writeOut(session: { flush(): void }, run: Waiting): Promise<void> {
  return unlocked(() => session.flush(), run);
}

/** Tries until the destination is not locked. @throws {DestinationError} also if it stays locked */
export async function unlocked<T>(attempt: () => T, { clock, signal }: Waiting): Promise<T> {
  const startMs = clock.monotonic();
  for (;;) {
    try {
      return attempt();
    } catch (cause) {
      const maxMs = signal.aborted ? STOPPING_MS_MAX : LOCKED_MS_MAX;
      const late = clock.monotonic() - startMs >= maxMs;
      if (late || !(cause instanceof DestinationLockedError)) throw cause;
    }
    await sleep(clock, PAUSE_MS);
  }
}
