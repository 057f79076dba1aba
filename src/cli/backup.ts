/** `backup` and `restore`: the log of a data directory as one file. */
import { join } from "node:path";
import { backUpLog } from "../log/backup.ts";
import { DataDirectory, LOG_FILE } from "../log/data_directory.ts";
import { olderSchema } from "../log/migrate.ts";
import { restoreLog } from "../log/restore.ts";
import { LOG_SCHEMA } from "../log/sqlite_schema.ts";
import { ExitCode } from "./exit.ts";
import type { Flags } from "./flags.ts";
import { openData } from "./open_data.ts";
import { print, printError, printJson } from "./output.ts";
import { dataFrom } from "./settings.ts";

/** Copies the log to a file, also while a server runs. @throws {BackupError} */
export async function backup(file: string, flags: Flags): Promise<number> {
  await backUpLog(join(await openData("back up", flags), LOG_FILE), file);
  say(flags, { file }, `Backed up to ${file}; the keys are not in it`);
  return ExitCode.ok;
}

/**
 * Puts a backup in the log's place.
 *
 * @throws {BackupError}
 * @throws {DataDirectoryTakenError} while a server runs
 */
export async function restore(file: string, flags: Flags): Promise<number> {
  const directory = new DataDirectory(await dataFrom(flags));
  try {
    if (olderSchema(file, LOG_SCHEMA) !== undefined) {
      printError("The backup is brought up to date, which may take minutes\n");
    }
    const { jobs, replaced } = restoreLog(directory, file);
    const before = replaced === undefined ? "" : `; the log that was there is ${replaced}`;
    say(flags, { jobs }, `Restored ${jobs === 1 ? "1 job" : `${jobs} jobs`}${before}`);
    return ExitCode.ok;
  } finally {
    directory.release();
  }
}

function say(flags: Flags, json: object, words: string): void {
  if (flags.json) printJson(json);
  else print(`${words}\n`);
}
