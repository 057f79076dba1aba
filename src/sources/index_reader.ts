/** Reads an index from its first key to its last, a page at a time. */
import type { IndexSession, KnownEntity } from "../destinations/index_destination.ts";

/** Rows read at a time. */
const PAGE = 500;

/** `peek` gives the next row, `take` moves on. Rows that are written before it are not met. */
export class IndexReader {
  readonly #session: IndexSession;
  #page: readonly KnownEntity[] = [];
  #at = 0;
  #last = "";
  #ended = false;

  constructor(session: IndexSession) {
    this.#session = session;
  }

  peek(): KnownEntity | undefined {
    if (this.#at === this.#page.length && !this.#ended) {
      this.#page = this.#session.after(this.#last, PAGE);
      this.#at = 0;
      this.#ended = this.#page.length < PAGE;
      this.#last = this.#page.at(-1)?.key ?? this.#last;
    }
    return this.#page[this.#at];
  }

  take(): KnownEntity | undefined {
    const row = this.peek();
    if (row) this.#at++;
    return row;
  }
}
