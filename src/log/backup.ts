/** Copies of the event log: taken while a server writes it, put back while none does. */
import { closeSync, copyFileSync, existsSync, openSync, renameSync, rmSync } from "node:fs";
import { backup, DatabaseSync } from "node:sqlite";
import { reasonOf } from "../reason.ts";
import { newEpoch } from "../sync/ids.ts";
import { type DataDirectory, LOG_FILE } from "./data_directory.ts";
import { openVersioned } from "./migrate.ts";
import { LOG_SCHEMA } from "./sqlite_schema.ts";

/** There is no log there, or the file cannot be written. */
export class BackupError extends Error {
  override readonly name = "BackupError";
}

/**
 * Writes the log as it stands at this moment to a new file, for its owner alone; also while a
 * server has it open. Keys are not in it.
 *
 * @param log the log's file
 * @throws {BackupError}
 */
export async function backUpLog(log: string, file: string): Promise<void> {
  if (!existsSync(log)) throw new BackupError(`Cannot back up "${log}": there is no log`);
  if (existsSync(file)) {
    throw new BackupError(`Cannot back up to "${file}": there is a file already`);
  }
  const unfinished = `${file}.unfinished`;
  try {
    rmSync(unfinished, { force: true });
    closeSync(openSync(unfinished, "wx", 0o600)); // the mode stays when the empty file is filled
  } catch (cause) {
    const reason = reasonOf(cause);
    throw new BackupError(`Cannot back up to "${file}": ${reason}`, { cause });
  }
  const db = new DatabaseSync(log, { timeout: 5_000 });
  try {
    // A reader of one moment: else each commit of the server would have the copy begin anew.
    db.exec("BEGIN");
    db.prepare("SELECT 1 FROM sqlite_schema").get();
    await backup(db, unfinished);
    renameSync(unfinished, file);
  } finally {
    db.close();
    rmSync(unfinished, { force: true });
  }
}

/**
 * Puts a backup in the log's place; what was there stays beside it as `log.db.replaced`. Every
 * job gets a new epoch, so that viewers who have seen more than the backup holds are told of a
 * gap. A backup of an older schema is brought up to today's.
 *
 * @param directory held, so that no server has it
 * @returns how many jobs there are, and whether there was a log before
 * @throws {BackupError} when the file is damaged; {StoreVersionError | StoreForeignError}
 */
export function restoreLog(
  directory: DataDirectory,
  file: string,
): { readonly jobs: number; readonly replaced: boolean } {
  if (!existsSync(file)) throw new BackupError(`Cannot restore "${file}": there is no such file`);
  const fresh = directory.file(`${LOG_FILE}.restoring`);
  const log = directory.file(LOG_FILE);
  removeDatabase(fresh);
  try {
    copyFileSync(file, fresh);
    const db = openVersioned(fresh, { ...LOG_SCHEMA, what: "the backup", copyOf: file });
    const jobs = freshEpochs(db, file);
    db.close(); // takes the WAL in
    const replaced = existsSync(log);
    if (replaced) {
      openVersioned(log, LOG_SCHEMA).close(); // so that the file alone is all of it
      removeDatabase(`${log}.replaced`);
      renameSync(log, `${log}.replaced`);
    }
    renameSync(fresh, log);
    return { jobs, replaced };
  } finally {
    removeDatabase(fresh);
  }
}

function freshEpochs(db: DatabaseSync, file: string): number {
  const [{ quick_check: verdict }] = db.prepare("PRAGMA quick_check(1)").all();
  if (verdict !== "ok") {
    db.close();
    throw new BackupError(`Cannot restore "${file}": it is damaged (${verdict})`);
  }
  const jobs = db.prepare("SELECT pk FROM jobs").all();
  const update = db.prepare("UPDATE jobs SET epoch = ? WHERE pk = ?");
  db.exec("BEGIN");
  for (const { pk } of jobs) update.run(newEpoch(), pk);
  db.exec("COMMIT");
  return jobs.length;
}

function removeDatabase(path: string): void {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
}
