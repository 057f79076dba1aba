/** A directory tree as a source: one entity a file, brought into an index by comparison. */
import {
  DestinationError,
  type IndexDestination,
  type IndexSession,
} from "../destinations/index_destination.ts";
import { DirectoryRun } from "./directory_run.ts";
import { type FileSystem, fileSystem, realPathOf } from "./file_system.ts";
import { type JobSource, SourceError, type SourceEvent, type SourceRun } from "./source.ts";
import { rootOf } from "./tree_root.ts";
import { unlocked } from "./write_out.ts";

/** Larger files are skipped, in bytes, where `maxFileBytes` is left out. */
const FILE_BYTES_MAX = 1024 ** 3;

export interface DirectoryOptions {
  readonly path: string;
  readonly destination: IndexDestination;
  /** Entities a second at most. */
  readonly maxPerS?: number;
  readonly maxFileBytes?: number;
  /** Paths that are not entered, such as the data directory. */
  readonly exclude?: readonly string[];
  readonly files?: FileSystem;
}

/**
 * Syncs the tree at `path` into the destination.
 *
 * Unchanged files are known by size, mtime and inode and are not read. A run that is stopped or
 * crashes leaves an index whose rows were true when they were written; the next run does the rest.
 *
 * @throws {SourceError} source_unreadable, and the codes of DestinationError
 */
export function directorySource(options: DirectoryOptions): JobSource {
  return { run: (run) => directoryRun(options, run) };
}

async function* directoryRun(
  options: DirectoryOptions,
  run: SourceRun,
): AsyncGenerator<SourceEvent, void, void> {
  const { destination, files = fileSystem } = options;
  const root = rootOf(files, options.path);
  let session: IndexSession | undefined;
  try {
    session = await unlocked(() => destination.open(root || "/"), run);
    const excluded = new Set(
      [...options.exclude ?? [], ...destination.paths].map((path) => realPathOf(path, files)),
    );
    const { maxPerS, maxFileBytes = FILE_BYTES_MAX } = options;
    yield* new DirectoryRun({ ...run, files, root, excluded, session, maxPerS, maxFileBytes })
      .events();
  } catch (cause) {
    if (!(cause instanceof DestinationError)) throw cause;
    throw new SourceError(cause.code, cause.message, { cause });
  } finally {
    session?.close();
  }
}
