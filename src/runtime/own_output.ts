/** Writing to our own stdout and stderr while everything else goes on. */
import { write } from "node:fs";

/**
 * Writes some of the bytes; resolves with their number. Deno's `write` of node:fs would hold the
 * whole process while a pipe's reader rests.
 *
 * @throws {Error} with the system's code: EPIPE, ENOSPC; EAGAIN where a non-blocking pipe is full:
 * then it is to be called again with the same bytes
 */
export const writeSome: (fd: 1 | 2, bytes: Uint8Array) => Promise<number> = "Bun" in globalThis
  ? (fd, bytes) =>
    new Promise((resolve, reject) =>
      write(fd, bytes, (fault, count) => fault ? reject(fault) : resolve(count))
    )
  : (fd, bytes) => fd === 1 ? denoWritesOut(bytes) : Deno.stderr.write(bytes);

const LINE_END = 10;
/** Deno's stdout keeps fewer bytes than 1,024 that end no line, also where it says EAGAIN. */
const KEPT_BYTES = 1_000;
/** What a pipe takes as a whole or not at all. */
const PIPE_BYTES = 4_096;

/** How many bytes Deno has kept and could not pass on. */
let kept = 0;

async function denoWritesOut(bytes: Uint8Array): Promise<number> {
  if (kept > 0) {
    await Deno.stdout.write(new Uint8Array(0)); // passes on what was kept
    const count = kept;
    kept = 0;
    return count;
  }
  const lines = bytes.lastIndexOf(LINE_END) + 1;
  if (lines > 0) return await Deno.stdout.write(bytes.subarray(0, lines));
  if (bytes.length >= PIPE_BYTES) return await Deno.stdout.write(bytes);
  const piece = bytes.subarray(0, KEPT_BYTES);
  try {
    return await Deno.stdout.write(piece);
  } catch (cause) {
    kept = piece.length;
    throw cause;
  }
}
