/** What a producer has counted, and its words: merged to how they stand now. */
import { TYPE_MAX, TYPES_MAX, WORDS_MAX } from "../sync/event_limits.ts";
import { ENTITY_COUNTS, type EntityCount } from "../sync/progress.ts";
import { clip, clipMember, textOf } from "./clip.ts";

/** Bytes of all entity types, which every progress event carries. */
const TYPES_BYTES_MAX = 384 * 1024;
/** What a type's count takes of them at most. */
const COUNT_BYTES = 20;
/** What entity types are counted as for which there is no room. */
const OTHER = "(other)";

/** What can be counted. */
export type Counter = EntityCount | "bytes_done" | "warnings";

/** Running totals; what is left out stays. */
export type Totals = {
  readonly [Name in Counter | "total" | "bytes_total"]?: number;
};

const COUNTERS: readonly string[] = [...ENTITY_COUNTS, "bytes_done", "warnings"];
const MEASURES: readonly string[] = ["total", "bytes_total"];

/** All of it is told each time, so a progress event that is lost or late costs nothing. */
export class RunningTotals {
  #totals: Record<string, number> = {};
  /** Undefined once the server takes no more of them. */
  #encountered: Map<string, number> | undefined = new Map();
  #typesBytes = 0;
  #words: Record<string, string> = {};
  #changed = false;

  /** Whether there is something to tell. */
  get changed(): boolean {
    return this.#changed;
  }

  /** They are told though nothing was counted: the first progress event says that work has begun. */
  begin(): void {
    this.#changed = true;
  }

  count(counter: Counter, n: number, type?: string): void {
    if (!Number.isSafeInteger(n) || n <= 0) return; // telling a count never breaks a sync
    this.#totals[counter] = sum(this.#totals[counter], n);
    if (type !== undefined && type !== null && this.#encountered) {
      const name = this.#typeOf(type, this.#encountered);
      this.#encountered.set(name, sum(this.#encountered.get(name), n));
    }
    this.#changed = true;
  }

  /** Totals below what was told before are left out: the server takes none that go back. */
  total(totals: Totals): void {
    for (const [name, value] of Object.entries(totals ?? {})) {
      const least = COUNTERS.includes(name) ? this.#totals[name] ?? 0 : 0;
      const known = COUNTERS.includes(name) || MEASURES.includes(name);
      if (!known || !Number.isSafeInteger(value) || value < least) continue;
      this.#totals[name] = value;
      this.#changed = true;
    }
  }

  word(name: "phase" | "current", text: string): void {
    if (text === undefined || text === null) return; // as of a row without a name
    this.#words[name] = clip(text, WORDS_MAX);
    this.#changed = true;
  }

  /** The server does not take the entity types: none are told any more. @returns whether any were */
  leaveOutTypes(): boolean {
    const told = this.#encountered !== undefined && this.#encountered.size > 0;
    this.#encountered = undefined;
    return told;
  }

  /** The progress event that tells them. */
  take(): string {
    this.#changed = false;
    const encountered = this.#encountered?.size
      ? { entities_encountered: Object.fromEntries(this.#encountered) }
      : {};
    return JSON.stringify({ type: "progress", ...this.#totals, ...encountered, ...this.#words });
  }

  /** The type as it is counted. */
  #typeOf(given: string, known: ReadonlyMap<string, number>): string {
    if (known.has(given)) return given;
    const type = clipMember(textOf(given), TYPE_MAX) || OTHER;
    if (known.has(type)) return type;
    const bytes = Buffer.byteLength(JSON.stringify(type)) + COUNT_BYTES;
    // One place is kept for OTHER.
    if (known.size >= TYPES_MAX - 1 || this.#typesBytes + bytes > TYPES_BYTES_MAX) return OTHER;
    this.#typesBytes += bytes;
    return type;
  }
}

function sum(before: number | undefined, n: number): number {
  return Math.min((before ?? 0) + n, Number.MAX_SAFE_INTEGER);
}
