/** How many files rclone has kept, computed from its statistics: it does not say so itself. */
import { countOf, type Members } from "./json.ts";

/**
 * rclone counts a check for each file that is on both sides, and one more for each that it deletes
 * or moves aside. Kept are the files on both sides that were not and will not be replaced.
 */
export class RcloneChecks {
  /** Transfers of files that were not there. */
  sentNew = 0;
  /** Files that were updated without a transfer. */
  touched = 0;
  /** Tracked renames; each is one more check. */
  renamed = 0;
  /** Whether files are being checked that may be old names: until they are renamed or deleted. */
  tracking = false;
  /** Deletes and renames; each is a check too. */
  removals = 0;
  #checks = 0;
  #totalTransfers = 0;
  #attempts = 1;
  /** Files inserted before an attempt, summed over the attempts: each is checked again. */
  #checkedAgain = 0;

  read(stats: Members): void {
    this.#checks = countOf(stats.checks) ?? this.#checks;
    this.removals = (countOf(stats.deletes) ?? 0) + (countOf(stats.renames) ?? 0);
    this.#totalTransfers = countOf(stats.totalTransfers) ?? this.#totalTransfers;
  }

  /** Notes that another attempt begins, which checks all files again. */
  again(inserted: number): void {
    this.#attempts++;
    this.#checkedAgain += inserted;
  }

  /** The least number of kept files while rclone runs: a checked file may still be replaced. */
  keptSoFar(updated: number): number {
    if (this.#attempts > 1 || this.tracking) return 0;
    const waiting = this.#totalTransfers - this.sentNew + this.touched;
    return this.#pairs() - Math.max(waiting, updated);
  }

  /** The kept files after the end. @param failed failed copies of files that may have been there */
  keptAtEnd(updated: number, failed: number): number {
    return Math.floor((this.#pairs() - this.#checkedAgain) / this.#attempts) - updated - failed;
  }

  /** Checks of files that are on both sides. */
  #pairs(): number {
    return this.#checks - this.removals - this.renamed;
  }
}
