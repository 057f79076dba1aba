/** What destinations in SQLite files share: opening, owning, and messages for faults. */
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

/** SQL that creates the table of the file's owner; part of each first schema. */
export const ORIGIN_TABLE = "CREATE TABLE origin (source TEXT NOT NULL);";

/**
 * How long a statement waits for another program's lock, in milliseconds. Short, as it blocks the
 * event loop and can be tried again.
 */
const BUSY_MS = 10;

export interface StoreOptions extends VersionedSchema {
  /** The source that the file is for; the first one owns it. */
  readonly source: string;
  /** Called with the database before anything is written, to set limits. */
  readonly opened?: (db: DatabaseSync) => void;
}

/**
 * Opens or creates the file at `path`, with its directory.
 *
 * @throws {DestinationError} also when another source owns the file
 * @throws {DestinationLockedError} another call may succeed
 */
export function openStore(path: string, options: StoreOptions): DatabaseSync {
  const db = database(path, options);
  try {
    return inWords(options.what, path, () => {
      // A commit that a power cut undoes is made again by the next run.
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
 * Remembers which file lies at the path.
 *
 * @returns throws a DestinationError when that file lies there no more: nobody would find what is
 *   written to it
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

/** Runs it. @throws {DestinationError} for any error, in words for people */
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

/** Makes the source the owner, in one statement, as another process may do the same. */
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
