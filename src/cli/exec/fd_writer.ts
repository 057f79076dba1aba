/** Writes to one of our own outputs, without a limit on how long its reader may take. */
import { constants, fstatSync, openSync, readFileSync, write } from "node:fs";

/** How long to wait when a reader that must not be waited for has no room, in milliseconds. */
const FULL_MS = 10;

/** Where bytes of the program go; `write` resolves when all of them are out. */
export class FdWriter {
  readonly #fd: number;

  constructor(fd: 1 | 2) {
    this.#fd = waitingFd(fd);
  }

  /** @throws {Error} EPIPE when its reader has left, ENOSPC, ... */
  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      const go = (from: number) =>
        write(this.#fd, bytes, from, bytes.length - from, null, (fault, count) => {
          if (fault?.code === "EAGAIN") setTimeout(() => go(from), FULL_MS);
          else if (fault) reject(fault);
          else if (from + count < bytes.length) go(from + count);
          else resolve();
        });
      go(0);
    });
  }
}

/**
 * A pipe or terminal may have been left in the mode in which nobody waits for its reader, and Deno
 * then does not say how much of a write was done. Opened anew it has a mode of its own.
 */
function waitingFd(fd: number): number {
  try {
    const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1];
    const stat = fstatSync(fd);
    const waits = (Number.parseInt(flags ?? "0", 8) & constants.O_NONBLOCK) === 0;
    if (waits || !(stat.isFIFO() || stat.isCharacterDevice())) return fd;
    return openSync(`/proc/self/fd/${fd}`, "w");
  } catch {
    // No /proc, or it is not ours to open: as it is, then.
    return fd;
  }
}
