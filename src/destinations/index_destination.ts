/** An index of entities: key, type, content hash, and the stat that tells an unchanged file. */

/** What a row of the index says of an unchanged file. */
export interface KnownEntity {
  /** The relative path, with `/`. */
  readonly key: string;
  readonly type: string;
  readonly size: number;
  readonly mtimeMs: number;
  readonly inode: number;
  /** Whether a file with this size, mtime and inode surely has this content. */
  readonly settled: boolean;
}

/** A row of the index. */
export interface IndexedEntity extends KnownEntity {
  /** SHA-256 of the content, as hex. */
  readonly hash: string;
}

/**
 * Open for one run. Writes are kept back until `flush`, or until there are many; `after` and
 * `hashOf` show only what has been committed.
 *
 * @throws {DestinationError} from each call but `close`
 */
export interface IndexSession {
  /** Rows after the key, in the order of the keys' bytes, at most `limit`. */
  after(key: string, limit: number): KnownEntity[];
  /** The hash in the key's row; undefined when there is none. */
  hashOf(key: string): string | undefined;
  put(entity: IndexedEntity): void;
  remove(key: string): void;
  /**
   * Commits what has been written, in one transaction.
   *
   * @throws {DestinationLockedError} nothing is lost, and another call may succeed
   */
  flush(): void;
  /** Commits what still can be, and closes. Never throws: what is lost the next run finds again. */
  close(): void;
}

/** Where a directory source keeps what it has seen. */
export interface IndexDestination {
  /** Files of the index itself, which a source must not index. */
  readonly paths: readonly string[];
  /**
   * @param source what the index is of; the index of another source is refused, not emptied
   * @throws {DestinationError}
   */
  open(source: string): IndexSession;
}

/** A failure of the destination whose code and message are meant for people. */
export class DestinationError extends Error {
  override readonly name: string = "DestinationError";
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Another program holds a lock on the destination, perhaps for a moment. */
export class DestinationLockedError extends DestinationError {
  override readonly name = "DestinationLockedError";
}
