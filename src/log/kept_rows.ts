/** Jobs' rows in memory: those in use, as far as there is room. */
import { type JobKey, type JobKeyText, keyText } from "../sync/ids.ts";
import type { Job } from "../sync/job.ts";
import type { Producer } from "../sync/producer.ts";

/** Most jobs kept in memory; the one unused for longest makes room. */
const KEPT_MAX = 10_000;
/** Characters of rows at which fewer are kept: `meta` may have a million, and takes more as a value. */
const KEPT_LENGTH_MAX = 32 * 1024 * 1024;
/** Most rows that are looked at to make room for one. */
const EVICT_TRIES = 8;

/** A job with its row's number. */
export interface JobRow {
  readonly pk: number;
  job: Job;
  /** Producers that were looked up, by id; null for one that has not posted yet. */
  readonly producers: Map<string, Producer | null>;
  /** The indexed values as they were last written; undefined when they have to be written. */
  stored: Indexed | undefined;
  /** Producers that the commit under way changes. */
  readonly posted: Set<string>;
  /** Characters of each producer in memory, as it was last read or written. */
  readonly lengths: Map<string, number>;
  /** Characters of the row and of these producers, and those of the row that change. */
  length: number;
  stateLength: number;
}

/** The values of a job that are indexed. */
export type Indexed = Pick<Job, "status" | "owner" | "leaseUntilMs">;

/** Keeps rows until others need their room: a limit on how many, and on their characters. */
export class KeptRows {
  readonly #rows = new Map<JobKeyText, JobRow>();
  #length = 0;
  readonly #mayGo: (row: JobRow) => boolean;
  readonly #onDropped: (row: JobRow) => void;

  /**
   * @param mayGo whether the file has all of the row
   * @param onDropped called with each row that is no longer in memory
   */
  constructor(mayGo: (row: JobRow) => boolean, onDropped: (row: JobRow) => void) {
    this.#mayGo = mayGo;
    this.#onDropped = onDropped;
  }

  get(key: JobKey): JobRow | undefined {
    return this.#rows.get(keyText(key));
  }

  /** The row, which is the last that has to make room from now on. */
  use(key: JobKey): JobRow | undefined {
    const text = keyText(key);
    const row = this.#rows.get(text);
    if (!row) return undefined;
    this.#rows.delete(text);
    if (this.#isFull) this.#evict(); // jobs grow, also where no other one is added
    this.#rows.set(text, row);
    return row;
  }

  add(row: JobRow): JobRow {
    if (this.#isFull) this.#evict();
    this.#rows.set(keyText(row.job), row);
    this.#length += row.length;
    return row;
  }

  /** To be called for what a row takes up more, or less. */
  grow(row: JobRow, more: number): void {
    row.length += more;
    this.#length += more;
  }

  all(): Iterable<JobRow> {
    return this.#rows.values();
  }

  /** Forgets the job's row. @returns it, where it was in memory */
  drop(key: JobKey): JobRow | undefined {
    const text = keyText(key);
    const row = this.#rows.get(text);
    if (!row) return undefined;
    this.#rows.delete(text);
    this.#length -= row.length;
    this.#onDropped(row);
    return row;
  }

  get #isFull(): boolean {
    return this.#rows.size >= KEPT_MAX || this.#length > KEPT_LENGTH_MAX;
  }

  #evict(): void {
    let tries = EVICT_TRIES;
    for (const oldest of this.#rows.values()) {
      if (!this.#isFull || tries-- === 0) return;
      if (this.#mayGo(oldest)) this.drop(oldest.job);
    }
  }
}
