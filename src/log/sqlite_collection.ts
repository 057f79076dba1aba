/** Finishes removals from the SQLite event log, a slice a commit, up to the last trace in the WAL. */
import { turn } from "../event_loop.ts";
import type { Checkpoints } from "./checkpoints.ts";
import type { GroupCommit } from "./group_commit.ts";
import type { SqliteRetention } from "./sqlite_retention.ts";

export interface CollectionOptions {
  readonly commits: GroupCommit;
  readonly retention: SqliteRetention;
  readonly checkpoints: Checkpoints;
}

/** One collection at a time. */
export class Collection {
  readonly #options: CollectionOptions;
  /** Whether the WAL may hold what was removed; at the start what a process that was killed had. */
  #overwritten = true;
  #underWay: Promise<void> | undefined;
  /** The collection that follows the one under way. */
  #next: Promise<void> | undefined;

  constructor(options: CollectionOptions) {
    this.#options = options;
  }

  /** To be called after a commit that removed anything else. */
  overwrote(): void {
    this.#overwritten = true;
  }

  /**
   * Resolves when all that was removed before the call is gone. Calls that come while a collection
   * is under way share the next one.
   *
   * @throws {StorageFullError | StorageFaultError}
   */
  collect(): Promise<void> {
    return this.#next ??= this.#collectAfter(this.#underWay);
  }

  async #collectAfter(before: Promise<void> | undefined): Promise<void> {
    await before?.catch(() => {}); // its own callers are told
    this.#underWay = this.#next;
    this.#next = undefined;
    const { commits, retention, checkpoints } = this.#options;
    while (await commits.run(() => retention.collect(), true)) {
      this.#overwritten = true;
      await turn();
    }
    if (!this.#overwritten) return;
    this.#overwritten = false; // `overwrote` may be called meanwhile
    let emptied = false;
    try {
      // The WAL, or the file, may still hold the overwritten pages as they were.
      emptied = await checkpoints.truncate();
    } finally {
      this.#overwritten ||= !emptied;
    }
  }
}
