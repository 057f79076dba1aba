/** How viewers are sent away: some at a time, to come back spread over a while. */
import { type Clock, sleep } from "../clock.ts";
import { comeBackBytes } from "./frames.ts";
import { type LiveStream, PARTING_MS } from "./live_stream.ts";

/** Viewers that are sent away at once, and the pause before the next, in milliseconds. */
const STAGGER = 250;
const STAGGER_MS = 20;

/** Asks each viewer to come back after `retryMs` or later, until the signal fires. */
export async function sendAway(
  streams: readonly LiveStream[],
  retryMs: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const count = streams.length;
  for (let at = 0; at < count && !signal.aborted; at += STAGGER) {
    if (at > 0) await sleep(clock, STAGGER_MS, signal);
    for (const stream of streams.slice(at, at + STAGGER)) {
      stream.sendAway(retryMs, count);
    }
  }
}

/** A stream that asks its viewer to come back, as one of `count` viewers, and breaks off. */
export function turnedAway(retryMs: number, count: number): ReadableStream<Uint8Array> {
  const bytes = comeBackBytes(retryMs, count);
  let sent = false;
  return new ReadableStream({
    pull(controller) {
      if (!sent) {
        sent = true;
        controller.enqueue(bytes);
      } else setTimeout(() => controller.error(), PARTING_MS); // without a reason, as in LiveStream
    },
  }, { highWaterMark: 0 });
}
