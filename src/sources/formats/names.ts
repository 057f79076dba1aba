/** Names of entities, each counted once. */

/** Most names that are remembered; further ones are counted each time that they come. */
const NAMES_MAX = 10_000;

/** A set that stops remembering, but not counting, at NAMES_MAX. */
export class Names {
  readonly #names = new Set<string>();
  #more = 0;

  get count(): number {
    return this.#names.size + this.#more;
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  /** Counts the name, unless it is remembered; false then. */
  add(name: string): boolean {
    if (this.#names.has(name)) return false;
    if (this.#names.size < NAMES_MAX) this.#names.add(name);
    else this.#more++;
    return true;
  }

  /**
   * Counts the names that are not remembered anew: all come once more, but for those that are not to
   * be counted any more.
   */
  again(): void {
    this.#more = 0;
  }

  /** Forgets the name; false when it was not remembered. */
  delete(name: string): boolean {
    return this.#names.delete(name);
  }
}
