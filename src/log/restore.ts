/** Puts a copy of the event log in its place, while no server has it. */
import { existsSync, linkSync, renameSync, rmSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { newEpoch } from "../sync/ids.ts";
import { refusal } from "./backup.ts";
import { type DataDirectory, LOG_FILE } from "./data_directory.ts";
import { placeOfFile } from "./disk.ts";
import { RESTORED } from "./event_log.ts";
import { BackupError } from "./log_errors.ts";
import { openVersioned } from "./migrate.ts";
import { copyWithWal, removeDatabase, RESTORING } from "./migration_copy.ts";
import { isDamaged } from "./sqlite_faults.ts";
import { ACTIVE } from "./sqlite_job_columns.ts";
import { LOG_SCHEMA } from "./sqlite_schema.ts";
import { emptyWal } from "./wal.ts";

/**
 * Puts a backup in the log's place. The log that was there stays beside it as `log.db.replaced`,
 * with a number behind where that name is taken.
 *
 * Every job gets a new epoch, so that viewers who have seen more than the backup holds are told of
 * a gap. Jobs that a server was running get the owner RESTORED: the backup does not tell how they
 * ended. A backup of an older schema is migrated, and a WAL beside the file is part of it.
 *
 * @param directory held, so that no server has it
 * @returns how many jobs there are, and where the log that was there is now
 * @throws {BackupError} when the file is damaged, or cannot be read or written
 * @throws {StoreVersionError | StoreForeignError}
 */
export function restoreLog(
  directory: DataDirectory,
  file: string,
): { readonly jobs: number; readonly replaced: string | undefined } {
  const cannot = `Cannot restore "${file}": `;
  requireFile(file, cannot);
  // Where it is a link, the log stays on the disk that was chosen for it.
  const log = placeOfFile(directory.file(LOG_FILE));
  const fresh = `${log}${RESTORING}`;
  try {
    removeDatabase(fresh);
    copyWithWal(file, fresh);
    const db = openVersioned(fresh, { ...LOG_SCHEMA, what: "the backup", copyOf: file });
    const jobs = madeFresh(db, cannot, fresh);
    db.close();
    return { jobs, replaced: putInPlace(fresh, log, cannot) };
  } catch (cause) {
    throw refusal(cannot, cause, fresh);
  } finally {
    removeDatabase(fresh);
  }
}

function requireFile(file: string, cannot: string): void {
  if (file === "") throw new BackupError(`${cannot}expected the name of a file`);
  try {
    const stat = statSync(file, { throwIfNoEntry: false });
    if (!stat) throw new BackupError(`${cannot}there is no such file`);
    if (!stat.isFile()) throw new BackupError(`${cannot}it is not a file`);
  } catch (cause) {
    throw refusal(cannot, cause, file);
  }
}

/** Makes it a log of its own, all in its file, which is `fresh`. @returns how many jobs it has */
function madeFresh(db: DatabaseSync, cannot: string, fresh: string): number {
  try {
    const [{ quick_check: verdict }] = db.prepare("PRAGMA quick_check(1)").all();
    if (verdict !== "ok") throw new BackupError(`${cannot}it is damaged (${verdict})`);
    const jobs = db.prepare("SELECT pk FROM jobs").all();
    const update = db.prepare("UPDATE jobs SET epoch = ? WHERE pk = ?");
    db.exec("BEGIN");
    for (const { pk } of jobs) update.run(newEpoch(), pk);
    db.prepare(`UPDATE jobs SET owner = ? WHERE owner IS NOT NULL AND ${ACTIVE}`).run(RESTORED);
    db.exec("COMMIT");
    // Closing it says nothing of a full disk, and what stays in the WAL would be left behind.
    if (!emptyWal(db)) throw new BackupError(`${cannot}another process is reading "${fresh}"`);
    return jobs.length;
  } catch (cause) {
    db.close();
    throw cause;
  }
}

/**
 * Puts the new log in the place of the one there: a kill leaves one of them, never none, for which a
 * server would begin an empty one.
 *
 * @returns where the log that was there is now
 */
function putInPlace(fresh: string, log: string, cannot: string): string | undefined {
  const there = existsSync(log);
  if (there) takeWalIn(log, cannot);
  const replaced = freeName(`${log}.replaced`);
  if (there) nameToo(log, replaced);
  try {
    // It would be taken for the new log's.
    if (existsSync(`${log}-wal`)) renameSync(`${log}-wal`, `${replaced}-wal`);
    rmSync(`${log}-shm`, { force: true });
    renameSync(fresh, log);
  } catch (cause) {
    putBack(replaced, log);
    throw cause;
  }
  return there ? replaced : undefined;
}

/** Gives the log that was there its name alone again. Never throws. */
function putBack(replaced: string, log: string): void {
  try {
    const [is, was] = [log, replaced].map((path) => statSync(path, { throwIfNoEntry: false })?.ino);
    // Over a network a step that has failed may have been taken: then that is the new log.
    if (is !== undefined && is !== was) return;
    if (existsSync(`${replaced}-wal`)) renameSync(`${replaced}-wal`, `${log}-wal`);
    if (is !== undefined) rmSync(replaced);
    else if (was !== undefined) renameSync(replaced, log);
  } catch {
    // The disk fails, and why is told of the step before.
  }
}

/** Gives a file another name beside its own, or instead of it where the file system knows one only. */
function nameToo(path: string, name: string): void {
  try {
    linkSync(path, name);
  } catch {
    renameSync(path, name);
  }
}

/** Makes the file alone all of the log. One that is damaged is left as it is. @throws {BackupError} */
function takeWalIn(log: string, cannot: string): void {
  // There an empty WAL stays, which is no sign of another process.
  if (statSync(log).size === 0) return;
  const db = new DatabaseSync(log);
  try {
    emptyWal(db);
  } catch (cause) {
    if (isDamaged(cause)) return;
    throw cause;
  } finally {
    db.close();
  }
  // The last one to close the file removes its WAL.
  if (!existsSync(`${log}-wal`)) return;
  throw new BackupError(`${cannot}another process is reading "${log}"`);
}

/** A name that is free: a log that was put aside before may be the last copy. */
function freeName(path: string): string {
  for (let number = 2, name = path;; number++) {
    if (!existsSync(name) && !existsSync(`${name}-wal`)) return name;
    name = `${path}.${number}`;
  }
}
