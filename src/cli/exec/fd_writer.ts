/** Writes to one of our own outputs, without a limit on how long its reader may take. */
import { write } from "node:fs";

/** How long to wait where a write that waits for nobody finds no room, in milliseconds. */
const FULL_MS = 10;
/**
 * A pipe takes so many bytes as a whole or not at all. Somebody may have left ours in the mode in
 * which writes do not wait, and Deno does not say how much of a longer one was done then.
 */
const PIECE_BYTES = 4096;

/**
 * Writes all bytes to stdout or stderr.
 *
 * @throws {Error} EPIPE when its reader has left, ENOSPC, ...
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
