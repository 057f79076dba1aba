/** What is to be written to a destination, gathered to be written together. */
import { DestinationLockedError } from "./index_destination.ts";

/** Changes in the order in which they came, kept while somebody else has the destination locked. */
export class Unwritten<Change> {
  readonly #write: (changes: readonly Change[]) => void;
  readonly #onGone: () => void;
  #changes: Change[] = [];
  /** Somebody else has it locked: whoever can wait for him calls flush. */
  #locked = false;

  /**
   * @param write writes all of them or none; never called with none
   * @param onGone told when none are kept any more, be they written or lost
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

  /** Writes them, or keeps them where it is locked. @throws what `write` throws otherwise */
  relieve(): void {
    if (this.#locked) return;
    try {
      this.flush();
    } catch (cause) {
      if (!this.#locked) throw cause;
    }
  }

  /** @throws {DestinationLockedError} and they are kept; whatever else `write` throws, and they are lost */
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
