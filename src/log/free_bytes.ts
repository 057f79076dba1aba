/** How much room there is. */
import { statfsSync } from "node:fs";

/** Bytes left on the disk of that file or directory; Infinity where it does not tell. */
export function freeBytes(path: string): number {
  try {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize;
  } catch {
    return Infinity;
  }
}
