/** Room on the disk that is kept for what has to be written when there is none left. */
import { nodeCrypto, nodeFs, nodePath } from "../system/node.ts";
import { ownFiles } from "../system/own_files.ts";
import { freeBytes, placeOfFile } from "./disk.ts";

/** Enough for many terminal entries and for the removal of a part of a log. */
export const RESERVE_BYTES = 1024 * 1024;

/** The reserve of the log, which lies on the disk of its file. @param log its path, or a link to it */
export function reserveOf(log: string): Reserve {
  return new Reserve(placeOfFile(log));
}

/**
 * What a server that starts may use: the reserve of the log and, where the log is a link, one beside
 * that. The other databases, which are opened too, are there.
 */
export function reservesOfStart(log: string): Reserve[] {
  return [...new Set([placeOfFile(log), log])].map((file) => new Reserve(file));
}

/** A file of RESERVE_BYTES that takes up the room; it stays from one start to the next. */
export class Reserve {
  readonly #path: string;
  readonly #free: () => number;

  /**
   * @param beside the path of the file that it lies beside
   * @param free bytes that the disk has left
   */
  constructor(
    beside: string,
    free: () => number = () => freeBytes(nodePath().dirname(this.#path)),
  ) {
    this.#path = `${beside}.reserve`;
    this.#free = free;
  }

  /** Takes the room; false where there is none. */
  hold(): boolean {
    try {
      if (ownFiles.stat(this.#path)?.size === RESERVE_BYTES) return true;
      // Random, so that no file system saves the room by not storing it.
      nodeFs().writeFileSync(this.#path, nodeCrypto().randomBytes(RESERVE_BYTES), { mode: 0o600 });
      return true;
    } catch {
      this.release();
      return false;
    }
  }

  /**
   * Lets go of the room on a full disk: a server has to write something before it can start.
   *
   * @returns whether there is more room now
   */
  makeRoom(): boolean {
    return this.#free() < RESERVE_BYTES && this.release();
  }

  /** Gives the room up for the next writes. @returns false where there was none. Never throws */
  release(): boolean {
    try {
      const held = ownFiles.exists(this.#path);
      ownFiles.remove(this.#path);
      return held;
    } catch {
      return false; // Nothing may be removed there; the writes are refused as on any full disk.
    }
  }
}
