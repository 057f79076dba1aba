/** The content hash of a file, read in slices. */
import { createHash } from "node:crypto";
import type { Clock } from "../clock.ts";
import type { FileStat, FileSystem } from "./file_system.ts";
import type { TimeSlice } from "./time_slice.ts";

/** Bytes read at a time. */
const CHUNK_BYTES = 1024 * 1024;
/** How often a file that changes under the reader is read again. */
const TRIES_MAX = 3;
/** A file changed less than this many milliseconds ago may change again without a trace in its mtime. */
const FRESH_MS = 1_000;

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
  | { readonly kind: "other" }
  | { readonly kind: "stopped" };

/**
 * SHA-256 of the file, as hex. Hands control back when the slice is over, also within a file.
 *
 * @throws what the file system says; the file is closed all the same
 */
export async function hashFile(
  files: FileSystem,
  path: string,
  run: {
    readonly clock: Clock;
    readonly slice: TimeSlice;
    readonly signal: AbortSignal;
    /** Called before control is handed back: nothing may stay open meanwhile. */
    readonly beforeTurn: () => void;
  },
): Promise<Hashed> {
  for (let tries = 1;; tries++) {
    const file = files.open(path);
    try {
      const stat = files.statOpen(file);
      if (stat.kind !== "file") return { kind: "other" };
      const hash = createHash("sha256");
      let bytes = 0;
      for (let read = files.read(file, buffer); read > 0; read = files.read(file, buffer)) {
        hash.update(buffer.subarray(0, read));
        bytes += read;
        if (bytes >= stat.size && read < CHUNK_BYTES) break;
        if (run.slice.over) {
          run.beforeTurn();
          await run.slice.turn();
        }
        if (run.signal.aborted) return { kind: "stopped" };
      }
      const after = files.statOpen(file);
      const changing = bytes !== stat.size || after.size !== stat.size ||
        after.mtimeMs !== stat.mtimeMs;
      if (changing && tries < TRIES_MAX) continue;
      const settled = !changing && stat.mtimeMs < run.clock.now() - FRESH_MS;
      return {
        kind: "hashed",
        hash: hash.digest("hex"),
        stat: { ...after, size: bytes },
        settled,
        changing,
      };
    } finally {
      files.close(file);
    }
  }
}
