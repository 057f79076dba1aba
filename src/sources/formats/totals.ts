/** The running totals of a program's run. */
import { cut } from "../../sync/cut.ts";
import type { SourceProgress } from "../source.ts";
import { TYPE_MAX, TYPES_MAX, WORDS_MAX } from "../../sync/event_limits.ts";
import { words } from "./words.ts";

/** Stands for all entity types for which there is no place; one of TYPES_MAX is kept for it. */
const OTHER = "other";

/** The totals so far; what the program does not say stays undefined. */
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
  #phase: string | undefined;
  #current: string | undefined;
  readonly #encountered = new Map<string, number>();

  get phase(): string | undefined {
    return this.#phase;
  }

  set phase(text: string | undefined) {
    this.#phase = short(text, WORDS_MAX);
  }

  get current(): string | undefined {
    return this.#current;
  }

  set current(text: string | undefined) {
    this.#current = short(text, WORDS_MAX);
  }

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
      phase: this.#phase,
      current: this.#current,
      warnings: this.warnings > 0 ? this.warnings : undefined,
    };
  }

  #nameOf(type: string): string {
    const name = short(type, TYPE_MAX) ?? OTHER;
    return this.#encountered.has(name) || this.#encountered.size < TYPES_MAX - 1 ? name : OTHER;
  }
}

/** Words for people; undefined where none are left. */
function short(text: string | undefined, charactersMax: number): string | undefined {
  return text === undefined ? undefined : cut(words(text), charactersMax) || undefined;
}
