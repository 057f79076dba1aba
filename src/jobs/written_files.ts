/** The files that destinations write: which are the same file, and which are the server's own. */
import { type Stats, statSync } from "node:fs";
import { basename, dirname } from "node:path";
import { sqliteFiles } from "../destinations/sqlite_files.ts";
import { ownDatabases, ownsName } from "../log/data_directory.ts";
import { realPathOf } from "../sources/file_system.ts";
import type { DestinationConfig } from "./destination_config.ts";

/**
 * Marks of the files that a destination writes. Two destinations with a common mark write to the
 * same file, whatever its name: by another spelling, a link on the way or a hard link. The files
 * need not exist.
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

/** The real paths of the files that a destination writes; not all need exist. */
export function filesOf(destination: DestinationConfig): string[] {
  switch (destination.type) {
    case "sqlite":
      return sqliteFiles(destination.path);
    case "jsonl":
      return [realPathOf(destination.path), ...sqliteFiles(`${destination.path}.index`)];
    case "none":
      return [];
  }
}

/** The real paths of a data directory's databases and their companions; a log may be a link. */
export function databaseFiles(data: string): string[] {
  return ownDatabases(data).flatMap(sqliteFiles);
}

/** Tells which destinations would write files that a server keeps in its data directory. */
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

/** What is at the path and prevents a file there; undefined when nothing does. */
export function inTheWay(path: string): string | undefined {
  const stat = statOf(path);
  if (!stat || stat.isFile()) return undefined;
  return stat.isDirectory() ? "a directory" : "a device, a socket or a pipe";
}

function sqliteMarks(path: string): string[] {
  const [file, ...companions] = sqliteFiles(path);
  return [...fileMarks(file), ...companions];
}

function fileMarks(path: string): string[] {
  const stat = statOf(path);
  return stat ? [path, `${stat.dev} ${stat.ino}`] : [path];
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined; // a run reports what cannot be read
  }
}
