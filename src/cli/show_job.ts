/** Follows a job and shows it, until it is over. */
import type { Clock } from "../clock.ts";
import type { Client } from "./client.ts";
import type { Display } from "./display.ts";
import { RefusedError } from "./exit.ts";
import { follow, isFarewell, isTerminalPayload, type WantedLogs } from "./follow.ts";
import { clean } from "../sync/clean.ts";

const STALLED = "Nothing has been heard of the job for a while: it may be stuck.";

/**
 * Follows a job and shows its frames.
 *
 * @returns the status with which the job ended; the error's code, or `refused`, when the job, or the
 *   right to see it, is gone; undefined when the signal fired first
 * @throws {RefusedError} when it cannot be followed from the start
 */
export async function showJob(
  client: Client,
  job: string,
  options: {
    readonly display: Display;
    /** Ends it early. */
    readonly signal?: AbortSignal;
    readonly clock: Clock;
    readonly logs?: WantedLogs;
  },
): Promise<unknown> {
  const { display, signal, clock, logs } = options;
  const onLost = (words: string, waitMs: number) =>
    display.say(`${clean(words)}; trying again in ${Math.ceil(waitMs / 1000)} s`);
  let stalled = false;
  let followed = false;
  let gone: unknown;
  try {
    for await (const payload of follow({ ...client, job, logs, signal, clock, onLost })) {
      followed = true;
      display.show(payload);
      // Said once, and again only after the job has moved in between.
      if (payload.stalled && !stalled) display.say(STALLED);
      if (payload.type !== "connected") stalled = payload.stalled === true;
      if (isTerminalPayload(payload)) return payload.status;
      gone = isFarewell(payload) ? payload.code : undefined;
    }
  } catch (cause) {
    if (!followed || !(cause instanceof RefusedError)) throw cause;
    display.say(cause.message); // it went while the connection was away
    return "refused";
  } finally {
    display.end();
  }
  return signal?.aborted ? undefined : gone;
}
