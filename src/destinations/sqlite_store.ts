/** What the destinations in SQLite files share: opening, owning, and words for faults. */
import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import {
  openVersioned,
  StoreForeignError,
  StoreFullError,
  StoreLockedError,
  StoreVersionError,
  type VersionedSchema,
} from "../log/migrate.ts";
import { isLocked, lacksRoom } from "../log/sqlite_faults.ts";
import { reasonOf } from "../reason.ts";
import { DestinationError, DestinationLockedError } from "./index_destination.ts";

/** Holds whose file it is; part of the first schema of each. */
export const ORIGIN_TABLE = "CREATE TABLE origin (source TEXT NOT NULL);";

/**
 * How long a statement waits for somebody else's lock, in milliseconds: all others wait with it. Each
 * can be tried again.
 */
const BUSY_MS = 10;

export interface StoreOptions extends VersionedSchema {
  /** Whose it is to be: the first source to come owns it. */
  readonly source: string;
  /** Is given the database before anything is written, to set limits of its own. */
  readonly opened?: (db: DatabaseSync) => void;
}

/**
 * Opens or creates the file at `path`, with its directory.
 *
 * @throws {DestinationError} also when it is another source's
 * @throws {DestinationLockedError} where the same again may succeed
 */
export function openStore(path: string, options: StoreOptions): DatabaseSync {
  const db = database(path, options);
  try {
    return inWords(options.what, path, () => {
      // A commit that a power cut takes back is made again by the next run.
      db.exec("PRAGMA synchronous = NORMAL");
      options.opened?.(db);
      claim(db, path, options);
      return db;
    });
  } catch (cause) {
    db.close();
    throw cause;
  }
}

/**
 * Remembers which file lies at the path. A call of the answer throws where it does not lie there any
 * more: what is written into it then, nobody finds.
 */
export function placeOf(what: string, path: string): () => void {
  const inode = () => statSync(path, { throwIfNoEntry: false })?.ino;
  const opened = inWords(what, path, inode);
  return () => {
    const found = inWords(what, path, inode);
    if (found === opened) return;
    const reason = found === undefined ? "it was removed" : "another file has taken its place";
    throw new DestinationError(
      "destination_changed",
      `Cannot use ${what} "${path}": ${reason} while the sync ran`,
    );
  };
}

/** Runs it, with the errors of SQLite and of the file system put into words for people. */
export function inWords<T>(what: string, path: string, run: () => T): T {
  try {
    return run();
  } catch (cause) {
    if (cause instanceof DestinationError) throw cause;
    if (isLocked(cause)) {
      const message = `Cannot use ${what} "${path}": another program has locked it`;
      throw new DestinationLockedError("destination_unwritable", message, { cause });
    }
    const full = lacksRoom(cause, path);
    const reason = full ? "the disk is full" : reasonOf(cause);
    throw new DestinationError(
      full ? "storage_full" : "destination_unwritable",
      `Cannot use ${what} "${path}": ${reason}`,
      { cause },
    );
  }
}

function database(path: string, schema: VersionedSchema): DatabaseSync {
  try {
    mkdirSync(dirname(path), { recursive: true });
    return openVersioned(path, { ...schema, busyMs: BUSY_MS });
  } catch (cause) {
    if (cause instanceof StoreLockedError) {
      throw new DestinationLockedError("destination_unwritable", cause.message, { cause });
    }
    const code = cause instanceof StoreForeignError
      ? "destination_foreign"
      : cause instanceof StoreVersionError
      ? "destination_newer"
      : cause instanceof StoreFullError || lacksRoom(cause, path)
      ? "storage_full"
      : "destination_unwritable";
    throw new DestinationError(code, reasonOf(cause), { cause });
  }
}

/** One statement: another process may do the same. */
function claim(db: DatabaseSync, path: string, { source, what }: StoreOptions): void {
  const found = () => db.prepare("SELECT source FROM origin").get()?.source;
  if (found() === undefined) {
    db.prepare("INSERT INTO origin SELECT ? WHERE NOT EXISTS (SELECT 1 FROM origin)").run(source);
  }
  const owner = found();
  if (owner === source) return;
  throw new DestinationError(
    "destination_of_other_source",
    `Cannot write "${source}" into "${path}": it is ${what} of "${owner}"`,
  );
}
