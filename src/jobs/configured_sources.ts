/** The sources of configured syncs, with their destinations, ready to run once. */
import { JsonlRecords } from "../destinations/jsonl_records.ts";
import { NoRecords } from "../destinations/no_records.ts";
import type { RecordDestination } from "../destinations/record_destination.ts";
import { SqliteIndex } from "../destinations/sqlite_index.ts";
import { SqliteRecords } from "../destinations/sqlite_records.ts";
import { commandSource } from "../sources/command.ts";
import { directorySource } from "../sources/directory.ts";
import type { FileSystem } from "../sources/file_system.ts";
import { formatOf } from "../sources/formats/formats.ts";
import { type JobSource, SourceError } from "../sources/source.ts";
import type { CommandSourceConfig } from "./command_config.ts";
import type { DestinationConfig, SqliteDestinationConfig } from "./destination_config.ts";
import type { ConfiguredSync, DirectorySourceConfig } from "./sync_config.ts";
import { databaseFiles, filesOf, marksOf, ownFilesIn } from "./written_files.ts";

/** What a directory source reads with, and what it may not enter. */
export interface Around {
  readonly files: FileSystem;
  /** Our own data directory. */
  readonly excluded: readonly string[];
  /** All syncs: no source reads the files that they write. */
  readonly all: readonly ConfiguredSync[];
}

/** The directory source of a configured sync. */
export function directoryOf(
  { path, maxPerS, maxFileBytes }: DirectorySourceConfig,
  destination: SqliteDestinationConfig,
  { excluded, all, files }: Around,
): JobSource {
  return directorySource({
    path,
    maxPerS,
    maxFileBytes,
    destination: new SqliteIndex(destination.path),
    exclude: [...excluded, ...excluded.flatMap(databaseFiles), ...destinationsOf(all)],
    files,
  });
}

/** The command source of a configured sync. @param origin what names the sync: `tenant/name` */
export function commandOf(
  source: CommandSourceConfig,
  destination: DestinationConfig | null,
  origin: string,
): JobSource {
  const format = formatOf(source.format, { percent: source.percent });
  const records = destination && recordsOf(destination);
  return commandSource({
    ...source,
    format,
    destination: records ? { records, origin } : undefined,
  });
}

function recordsOf(destination: DestinationConfig): RecordDestination {
  switch (destination.type) {
    case "sqlite":
      return new SqliteRecords(destination.path);
    case "jsonl":
      return new JsonlRecords(destination.path);
    case "none":
      return new NoRecords();
  }
}

/**
 * Refuses a destination that is another's file: links may have been made since the configuration
 * was read.
 *
 * To open and close another's SQLite file would release this process's locks on it (POSIX), and so
 * lose what is being written there.
 *
 * @param origin what names the sync: `tenant/name`
 * @throws {SourceError} destination_of_other_source, destination_foreign
 */
export function requireOwnFiles(
  destination: DestinationConfig,
  origin: string,
  { excluded, all }: Pick<Around, "excluded" | "all">,
): void {
  if (destination.type === "none") return;
  const cannot = `Cannot write "${origin}" into "${destination.path}": `;
  if (excluded.some((data) => ownFilesIn(data)(destination))) {
    throw new SourceError("destination_foreign", `${cannot}it is a file of the server's own`);
  }
  const marks = new Set(marksOf(destination));
  for (const { tenant, name, destination: other } of all) {
    if (!other || `${tenant}/${name}` === origin) continue;
    if (!marksOf(other).some((mark) => marks.has(mark))) continue;
    const reason = `it is a file of "${tenant}/${name}"`;
    throw new SourceError("destination_of_other_source", cannot + reason);
  }
}

/** The files of every destination, which no other sync may open: `requireOwnFiles` says why. */
function destinationsOf(syncs: readonly ConfiguredSync[]): string[] {
  return syncs.flatMap(({ destination }) => destination ? filesOf(destination) : []);
}
