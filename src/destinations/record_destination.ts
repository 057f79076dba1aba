/** Where a program's records go. Key and hash tell which are new, changed or kept. */

/** One record. */
export interface SyncRecord {
  /** The stream or table that it belongs to. */
  readonly type: string;
  /** Tells it from the others of its type. */
  readonly key: string;
  /** SHA-256 of the payload, as hex. */
  readonly hash: string;
  /** The record as JSON. */
  readonly payload: string;
}

/** What a record came to, compared with what was held. */
export type RecordOutcome = "inserted" | "updated" | "kept";

/**
 * Open for one run. Writes are kept back until `flush`, or until there are many. A record that is
 * held already is `kept`, so a run that crashed is completed by the next one.
 *
 * @throws {DestinationError} from each call but `close`
 */
export interface RecordSession {
  /**
   * Repairs what a crash has left, one step of a few milliseconds. To be called until it is done:
   * the first `put` does the rest at once, and blocks.
   *
   * @returns whether there may be more to do
   * @throws {DestinationLockedError} nothing is lost, and another call may succeed
   */
  repair?(): boolean;
  put(record: SyncRecord): RecordOutcome;
  /** Removes a record; false when there was none. */
  remove(type: string, key: string): boolean;
  /**
   * Commits what was put and removed. To be called before totals that count it are told.
   *
   * @throws {DestinationLockedError} nothing is lost, and another call may succeed
   */
  flush(): void;
  /** Commits what still can be, and closes. Never throws. */
  close(): void;
}

/** Opens sessions. */
export interface RecordDestination {
  /** @param source whose records they are; a destination of another source is refused */
  open(source: string): RecordSession;
}
