/** Follows a job and shows it, until it is over. */
import type { Clock } from "../clock.ts";
import type { Client } from "./client.ts";
import type { Display } from "./display.ts";
import { follow, isTerminalPayload } from "./follow.ts";
import { clean } from "../sync/clean.ts";

/** @returns the status with which the job ended; undefined when the signal came first */
export async function show(
  client: Client,
  job: string,
  options: {
    readonly display: Display;
    readonly signal: AbortSignal;
    readonly clock: Clock;
    readonly logs?: string;
  },
): Promise<unknown> {
  const { display, signal, clock, logs } = options;
  const onLost = (reason: string, waitMs: number) =>
    display.say(
      `Connection lost (${clean(reason)}); trying again in ${Math.ceil(waitMs / 1000)} s`,
    );
  try {
    for await (const payload of follow({ ...client, job, logs, signal, clock, onLost })) {
      display.show(payload);
      if (isTerminalPayload(payload)) return payload.status;
    }
  } catch (cause) {
    if (!signal.aborted) throw cause;
  } finally {
    display.end();
  }
  return undefined;
}
