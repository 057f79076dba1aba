/** What a disk says of the log: how much room there is, and whether its file is still there. */
import type { Clock } from "../clock.ts";
import { nodeFs, nodePath } from "../system/node.ts";
import { ownFiles } from "../system/own_files.ts";

/** Bytes left on the disk of that file or directory; Infinity where it does not tell. */
export function freeBytes(path: string): number {
  try {
    const { blocks, bavail, bsize } = nodeFs().statfsSync(path);
    return blocks === 0 ? Infinity : bavail * bsize; // 0: one without a limit, as in memory
  } catch {
    return Infinity;
  }
}

/**
 * Where the file lies, or will where a link leads to none yet: what SQLite keeps beside it is there
 * too, not beside the link.
 */
export function placeOfFile(path: string): string {
  if (ownFiles.exists(path)) return ownFiles.realPath(path);
  try {
    return nodePath().resolve(nodePath().dirname(path), nodeFs().readlinkSync(path));
  } catch {
    return path; // no link either
  }
}

/** How often it is looked, in milliseconds. */
const LOOK_MS = 1_000;

/**
 * A file that was removed, or whose disk was unmounted, can still be written by who has it open, and
 * is gone when that ends.
 */
export class LogPlace {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #file: string | undefined;
  #lookedAtMs: number;
  #fault: Error | undefined;

  /** @param path of the log, which is open */
  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
    this.#lookedAtMs = clock.monotonic();
    this.#file = fileAt(path);
  }

  /** Why nothing more may be written there, in words; looked at once a second. */
  fault(): Error | undefined {
    const now = this.#clock.monotonic();
    if (now - this.#lookedAtMs >= LOOK_MS) {
      this.#lookedAtMs = now;
      this.#look();
    }
    return this.#fault;
  }

  #look(): void {
    const there = fileAt(this.#path);
    if (there === this.#file) this.#fault = undefined;
    // Some file systems give an open file another number. Only a file that was missing is gone.
    else if (there === undefined) {
      this.#fault ??= new Error(
        `"${this.#path}" is not there any more: it was moved or removed, or its disk unmounted. ` +
          "Put it back, or start the server anew",
      );
    }
  }
}

/** Which file is there; undefined where there is none. */
export function fileAt(path: string): string | undefined {
  try {
    return ownFiles.stat(path)?.identity;
  } catch {
    return "unknown"; // a disk that fails is told by the next write
  }
}
