/** The content hash of a file, read in slices. */
import { createHash } from "node:crypto";
import type { Clock } from "../clock.ts";
import type { TimeSlice } from "../time_slice.ts";
import { type FileStat, type FileSystem, sameStamp } from "./file_system.ts";

/** Bytes read at a time. */
const CHUNK_BYTES = 1024 * 1024;
/** How often a file that changes under the reader is read. */
const TRIES_MAX = 3;
/** A file changed less than this many milliseconds ago may change again without a trace in its mtime. */
const FRESH_MS = 1_000;

/** One for all runs: nothing in it outlives a step. */
const buffer = new Uint8Array(CHUNK_BYTES);

/** What reading came to. */
export type Hashed =
  | {
    readonly kind: "hashed";
    readonly hash: string;
    readonly stat: FileStat;
    /** Whether the stat stands for just this content; if not, the next run reads again. */
    readonly settled: boolean;
    /** It changed under every try. */
    readonly changing: boolean;
  }
  /** It is no file any more, or has grown beyond `bytesMax`: `stat` tells which. */
  | { readonly kind: "unfit"; readonly stat: FileStat };

export interface HashRun {
  readonly clock: Clock;
  readonly slice: TimeSlice;
  /** Reading ends when a file has more bytes than this, also one that grows while it is read. */
  readonly bytesMax: number;
}

/**
 * As hashFile does, for a file that is read at once and stays as it was: nearly all of them.
 * Undefined for any other, of which nothing is known then.
 *
 * @throws what the file system says; the file is closed all the same
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
    const stat = files.statOpen(file);
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
 * SHA-256 of the file, as hex: it is what it was before, when it has the same stat after it was
 * read; otherwise it is read again. Yields, also within a file, when it is time to hand control back;
 * a caller that does not come back leaves no file open.
 *
 * @param before what it was at some time before
 * @throws what the file system says; the file is closed all the same
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
