/** Wake-ups: tells a job's followers that its log has grown. Carries no data. */
import { type JobKey, type JobKeyText, keyText } from "../sync/ids.ts";

/** Called when the log has grown. `grownMs` is when, by the clock's `monotonic()`, if known. */
type Listener = (grownMs: number | undefined) => void;
type AnyListener = (key: JobKey) => void;

/** Listeners by job. A wake-up that nobody listens to costs one look into a map. */
export class Hub {
  readonly #listeners = new Map<JobKeyText, Set<Listener>>();
  readonly #ofAny = new Set<AnyListener>();

  /** Calls `listener` at each wake-up of the job until the returned function is called. */
  listen(key: JobKeyText, listener: Listener): () => void {
    let listeners = this.#listeners.get(key);
    if (!listeners) this.#listeners.set(key, listeners = new Set());
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(key) === listeners) {
        this.#listeners.delete(key);
      }
    };
  }

  /** Calls `listener` with the job of each wake-up until the returned function is called. */
  listenToAll(listener: AnyListener): () => void {
    this.#ofAny.add(listener);
    return () => void this.#ofAny.delete(listener);
  }

  /**
   * Says that the job's log has grown, or that the job has come or gone.
   *
   * @param grownMs when, by the clock's `monotonic()`
   */
  wake(key: JobKey, grownMs?: number): void {
    for (const listener of [...this.#ofAny]) listener(key);
    const listeners = this.#listeners.get(keyText(key));
    if (!listeners) return;
    for (const listener of [...listeners]) listener(grownMs);
  }

  /** How many jobs are listened to. */
  get size(): number {
    return this.#listeners.size;
  }
}
