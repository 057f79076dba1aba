/** Which files were there before where the storage moves files itself: rclone does not say so. */
import { Names } from "./names.ts";

/** Most deleted files that are remembered: rclone deletes one just before its place is taken. */
const DELETED_MAX = 1_000;

export interface RcloneWays {
  /** Whether it moves files: then the files that it deletes are the source's. */
  readonly moves: boolean;
  /** Whether files that make way go to a backup (`--backup-dir`): it deletes only older backups. */
  readonly backsUp: boolean;
}

/** Follows what makes way for another file. */
export class RcloneReplaced {
  readonly #ways: RcloneWays;
  /** Files moved into the backup; with `move` also those moved from the source. */
  readonly #aside = new Names();
  /** Files that `move` has deleted: those of the destination are replaced just after. */
  readonly #deleted = new Set<string>();

  constructor(ways: RcloneWays) {
    this.#ways = ways;
  }

  /** @returns whether the file is gone from the destination */
  deleted(name: string): boolean {
    const { moves, backsUp } = this.#ways;
    if (backsUp || !moves) return !backsUp;
    this.#deleted.add(name);
    const [oldest] = this.#deleted;
    if (this.#deleted.size > DELETED_MAX) this.#deleted.delete(oldest);
    return false;
  }

  /** Forgets that the file has made way, as it is copied or gone; false where it has not. */
  settle(name: string): boolean {
    return this.#aside.delete(name);
  }

  /** @param to its new name @returns undefined where it may have been moved into the backup */
  moved(name: string, to: string): "inserted" | "updated" | undefined {
    const { moves, backsUp } = this.#ways;
    if (moves && (this.#aside.delete(to) || this.#deleted.delete(to))) return "updated";
    if (moves && !backsUp) return "inserted";
    this.#aside.add(name);
    return undefined;
  }

  /** How many were moved into their place after all. */
  get movedAtEnd(): number {
    return this.#ways.moves ? this.#aside.count : 0;
  }
}
