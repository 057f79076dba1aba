/** Writing to our own stdout and stderr while everything else goes on. */
import { write } from "node:fs";

/**
 * Writes some of the bytes; resolves with their number. Deno's `write` of node:fs would hold the
 * whole process while a pipe's reader rests.
 *
 * @throws {Error} with the system's code: EPIPE, ENOSPC, EAGAIN, ...
 */
export const writeSome: (fd: 1 | 2, bytes: Uint8Array) => Promise<number> = "Bun" in globalThis
  ? (fd, bytes) =>
    new Promise((resolve, reject) =>
      write(fd, bytes, (fault, count) => fault ? reject(fault) : resolve(count))
    )
  : (fd, bytes) => (fd === 1 ? Deno.stdout : Deno.stderr).write(bytes);
