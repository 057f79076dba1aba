/** Waits, without holding anybody up, for a destination that another program has locked. */
import { type Clock, sleep } from "../clock.ts";
import { DestinationLockedError } from "../destinations/index_destination.ts";

/** How long it is waited for in all, in milliseconds, and where the run is to stop. */
const LOCKED_MS_MAX = 5_000;
const STOPPING_MS_MAX = 500;
const PAUSE_MS = 50;

/** Flushes the session. @throws {DestinationError} also where it is locked for longer than that */
export async function writeOut(
  session: { flush(): void },
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<void> {
  const startMs = clock.monotonic();
  for (;;) {
    try {
      return session.flush();
    } catch (cause) {
      const maxMs = signal.aborted ? STOPPING_MS_MAX : LOCKED_MS_MAX;
      const late = clock.monotonic() - startMs >= maxMs;
      if (late || !(cause instanceof DestinationLockedError)) throw cause;
    }
    await sleep(clock, PAUSE_MS);
  }
}
