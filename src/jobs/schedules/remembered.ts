/** What the log cannot tell of syncs: when they were first seen, what was skipped, what was told. */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { z } from "zod";
import type { SyncId, TenantId } from "../../sync/ids.ts";

const moment = z.number();

const NOTE = z.object({
  /** When the server first knew of the sync. */
  firstSeenMs: moment,
  /** The schedule in words, and since when it is in force. */
  schedule: z.string().optional(),
  sinceMs: moment.optional(),
  /** Up to when every slot of the schedule has been seen to. */
  handledMs: moment.optional(),
  /** The last job that is known of, and when it started by this clock. */
  lastJob: z.string().optional(),
  lastStartMs: moment.optional(),
  /** Since when it is overdue, once that has been told. */
  overdueMs: moment.optional(),
});

/** Of one sync; times are milliseconds since 1970. */
export type SyncNote = z.output<typeof NOTE>;

const FILE = z.object({ version: z.literal(1), syncs: z.record(z.string(), NOTE) });

/** What names a sync: `tenant/id`. */
export type SyncPlace = `${TenantId}/${SyncId}`;

/** The place of a sync. */
export function placeOf(sync: { readonly tenant: TenantId; readonly id: SyncId }): SyncPlace {
  return `${sync.tenant}/${sync.id}`;
}

/**
 * The note by a clock that may have been put back: a moment that lies ahead would never pass, or
 * much too late. Slots that come again have their job already, and are not run twice.
 */
export function notAhead(note: SyncNote, nowMs: number): SyncNote {
  const times = { ...note };
  for (const name of ["firstSeenMs", "sinceMs", "handledMs", "lastStartMs", "overdueMs"] as const) {
    const atMs = times[name];
    if (atMs !== undefined) times[name] = Math.min(atMs, nowMs);
  }
  return times;
}

/**
 * A small file, written whole whenever something has changed; without a path it is kept in memory.
 * Where it is lost, the log tells when the schedules' last runs were.
 */
export class Remembered {
  readonly #path: string | undefined;
  readonly #onFault: (cause: unknown) => void;
  #notes: Map<string, SyncNote>;
  #written: string;
  #empty: boolean;

  constructor(path: string | undefined, onFault: (cause: unknown) => void) {
    this.#path = path;
    this.#onFault = onFault;
    this.#notes = this.#read();
    this.#written = this.#text();
    this.#empty = this.#notes.size === 0;
  }

  /** Whether it was not there, and nothing has been written since. */
  get empty(): boolean {
    return this.#empty;
  }

  get(place: SyncPlace): SyncNote | undefined {
    return this.#notes.get(place);
  }

  put(place: SyncPlace, note: SyncNote): void {
    this.#notes.set(place, note);
  }

  /** Forgets all others. */
  keep(places: ReadonlySet<SyncPlace>): void {
    const kept = [...this.#notes].filter(([place]) => places.has(place as SyncPlace));
    this.#notes = new Map(kept);
  }

  /** Writes what has changed; where that fails it is told, and tried again at the next change. */
  save(): void {
    const text = this.#text();
    if (text === this.#written) return;
    this.#written = text;
    this.#empty = false;
    if (this.#path === undefined) return;
    try {
      const unfinished = `${this.#path}.tmp`;
      writeFileSync(unfinished, text, { mode: 0o600 });
      renameSync(unfinished, this.#path);
    } catch (cause) {
      this.#onFault(new Error(`Cannot write "${this.#path}": ${String(cause)}`, { cause }));
    }
  }

  #text(): string {
    return JSON.stringify({ version: 1, syncs: Object.fromEntries(this.#notes) });
  }

  #read(): Map<string, SyncNote> {
    if (this.#path === undefined || !existsSync(this.#path)) return new Map();
    try {
      const { syncs } = FILE.parse(JSON.parse(readFileSync(this.#path, "utf8")));
      return new Map(Object.entries(syncs));
    } catch (cause) {
      const reason = `Cannot read "${this.#path}", so it begins anew: ${String(cause)}`;
      this.#onFault(new Error(reason, { cause }));
      return new Map();
    }
  }
}
