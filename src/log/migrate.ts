/** Opening a SQLite file of ours: only what is ours and not newer, brought up to today's schema. */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { reasonOf } from "../reason.ts";
import { ownFiles } from "../system/own_files.ts";
import { placeOfFile } from "./disk.ts";
import { backUp } from "./migration_copy.ts";
import { isLocked, lacksRoom } from "./sqlite_faults.ts";

/** How long a statement waits for another process's lock, in milliseconds, without `busyMs`. */
const BUSY_MS = 5_000;
/** Between two tries to switch a file to WAL: SQLite does not wait by itself when two processes do so at once. */
const WAL_PAUSE_MS = 20;
/** Tries to copy a file that other processes may be opening and closing. */
const COPY_TRIES_MAX = 5;
/** The first 15 bytes of every SQLite file (https://www.sqlite.org/fileformat.html#magic_header_string). */
const MAGIC = "SQLite format 3";
/** Where the two pragmas are in a SQLite file, as 32 bits each, the highest first. */
const USER_VERSION_AT = 60;
const APPLICATION_ID_AT = 68;

/** Which file it is, and the steps that lead to today's schema. */
export interface VersionedSchema {
  /** 32 bits in the file's header that tell it from another application's database. */
  readonly applicationId: number;
  /** Step n, one or more SQL statements, leads from schema n to n + 1. Never change a released one. */
  readonly migrations: readonly string[];
  /** What the file is called in errors, with its article: "the event log". */
  readonly what: string;
  /**
   * The file that errors name, where the one at `path` is a copy of it. The copy is migrated
   * without a copy of its own, and refused when it is empty.
   */
  readonly copyOf?: string;
  /** How long a statement waits for another process's lock, in milliseconds. */
  readonly busyMs?: number;
}

/** The file was written by a newer synctail: opening it could lose what this one does not know. */
export class StoreVersionError extends Error {
  override readonly name = "StoreVersionError";
}

/** The file is no database, or another application's. It was not changed. */
export class StoreForeignError extends Error {
  override readonly name = "StoreForeignError";
}

/** Another process has locked the file for longer than was waited for. */
export class StoreLockedError extends Error {
  override readonly name = "StoreLockedError";
}

/** The file's disk has no room left to open it. */
export class StoreFullError extends Error {
  override readonly name = "StoreFullError";
}

/**
 * Opens or creates the SQLite file at `path`, in WAL mode and with today's schema.
 *
 * Several processes may do so at once. A file of an older schema is first copied to
 * `<path>.v<old>.bak` (where the path is a link, beside the file that it names). The missing steps
 * then run in one transaction, so one that fails, or a process that is killed, leaves the file as it
 * was. A created file is readable by its owner alone. The directory must exist.
 *
 * @throws {StoreVersionError} when the file was written by a newer synctail
 * @throws {StoreForeignError} when it is not this store's
 * @throws {StoreFullError} when its disk has no room to open it
 * @throws {StoreLockedError}
 * @throws {Error} when the file cannot be read or written, or a step fails; see its `cause`
 */
export function openVersioned(path: string, schema: VersionedSchema): DatabaseSync {
  const { what, busyMs = BUSY_MS } = schema;
  const cannot = `Cannot open ${what} "${schema.copyOf ?? path}": `;
  let db: DatabaseSync | undefined;
  try {
    if (!looksLikeSqlite(path)) throw new StoreForeignError(`${cannot}it is not a SQLite database`);
    db = new DatabaseSync(path, { timeout: busyMs });
    // Looked at before WAL is switched on: a file that is not ours stays as it is, byte for byte.
    let found = recognise(db, schema, cannot);
    if (found === 0 && schema.copyOf !== undefined) {
      throw new StoreForeignError(`${cannot}there is nothing in it`);
    }
    const older = found > 0 && found < schema.migrations.length;
    for (let tries = 1; older && schema.copyOf === undefined; tries++) {
      db.close();
      const fault = backUp(path, found);
      db = new DatabaseSync(path, { timeout: busyMs });
      const before = found;
      found = recognise(db, schema, cannot);
      // Where the schema has changed, another process takes the steps and has made the copy.
      if (!fault || found !== before) break;
      if (tries === COPY_TRIES_MAX) throw fault;
    }
    switchToWal(db, busyMs);
    if (found < schema.migrations.length) migrate(db, schema);
    return db;
  } catch (error) {
    db?.close();
    if (error instanceof StoreVersionError || error instanceof StoreForeignError) throw error;
    if (lacksRoom(error, path)) {
      throw new StoreFullError(`${cannot}there is no room left on its disk`, { cause: error });
    }
    const message = `${cannot}${reasonOf(error)}`;
    if (isLocked(error)) throw new StoreLockedError(message, { cause: error });
    throw new Error(message, { cause: error });
  }
}

/**
 * The schema of an older file, which openVersioned will bring up to date: a second for some 40 MB.
 * Undefined for any other file; what is in its WAL alone is not seen.
 */
export function olderSchema(path: string, schema: VersionedSchema): number | undefined {
  try {
    const head = new DataView(ownFiles.readFirst(path, APPLICATION_ID_AT + 4).buffer);
    if (head.getInt32(APPLICATION_ID_AT) !== schema.applicationId) return undefined;
    const version = head.getInt32(USER_VERSION_AT);
    return version < schema.migrations.length ? version : undefined;
  } catch {
    return undefined; // it is not there, or openVersioned says what is wrong with it
  }
}

/** Creates the file for its owner alone when there is none; an empty one is a new database. */
function looksLikeSqlite(path: string): boolean {
  // Deno with some permissions creates no file through a link.
  const file = placeOfFile(path);
  ownFiles.create(file, 0o600);
  const head = ownFiles.readFirst(file, MAGIC.length);
  return head.byteLength === 0 || new TextDecoder().decode(head) === MAGIC;
}

/** The schema that the file has, 0 for a new one. */
function recognise(db: DatabaseSync, schema: VersionedSchema, cannot: string): number {
  // One transaction, one moment: another process may be creating the schema right now.
  db.exec("BEGIN");
  const version = pragma(db, "user_version");
  const applicationId = pragma(db, "application_id");
  const empty = db.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get() === undefined;
  db.exec("COMMIT");
  const known = schema.migrations.length;
  if (applicationId === schema.applicationId) {
    if (version <= known) return version;
    throw new StoreVersionError(
      `${cannot}it was written by a newer synctail (schema ${version}, this one knows ${known})`,
    );
  }
  if (applicationId === 0 && version === 0 && empty) return 0;
  throw new StoreForeignError(`${cannot}it is the database of another application or store`);
}

function switchToWal(db: DatabaseSync, busyMs: number): void {
  for (let waitedMs = 0;; waitedMs += WAL_PAUSE_MS) {
    try {
      db.exec("PRAGMA journal_mode = WAL");
      return;
    } catch (error) {
      if (!isLocked(error) || waitedMs >= busyMs) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, WAL_PAUSE_MS);
    }
  }
}

/**
 * Takes the steps that no other process has taken since the file was looked at. Where one fails the
 * caller closes the file, which rolls them back.
 */
function migrate(db: DatabaseSync, { applicationId, migrations }: VersionedSchema): void {
  // What a step rewrites is overwritten, else a removal would leave what stood there before.
  db.exec("PRAGMA secure_delete = ON");
  db.exec("BEGIN IMMEDIATE");
  const missing = migrations.slice(pragma(db, "user_version"));
  for (const step of missing) db.exec(step);
  if (missing.length > 0) {
    db.exec(`PRAGMA application_id = ${applicationId}`);
    db.exec(`PRAGMA user_version = ${migrations.length}`);
  }
  db.exec("COMMIT");
  db.exec("PRAGMA secure_delete = OFF");
}

/**
 * Statements of the database by their text, each prepared at its first use and kept: Deno frees a
 * statement late, so that preparing one at each call takes memory without end.
 */
export function statementsOf(db: DatabaseSync): (text: string) => StatementSync {
  const prepared = new Map<string, StatementSync>();
  return (text) => {
    let statement = prepared.get(text);
    if (!statement) prepared.set(text, statement = db.prepare(text));
    return statement;
  };
}

/** The value of a pragma that is one number. */
export function pragma(
  db: DatabaseSync,
  name: "user_version" | "application_id" | "page_count" | "page_size" | "freelist_count",
): number {
  return Number(db.prepare(`PRAGMA ${name}`).get()?.[name]);
}
