/** Who may read a page of the log next: one in each turn of the event loop. */
import { setImmediate } from "node:timers";

/**
 * Reading and encoding a page takes milliseconds without a break, and a viewer that has taken one
 * asks for the next before the loop turns. A thousand that resume at once would hold up all who are
 * live until the last of them has everything.
 */
export class PageTurns {
  #waiting: (() => void)[] = [];
  #armed = false;

  /** Resolves when it is the caller's turn, first come, first served. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (!this.#armed) this.#arm();
    });
  }

  #arm(): void {
    this.#armed = true;
    setImmediate(() => {
      this.#waiting.shift()?.();
      this.#armed = false;
      if (this.#waiting.length > 0) this.#arm();
    });
  }
}
