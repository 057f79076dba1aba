/** The content hash of a file, read in slices. */
import { createHash } from "node:crypto";
import type { Clock } from "../clock.ts";
import type { FileStat, FileSystem } from "./file_system.ts";
import type { TimeSlice } from "./time_slice.ts";

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
 * SHA-256 of the file, as hex. Yields, also within a file, when it is time to hand control back;
 * a caller that does not come back leaves no file open.
 *
 * @throws what the file system says; the file is closed all the same
 */
export function* hashFile(
  files: FileSystem,
  path: string,
  run: HashRun,
): Generator<void, Hashed, void> {
  for (let tries = 1;; tries++) {
    const file = files.open(path);
    try {
      const startedAtMs = run.clock.now();
      const stat = files.statOpen(file);
      if (stat.kind !== "file" || stat.size > run.bytesMax) return { kind: "unfit", stat };
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
      const changing = bytes !== stat.size || after.size !== stat.size ||
        after.mtimeMs !== stat.mtimeMs;
      if (changing && tries < TRIES_MAX) continue;
      return {
        kind: "hashed",
        hash: hash.digest("hex"),
        stat: { ...after, size: bytes },
        settled: !changing && stat.mtimeMs < startedAtMs - FRESH_MS,
        changing,
      };
    } finally {
      files.close(file);
    }
  }
}
