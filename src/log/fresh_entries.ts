/** The newest entries, in memory: a followed job's are read just after their commit. */
import type { Entry, Seq } from "../sync/entry.ts";

/** Most characters of bodies that are kept: of one job, and of all. */
const OF_JOB_MAX = 64 * 1024;
const OF_ALL_MAX = 4 * 1024 * 1024;

interface Stretch {
  readonly entries: Entry[];
  length: number;
}

/** Each job's newest entries without a hole, up to its end; the job written to longest ago goes first. */
export class FreshEntries<Key extends object> {
  readonly #stretches = new Map<Key, Stretch>();
  #length = 0;

  /**
   * Adds the job's next entries, and forgets others where there are too many.
   *
   * @param length characters of their bodies
   */
  add(key: Key, entries: readonly Entry[], length: number): void {
    let stretch = this.#stretches.get(key);
    if (stretch && stretch.length + length > OF_JOB_MAX) {
      this.forget(key);
      stretch = undefined;
    }
    if (length > OF_JOB_MAX) return;
    if (stretch) this.#stretches.delete(key);
    else stretch = { entries: [], length: 0 };
    this.#stretches.set(key, stretch);
    stretch.entries.push(...entries);
    stretch.length += length;
    this.#length += length;
    for (const oldest of this.#stretches.keys()) {
      if (this.#length <= OF_ALL_MAX) break;
      this.forget(oldest);
    }
  }

  /** All entries of the job after `seq`; undefined when some of them may not be here. */
  after(key: Key, seq: Seq): readonly Entry[] | undefined {
    const entries = this.#stretches.get(key)?.entries;
    if (!entries || entries[0].seq > seq + 1) return undefined;
    return entries.slice(Math.max(0, seq + 1 - entries[0].seq));
  }

  forget(key: Key): void {
    this.#length -= this.#stretches.get(key)?.length ?? 0;
    this.#stretches.delete(key);
  }
}
