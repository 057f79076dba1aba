/** How many streams are opened in one turn of the event loop. */
import { setImmediate } from "node:timers";
import type { Hono } from "hono";
import { STREAM_ROUTES } from "./access.ts";
import type { HttpEnv } from "./env.ts";

/** Opening one takes 0.1 to 0.2 ms. */
export const OPENED_A_TURN = 16;

/**
 * Where a thousand clients come back at once, the runtime hands over all of their requests in one
 * turn, and open streams would get nothing until the last of them is let in. So OPENED_A_TURN are
 * opened, and the others wait for later turns in the order in which they came. Other requests
 * pass: they may be the posts that viewers wait for.
 */
export function openInTurns(app: Hono<HttpEnv>): void {
  const turns = new Turns();
  for (const path of STREAM_ROUTES) {
    app.use(path, async (_, next) => {
      const wait = turns.next();
      if (wait) await wait;
      await next();
    });
  }
}

/** Lets some go on in each turn of the event loop. */
class Turns {
  #left = OPENED_A_TURN;
  #waiting: (() => void)[] = [];
  #armed = false;

  /** Resolves when the caller may go on; undefined when that is now. */
  next(): Promise<void> | undefined {
    if (!this.#armed) this.#arm();
    if (this.#left > 0) {
      this.#left--;
      return undefined;
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #arm(): void {
    this.#armed = true;
    setImmediate(() => {
      this.#armed = false;
      const freed = this.#waiting.splice(0, OPENED_A_TURN);
      this.#left = OPENED_A_TURN - freed.length;
      if (freed.length > 0) this.#arm();
      for (const goOn of freed) goOn();
    });
  }
}
