/** Changes for a destination, gathered to be written together. */
import { DestinationLockedError } from "./index_destination.ts";

/** Changes in the order in which they came, kept while another program locks the destination. */
export class Unwritten<Change> {
  readonly #write: (changes: readonly Change[]) => void;
  readonly #onGone: () => void;
  #changes: Change[] = [];
  /** Whether another program has it locked: then only `flush` tries again. */
  #locked = false;

  /**
   * @param write writes all changes or none; never called without any
   * @param onGone called when none are kept any more: they are written, or lost
   */
  constructor(write: (changes: readonly Change[]) => void, onGone: () => void = () => {}) {
    this.#write = write;
    this.#onGone = onGone;
  }

  get count(): number {
    return this.#changes.length;
  }

  add(change: Change): void {
    this.#changes.push(change);
  }

  /** Writes the changes, or keeps them while it is locked. @throws any other error of `write` */
  relieve(): void {
    if (this.#locked) return;
    try {
      this.flush();
    } catch (cause) {
      if (!this.#locked) throw cause;
    }
  }

  /**
   * Writes the changes.
   *
   * @throws {DestinationLockedError} and the changes are kept; any other error of `write` and they
   *   are lost
   */
  flush(): void {
    if (this.#changes.length === 0) return;
    try {
      this.#write(this.#changes);
      this.#locked = false;
    } catch (cause) {
      this.#locked = cause instanceof DestinationLockedError;
      throw cause;
    } finally {
      if (!this.#locked) {
        this.#changes = [];
        this.#onGone();
      }
    }
  }
}
