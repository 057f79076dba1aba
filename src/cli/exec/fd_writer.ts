/** Writes to one of our own outputs, however long its reader takes. */
import { codeOf } from "../../reason.ts";
import { writeSome } from "../../runtime/own_output.ts";

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
export async function writeAll(fd: 1 | 2, bytes: Uint8Array): Promise<void> {
  for (let from = 0; from < bytes.length;) {
    try {
      from += await writeSome(fd, bytes.subarray(from, from + PIECE_BYTES));
    } catch (cause) {
      if (codeOf(cause) !== "EAGAIN") throw cause;
      await new Promise((resolve) => setTimeout(resolve, FULL_MS));
    }
  }
}
