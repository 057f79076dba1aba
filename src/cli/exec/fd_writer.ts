/** Writes to one of our own outputs, however long its reader takes. */
import { write } from "node:fs";

/** How long to wait after a non-blocking write that found no room, in milliseconds. */
const FULL_MS = 10;
/**
 * A pipe takes so many bytes as a whole or not at all. Another process may have made ours
 * non-blocking, and Deno does not say how much of a longer write was done then.
 */
const PIECE_BYTES = 4096;

/**
 * Writes all bytes to stdout or stderr.
 *
 * @throws {Error} with the system's code: EPIPE when the reader has left, ENOSPC, ...
 */
export function writeAll(fd: 1 | 2, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const go = (from: number) =>
      write(fd, bytes, from, Math.min(PIECE_BYTES, bytes.length - from), null, (fault, count) => {
        if (fault?.code === "EAGAIN") setTimeout(() => go(from), FULL_MS);
        else if (fault) reject(fault);
        else if (from + count < bytes.length) go(from + count);
        else resolve();
      });
    go(0);
  });
}
