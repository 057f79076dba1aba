/** Copies of the event log, taken while a server writes it. */
import { closeSync, existsSync, openSync, renameSync, statSync } from "node:fs";
import { basename, dirname } from "node:path";
import { backup, DatabaseSync } from "node:sqlite";
import { reasonOf } from "../reason.ts";
import { LOG_FILE } from "./data_directory.ts";
import { placeOfFile } from "./disk.ts";
import { BackupError } from "./log_errors.ts";
import { StoreForeignError, StoreFullError, StoreVersionError } from "./migrate.ts";
import { removeDatabase } from "./migration_copy.ts";
import { isLocked, lacksRoom } from "./sqlite_faults.ts";

/** SQLite's messages where it may not write the file, or its -wal and -shm beside it. */
const UNWRITABLE = /unable to open database file|attempt to write a readonly database/;

/**
 * Writes the log as it stands at this moment to a new file, for its owner alone; also while a
 * server has it open. Keys are not in it.
 *
 * @param log the log's file
 * @throws {BackupError}
 */
export async function backUpLog(log: string, file: string): Promise<void> {
  if (!existsSync(log)) throw new BackupError(`Cannot back up "${log}": there is no log`);
  const cannot = `Cannot back up to "${file}": `;
  if (basename(file) === "") throw new BackupError(`${cannot}expected the name of a new file`);
  // Bytes that are not UTF-8 arrive as U+FFFD: the file would get another name.
  if (file.includes("\ufffd")) throw new BackupError(`${cannot}its name is no UTF-8`);
  const unfinished = `${file}.unfinished`;
  try {
    const there = statSync(file, { throwIfNoEntry: false });
    if (there?.isDirectory()) throw new BackupError(`${cannot}it is a directory, not a new file`);
    if (there) throw new BackupError(`${cannot}there is a file already`);
    if (!statSync(dirname(file), { throwIfNoEntry: false })) {
      throw new BackupError(`${cannot}there is no directory "${dirname(file)}"`);
    }
    removeUnfinished(unfinished, cannot);
    closeSync(openSync(unfinished, "wx", 0o600)); // the mode stays when the empty file is filled
  } catch (cause) {
    throw refusal(cannot, cause, file);
  }
  let db: DatabaseSync | undefined;
  try {
    db = atThisMoment(log);
    await backup(db, unfinished).catch((cause) => {
      throw refusal(cannot, cause, file);
    });
    renameSync(unfinished, file);
  } finally {
    db?.close();
    removeDatabase(unfinished);
  }
}

/** Removes what a killed backup has left. @throws {BackupError} while another one writes it */
function removeUnfinished(unfinished: string, cannot: string): void {
  let db: DatabaseSync | undefined;
  try {
    if (existsSync(unfinished)) db = new DatabaseSync(unfinished);
    db?.exec("BEGIN EXCLUSIVE");
  } catch (cause) {
    // Whatever else is wrong with it does not matter, also that it is another user's.
    if (isLocked(cause)) throw new BackupError(`${cannot}another backup to it is under way`);
  } finally {
    db?.close();
  }
  removeDatabase(unfinished);
}

/** Opens the log as it stands at this moment: else each commit would make the copy start again. */
function atThisMoment(log: string): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(log, { timeout: 5_000 });
    db.exec("BEGIN");
    db.prepare("SELECT 1 FROM sqlite_schema").get();
    return db;
  } catch (cause) {
    db?.close();
    const cannot = `Cannot back up "${log}": `;
    if (!UNWRITABLE.test(reasonOf(cause))) throw refusal(cannot, cause, log);
    const instead = `copy it as it is, with ${LOG_FILE}-wal beside it: restore takes that`;
    throw new BackupError(
      `${cannot}SQLite cannot write beside it, which it must to read it; ${instead}`,
      { cause },
    );
  }
}

/** The cause as a BackupError; an error that already says all of it stays as it is. */
export function refusal(cannot: string, cause: unknown, path: string): Error {
  if ([BackupError, StoreForeignError, StoreVersionError].some((type) => cause instanceof type)) {
    return cause as Error; // each of them is one
  }
  const full = cause instanceof StoreFullError || lacksRoom(cause, path);
  const reason = full
    ? `there is no room left in "${dirname(placeOfFile(path))}"`
    : reasonOf(cause).replace(UNWRITABLE, "SQLite cannot write beside it");
  return new BackupError(`${cannot}${reason}`, { cause });
}
