/** Where records of a program go that only says "record": the key and the hash tell what is new. */

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
 * Open for one run. Writes are kept back until `flush`, or until there are many; the same record
 * again is `kept`, so a run that crashed is repaired by the next one.
 *
 * @throws {DestinationError} from each call but `close`
 */
export interface RecordSession {
  /**
   * Repairs what a crash has left: one step of a few milliseconds. Whoever must not block calls it
   * until all is done, before the first `put`, which does otherwise what is left of it at once.
   *
   * @returns whether there may be more to do
   * @throws {DestinationLockedError} where nothing is lost: the same again may succeed
   */
  repair?(): boolean;
  put(record: SyncRecord): RecordOutcome;
  /** Removes a record; false when there was none. */
  remove(type: string, key: string): boolean;
  /**
   * Totals that count what was put are told after this only.
   *
   * @throws {DestinationLockedError} where nothing is lost: the same again may succeed
   */
  flush(): void;
  /** Commits what still can be, and lets go. Never throws. */
  close(): void;
}

/** Opens sessions. */
export interface RecordDestination {
  /** Its own files. */
  readonly paths: readonly string[];
  /** @param source whose records they are; another one's are refused rather than mixed */
  open(source: string): RecordSession;
}
