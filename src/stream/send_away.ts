/** How viewers are sent away: some at a time, to come back spread over a while. */
import { type Clock, sleep } from "../clock.ts";
import { comeBackBytes } from "./frames.ts";
import { type LiveStream, PARTING_MS } from "./live_stream.ts";

/** Viewers that are sent away come back spread over this many milliseconds times their number. */
const SPREAD_MS = 2;
/** The longest time that they are spread over, in milliseconds. */
const SPREAD_MS_MAX = 60_000;
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
      stream.sendAway(comeBackMs(retryMs, count));
    }
  }
}

/** A stream that asks its viewer to come back, as one of `count` viewers, and breaks off. */
export function turnedAway(retryMs: number, count: number): ReadableStream<Uint8Array> {
  const bytes = comeBackBytes(comeBackMs(retryMs, count));
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

/** `retryMs` or more, at random, so that viewers that are sent away together come back apart. */
export function comeBackMs(retryMs: number, count = 1): number {
  const spreadMs = Math.max(retryMs, Math.min(SPREAD_MS_MAX, count * SPREAD_MS));
  return Math.round(retryMs + Math.random() * spreadMs);
}
