// @ts-check
/** Feeds a store from the stream of many jobs. */
import { ask, Refused } from "./api.js";
import { Stream } from "./stream.js";
import { setTold } from "./time.js";

/** @typedef {import("./view.d.ts").Place} Place */
/** @typedef {import("./wire.d.ts").Frame} Frame */
/** @typedef {import("./jobs_store.js").JobsStore} JobsStore */

/** Syncs are asked for again at most this often while their jobs change, in milliseconds. */
export const SYNCS_MS = 2_000;
/** The same for each of the syncs where there are many: a list of 5,000 is 5 MB. */
const SYNC_MS = 4;

/**
 * How long a list of so many syncs is not asked for again while their jobs change, in milliseconds.
 *
 * @param {number} count
 */
export function syncsPauseMs(count) {
  return Math.max(SYNCS_MS, count * SYNC_MS);
}

/**
 * @param {Place} place
 * @param {JobsStore} store
 * @param {(frame: Frame, news: ReturnType<JobsStore["take"]>) => void} onFrame
 */
export function listStream(place, store, onFrame) {
  setTold(store.toldMs);
  return new Stream({
    heardMs: store.toldMs,
    path: () => `v1/sync/jobs/subscribe?${store.query}`,
    onFrame(frame) {
      if (frame.type === "error" && String(frame.code).startsWith("access_")) {
        return place.signedOut(frame.message);
      }
      const news = store.take(frame);
      if (store.complete) setTold(store.toldMs = Date.now());
      onFrame(frame, news);
    },
    onState: place.link,
    mayRetry: () => stillSignedIn(place),
  });
}

/** How long an answer is waited for before another connection is tried, in milliseconds. */
export const ANSWER_MS = 15_000;

/** Whether the session holds; asked when a stream could not be opened. @param {Place} place */
export async function stillSignedIn(place) {
  try {
    await ask("GET", "v1/session", undefined, AbortSignal.timeout(ANSWER_MS));
  } catch (cause) {
    if (cause instanceof Refused && cause.status === 401) {
      place.signedOut(cause.message);
      return false;
    }
  }
  return true;
}
