/** Turns of the event loop, between the parts of work that takes long. */
import { setImmediate, setTimeout } from "node:timers";

/** How often it is looked for what comes from outside, in milliseconds. */
const LOOK_MS = 40;

let lookedAtMs = 0;

/**
 * Lets others work. Without a timer now and then Deno hears nothing from outside meanwhile: where
 * there always is something to do next, it looks for that in one of 61 turns only.
 *
 * @see https://docs.rs/tokio/latest/tokio/runtime/struct.Builder.html#method.event_interval
 */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    if (performance.now() - lookedAtMs < LOOK_MS) return setImmediate(resolve);
    setTimeout(() => {
      lookedAtMs = performance.now();
      resolve();
    }, 0);
  });
}
