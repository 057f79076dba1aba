/** The running totals of a program's run. */
import type { SourceProgress } from "../source.ts";

/** Entity types told one by one; further ones are counted together. */
export const TYPES_MAX = 200;
const OTHER = "other";

/** What is known so far; what the program does not say stays undefined. */
export class Totals {
  inserted = 0;
  updated = 0;
  deleted = 0;
  kept = 0;
  skipped = 0;
  warnings = 0;
  percent: number | undefined;
  total: number | undefined;
  bytesDone: number | undefined;
  bytesTotal: number | undefined;
  phase: string | undefined;
  current: string | undefined;
  readonly #encountered = new Map<string, number>();

  /** Counts entities met of one type. */
  meet(type: string, count = 1): void {
    const name = this.#nameOf(type);
    this.#encountered.set(name, (this.#encountered.get(name) ?? 0) + count);
  }

  met(type: string): number {
    return this.#encountered.get(this.#nameOf(type)) ?? 0;
  }

  progress(): SourceProgress {
    return {
      type: "progress",
      inserted: this.inserted,
      updated: this.updated,
      deleted: this.deleted,
      kept: this.kept,
      skipped: this.skipped,
      encountered: Object.fromEntries(this.#encountered),
      total: this.total,
      percent: this.percent,
      bytesDone: this.bytesDone,
      bytesTotal: this.bytesTotal,
      phase: this.phase,
      current: this.current,
      warnings: this.warnings > 0 ? this.warnings : undefined,
    };
  }

  #nameOf(type: string): string {
    return this.#encountered.has(type) || this.#encountered.size < TYPES_MAX ? type : OTHER;
  }
}
