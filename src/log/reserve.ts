/** Room on the disk that is kept for what has to be written when there is none left. */
import { existsSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { nodeCrypto } from "../node_crypto.ts";
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
  constructor(beside: string, free: () => number = () => freeBytes(dirname(this.#path))) {
    this.#path = `${beside}.reserve`;
    this.#free = free;
  }

  /** Takes the room; false where there is none. */
  hold(): boolean {
    try {
      if (statSync(this.#path, { throwIfNoEntry: false })?.size === RESERVE_BYTES) return true;
      // Random, so that no file system saves the room by not storing it.
      writeFileSync(this.#path, nodeCrypto().randomBytes(RESERVE_BYTES), { mode: 0o600 });
      return true;
    } catch {
      this.release();
      return false;
    }
  }

  /** Lets go of the room on a full disk: a server has to write something before it can start. */
  makeRoom(): void {
    if (this.#free() < RESERVE_BYTES) this.release();
  }

  /** Gives the room up for the next writes. @returns false where there was none. Never throws */
  release(): boolean {
    try {
      const held = existsSync(this.#path);
      rmSync(this.#path, { force: true });
      return held;
    } catch {
      return false; // Nothing may be removed there; the writes are refused as on any full disk.
    }
  }
}
