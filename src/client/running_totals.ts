/** What a producer has counted so far, with its latest `phase` and `current`. */
import { TYPE_MAX, TYPES_MAX, WORDS_MAX } from "../sync/event_limits.ts";
import { ENTITY_COUNTS, type EntityCount } from "../sync/progress.ts";
import { clip, clipMember, textOf } from "./clip.ts";

/** Bytes of all entity types, which every progress event carries. */
const TYPES_BYTES_MAX = 384 * 1024;
/** Bytes of one type's count at most. */
const COUNT_BYTES = 20;
/** The type that counts for all types for which there is no room. */
const OTHER = "(other)";

/** What can be counted. */
export type Counter = EntityCount | "bytes_done" | "warnings";

/** Running totals; those that are left out stay as they were. */
export type Totals = {
  readonly [Name in Counter | "total" | "bytes_total"]?: number;
};

const COUNTERS: readonly string[] = [...ENTITY_COUNTS, "bytes_done", "warnings"];
const MEASURES: readonly string[] = ["total", "bytes_total"];

/** Each progress event holds all totals, so one that is lost or late costs nothing. */
export class RunningTotals {
  #totals: Record<string, number> = {};
  /** Counts by entity type; undefined once the server has refused them. */
  #encountered: Map<string, number> | undefined = new Map();
  #typesBytes = 0;
  #words: Record<string, string> = {};
  #changed = false;

  /** Whether they differ from the last progress event. */
  get changed(): boolean {
    return this.#changed;
  }

  /** Marks them as changed, as the first progress event says that work has begun. */
  begin(): void {
    this.#changed = true;
  }

  count(counter: Counter, n: number, type?: string): void {
    if (!Number.isSafeInteger(n) || n <= 0) return; // a wrong count never breaks a sync
    this.#totals[counter] = sum(this.#totals[counter], n);
    if (type !== undefined && type !== null && this.#encountered) {
      const name = this.#typeOf(type, this.#encountered);
      this.#encountered.set(name, sum(this.#encountered.get(name), n));
    }
    this.#changed = true;
  }

  /** Leaves out counters that go back: the server refuses them. */
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
    if (text === undefined || text === null) return; // such as the name of a nameless row
    this.#words[name] = clip(text, WORDS_MAX);
    this.#changed = true;
  }

  /**
   * Leaves out entity types from now on, as the server refuses them.
   *
   * @returns whether there were any
   */
  leaveOutTypes(): boolean {
    const told = this.#encountered !== undefined && this.#encountered.size > 0;
    this.#encountered = undefined;
    return told;
  }

  /** The next progress event. */
  take(): string {
    this.#changed = false;
    const encountered = this.#encountered?.size
      ? { entities_encountered: Object.fromEntries(this.#encountered) }
      : {};
    return JSON.stringify({ type: "progress", ...this.#totals, ...encountered, ...this.#words });
  }

  /** The name under which a type is counted. */
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
