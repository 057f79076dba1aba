/** Wake-ups: tells who follows a job that its log has grown. Carries no data. */
import { type JobKey, type JobKeyText, keyText } from "../sync/ids.ts";

type Listener = () => void;

/** Listeners by job. A wake-up that nobody listens to costs one look into a map. */
export class Hub {
  readonly #listeners = new Map<JobKeyText, Set<Listener>>();
  readonly #toAll = new Set<(key: JobKey) => void>();

  /** Calls `listener` at each wake-up of the job until the answer is called. */
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

  /** Calls `listener` with the job of each wake-up until the answer is called. */
  listenToAll(listener: (key: JobKey) => void): () => void {
    this.#toAll.add(listener);
    return () => void this.#toAll.delete(listener);
  }

  /** Says that the job's log has grown. */
  wake(key: JobKey): void {
    for (const listener of [...this.#toAll]) listener(key);
    const listeners = this.#listeners.get(keyText(key));
    if (!listeners) return;
    for (const listener of [...listeners]) listener();
  }

  /** How many jobs are listened to. */
  get size(): number {
    return this.#listeners.size;
  }
}
