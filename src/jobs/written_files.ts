/** The files that destinations write: which are one file by two names, and which are no sync's to write. */
import { type Stats, statSync } from "node:fs";
import { basename, dirname } from "node:path";
import { ownDatabases, ownsName } from "../log/data_directory.ts";
import { realPathOf } from "../sources/file_system.ts";
import type { DestinationConfig } from "./destination_config.ts";

/** What SQLite writes beside a file of its own. */
const COMPANIONS = ["-wal", "-shm", "-journal"];

/**
 * Marks of the files that are written: two destinations with one in common write to the same file, by
 * whatever name it is reached: another spelling, a link on the way, a hard link. None need exist.
 */
export function marksOf(destination: DestinationConfig): string[] {
  switch (destination.type) {
    case "sqlite":
      return sqliteMarks(destination.path);
    case "jsonl":
      return [
        ...fileMarks(realPathOf(destination.path)),
        ...sqliteMarks(`${destination.path}.index`),
      ];
    case "none":
      return [];
  }
}

/** Tells which destinations would write what a server keeps in its data directory, or beside that. */
export function ownFilesIn(data: string): (destination: DestinationConfig) => boolean {
  const directory = realPathOf(data);
  // A log may be a link to another disk.
  const own = new Set(ownDatabases(directory).flatMap(sqliteMarks));
  return (destination) => {
    if (destination.type === "none") return false;
    const file = realPathOf(destination.path);
    if (dirname(file) === directory && ownsName(basename(file))) return true;
    return marksOf(destination).some((mark) => own.has(mark));
  };
}

/** What is there instead of a file, so that none can be written; undefined where all is well. */
export function inTheWay(path: string): string | undefined {
  const stat = statOf(path);
  if (!stat || stat.isFile()) return undefined;
  return stat.isDirectory() ? "a directory" : "a device, a socket or a pipe";
}

function sqliteMarks(path: string): string[] {
  const file = realPathOf(path); // SQLite follows a link and puts the companions beside what it names
  return [...fileMarks(file), ...COMPANIONS.map((suffix) => file + suffix)];
}

function fileMarks(path: string): string[] {
  const stat = statOf(path);
  return stat ? [path, `${stat.dev} ${stat.ino}`] : [path];
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined; // what may not be looked at, a run will say
  }
}
