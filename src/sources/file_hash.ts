/** The content hash of a file, read in slices. */
import { createHash } from "node:crypto";
import type { Clock } from "../clock.ts";
import type { TimeSlice } from "../time_slice.ts";
import { type FileStat, type FileSystem, sameStamp } from "./file_system.ts";

/** Bytes read at a time. */
const CHUNK_BYTES = 1024 * 1024;
/** Most readings of a file that changes while it is read. */
const TRIES_MAX = 3;
/** A file that changed less than this many milliseconds ago may change again at the same mtime. */
const FRESH_MS = 1_000;

/** One buffer for all runs: its content is not needed after a step. */
const buffer = new Uint8Array(CHUNK_BYTES);

/** What reading a file came to. */
export type Hashed =
  | {
    readonly kind: "hashed";
    readonly hash: string;
    readonly stat: FileStat;
    /** Whether the stat stands for just this content; if not, the next run reads again. */
    readonly settled: boolean;
    /** Whether it changed during every reading. */
    readonly changing: boolean;
  }
  /** It is no longer a file, or has grown beyond `bytesMax`: `stat` tells which. */
  | { readonly kind: "unfit"; readonly stat: FileStat };

export interface HashRun {
  readonly clock: Clock;
  readonly slice: TimeSlice;
  /** Reading ends at a file of more bytes than this, also when it grows while it is read. */
  readonly bytesMax: number;
}

/**
 * As hashFile, for files that fit one read and do not change meanwhile, which are nearly all;
 * undefined for any other.
 *
 * @throws errors of the file system; the file is closed all the same
 */
export function hashSmall(
  files: FileSystem,
  path: string,
  before: FileStat,
  clock: Clock,
): Hashed | undefined {
  if (before.size >= CHUNK_BYTES) return undefined;
  const file = files.open(path);
  try {
    const startedAtMs = clock.now();
    const read = files.read(file, buffer);
    const stat = files.lookAgain(file, path);
    const same = read === before.size && stat.kind === "file" && sameStamp(before, stat);
    if (!same) return undefined;
    return {
      kind: "hashed",
      hash: createHash("sha256").update(buffer.subarray(0, read)).digest("hex"),
      stat,
      settled: stat.mtimeMs < startedAtMs - FRESH_MS,
      changing: false,
    };
  } finally {
    files.close(file);
  }
}

/**
 * SHA-256 of the file, as hex. A file whose stat is not the same after the reading is read again,
 * TRIES_MAX times at most. Yields, also within a file, when it is time to hand control back. The
 * file is closed when the caller ends the generator.
 *
 * @param before the file's stat of some time before
 * @throws errors of the file system; the file is closed all the same
 */
export function* hashFile(
  files: FileSystem,
  path: string,
  before: FileStat,
  run: HashRun,
): Generator<void, Hashed, void> {
  let stat = before;
  for (let tries = 1;; tries++) {
    const file = files.open(path);
    try {
      const startedAtMs = run.clock.now();
      const hash = createHash("sha256");
      let bytes = 0;
      for (let read = files.read(file, buffer); read > 0; read = files.read(file, buffer)) {
        hash.update(buffer.subarray(0, read));
        bytes += read;
        if (bytes > run.bytesMax) return { kind: "unfit", stat: { ...stat, size: bytes } };
        if (bytes >= stat.size && read < CHUNK_BYTES) break;
        if (run.slice.over) yield;
      }
      const after = files.statOpen(file);
      if (after.kind !== "file" || after.size > run.bytesMax) return { kind: "unfit", stat: after };
      const changing = bytes !== after.size || !sameStamp(stat, after);
      if (changing && tries < TRIES_MAX) {
        stat = after;
        continue;
      }
      return {
        kind: "hashed",
        hash: hash.digest("hex"),
        stat: bytes === after.size ? after : { ...after, size: bytes },
        settled: !changing && after.mtimeMs < startedAtMs - FRESH_MS,
        changing,
      };
    } finally {
      files.close(file);
    }
  }
}
