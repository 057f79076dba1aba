/** How many files rclone has left as they were: it does not say, but its statistics do. */
import { countOf, type Members } from "./json.ts";

/**
 * rclone counts a check for each file that is on both sides, and one more for each that it deletes
 * or moves aside. What is left, without what was or will be replaced, is kept.
 */
export class RcloneChecks {
  /** Of the transfers, those of files that were not there. */
  sentNew = 0;
  /** Updated without a transfer. */
  touched = 0;
  /** Tracked renames: a check more each. */
  renamed = 0;
  #checks = 0;
  /** Deletes and renames: each is a check too. */
  #removals = 0;
  #totalTransfers = 0;
  #attempts = 1;
  /** Files inserted before an attempt, summed over the attempts: each is checked again. */
  #checkedAgain = 0;

  read(stats: Members): void {
    this.#checks = countOf(stats.checks) ?? this.#checks;
    this.#removals = (countOf(stats.deletes) ?? 0) + (countOf(stats.renames) ?? 0);
    this.#totalTransfers = countOf(stats.totalTransfers) ?? this.#totalTransfers;
  }

  /** Another attempt begins, which goes over all files again. */
  again(inserted: number): void {
    this.#attempts++;
    this.#checkedAgain += inserted;
  }

  /** At least so many while it runs: what is checked may still wait to be copied over. */
  keptSoFar(updated: number): number {
    if (this.#attempts > 1) return 0;
    const waiting = this.#totalTransfers - this.sentNew + this.touched;
    return this.#pairs() - Math.max(waiting, updated);
  }

  /** @param failed copies that were tried in vain, of files that may have been there */
  keptAtEnd(updated: number, failed: number): number {
    return Math.floor((this.#pairs() - this.#checkedAgain) / this.#attempts) - updated - failed;
  }

  /** Checks of files that are on both sides. */
  #pairs(): number {
    return this.#checks - this.#removals - this.renamed;
  }
}
