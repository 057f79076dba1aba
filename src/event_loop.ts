/** Gives the event loop a turn between the parts of long work. */

/** How often a turn goes through a timer, so that the runtime looks for input, in milliseconds. */
const LOOK_MS = 40;

let lookedAtMs = 0;

/** Calls `act` in the next turn of the event loop. Taken late: Deno loads node:timers for it, in 8 ms. */
export function setImmediate(act: () => void): void {
  globalThis.setImmediate(act);
}

/**
 * Resolves in the next turn of the event loop. Every LOOK_MS it goes through a timer: Deno that
 * always has something to do next looks for input in only one of 61 turns.
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
