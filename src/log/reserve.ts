/** Room on the disk that is kept for what has to be written when there is none left. */
import { rmSync, statSync, writeFileSync } from "node:fs";
import { nodeCrypto } from "../node_crypto.ts";

/** Enough for many terminal entries and for the removal of a part of a log. */
export const RESERVE_BYTES = 1024 * 1024;

/** A file that takes up room until it is let go of; the next start finds it there. */
export class Reserve {
  readonly #path: string;

  /** @param path of the file, on the disk that the log is on */
  constructor(path: string) {
    this.#path = path;
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

  /** Gives the room to whoever writes next. */
  release(): void {
    rmSync(this.#path, { force: true });
  }
}
