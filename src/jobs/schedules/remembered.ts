/** What the log does not hold of syncs: when first seen, what was handled, what was told. */
import { reasonOf } from "../../reason.ts";
import type { SyncId, TenantId } from "../../sync/ids.ts";
import { isObject } from "../../sync/json.ts";
import { nodeFs } from "../../system/node.ts";
import { ownFiles } from "../../system/own_files.ts";

/** A sync's note. Times are milliseconds since 1970. */
export interface SyncNote {
  /** When the server first knew of the sync. */
  readonly firstSeenMs: number;
  /** The schedule in words, and since when it is in force. */
  readonly schedule?: string;
  readonly sinceMs?: number;
  /** Up to when every slot of the schedule is handled. */
  readonly handledMs?: number;
  /** The last job that is known of, and when it started by this clock. */
  readonly lastJob?: string;
  readonly lastStartMs?: number;
  /** Since when it is overdue, once that was told. */
  readonly overdueMs?: number;
  /** When it stopped being overdue without a run: a deadline or a clock was changed. */
  readonly excusedMs?: number;
  /** Times that were ahead of the clock when it was put back, as they were. */
  readonly ahead?: { readonly [Name in TimeName]?: number };
}

const TEXTS = ["schedule", "lastJob"] as const;
const TIMES = [
  "firstSeenMs",
  "sinceMs",
  "handledMs",
  "lastStartMs",
  "overdueMs",
  "excusedMs",
] as const;
type TimeName = (typeof TIMES)[number];

/** When the clock has moved so far between two looks, in milliseconds, it was set. */
const SET_MS = 60_000;
/** No clock that is right has shown an earlier time to this program. */
const WRITTEN_MS = Date.UTC(2026, 0);

/** Names a sync: `tenant/id`. */
export type SyncPlace = `${TenantId}/${SyncId}`;

/** The place of a sync. */
export function placeOf(sync: { readonly tenant: TenantId; readonly id: SyncId }): SyncPlace {
  return `${sync.tenant}/${sync.id}`;
}

/**
 * The note without times ahead of the clock, which may have been put back: they would pass much too
 * late. Slots that come again have their job already, and are not run twice.
 *
 * A machine may begin in 1970 until it hears what time it is. So these times come back when the
 * clock jumps over them; when it gets there by itself, it was rightly put back. What began in 1970
 * itself counts from when the clock is set.
 *
 * @param lookedMs the time of the look before; undefined for none
 */
export function notAhead(note: SyncNote, nowMs: number, lookedMs?: number): SyncNote {
  const times: { -readonly [K in keyof SyncNote]: SyncNote[K] } = { ...note };
  const ahead = { ...note.ahead };
  const wasSet = lookedMs === undefined || nowMs - lookedMs > SET_MS;
  // What was overdue is so still: its last start is as long ago.
  const backMs = Math.max(0, (note.overdueMs ?? 0) - nowMs);
  // What was told to be overdue is left to the start that ends it.
  const leastMs = nowMs >= WRITTEN_MS && note.overdueMs === undefined ? WRITTEN_MS : -Infinity;
  for (const name of TIMES) {
    const kept = ahead[name];
    if (kept !== undefined && kept <= nowMs) {
      if (wasSet && times[name] !== undefined) times[name] = Math.max(times[name], kept);
      delete ahead[name];
    }
    const atMs = times[name];
    if (atMs === undefined) continue;
    if (atMs < leastMs) {
      times[name] = nowMs;
      continue;
    }
    const started = name === "lastStartMs" || name === "firstSeenMs";
    const laterMs = Math.min(started ? atMs - backMs : atMs, nowMs);
    if (laterMs === atMs) continue;
    times[name] = laterMs;
    ahead[name] ??= atMs;
  }
  times.ahead = Object.keys(ahead).length > 0 ? ahead : undefined;
  return times;
}

/**
 * A small file of notes, written whole when something has changed; in memory without a path. When
 * it is lost, the log tells when the schedules' last runs were.
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

  /** Whether the file had no notes, and nothing has been saved since. */
  get empty(): boolean {
    return this.#empty;
  }

  get(place: SyncPlace): SyncNote | undefined {
    return this.#notes.get(place);
  }

  put(place: SyncPlace, note: SyncNote): void {
    this.#notes.set(place, note);
  }

  /** Forgets all other syncs. */
  keep(places: ReadonlySet<SyncPlace>): void {
    const kept = [...this.#notes].filter(([place]) => places.has(place as SyncPlace));
    this.#notes = new Map(kept);
  }

  /** Writes what has changed. A failure is reported; it is tried again at the next change. */
  save(): void {
    const text = this.#text();
    if (text === this.#written) return;
    this.#written = text;
    this.#empty = false;
    if (this.#path === undefined) return;
    try {
      const unfinished = `${this.#path}.tmp`;
      ownFiles.writeText(unfinished, text, 0o600);
      nodeFs().renameSync(unfinished, this.#path);
    } catch (cause) {
      this.#onFault(new Error(`Cannot write "${this.#path}": ${reasonOf(cause)}`, { cause }));
    }
  }

  #text(): string {
    return JSON.stringify({ version: 1, syncs: Object.fromEntries(this.#notes) });
  }

  #read(): Map<string, SyncNote> {
    if (this.#path === undefined || !ownFiles.exists(this.#path)) return new Map();
    try {
      return notesOf(JSON.parse(ownFiles.readText(this.#path)));
    } catch (cause) {
      const reason = `Cannot read "${this.#path}", so it begins anew: ${reasonOf(cause)}`;
      this.#onFault(new Error(reason, { cause }));
      return new Map();
    }
  }
}

/** The notes of the file's JSON. @throws {TypeError} when it is not what `save` writes */
function notesOf(file: unknown): Map<string, SyncNote> {
  if (!isObject(file) || file.version !== 1 || !isObject(file.syncs)) {
    throw new TypeError("expected version 1 with its syncs");
  }
  return new Map(Object.entries(file.syncs).map(([place, note]) => [place, noteOf(note, place)]));
}

function noteOf(note: unknown, place: string): SyncNote {
  const sound = isObject(note) && typeof note.firstSeenMs === "number" &&
    isTimes(note) &&
    (note.ahead === undefined || isObject(note.ahead) && isTimes(note.ahead)) &&
    TEXTS.every((name) => note[name] === undefined || typeof note[name] === "string");
  if (!sound) throw new TypeError(`expected times and texts of the sync "${place}"`);
  return note as unknown as SyncNote; // each of its fields was checked
}

function isTimes(note: Readonly<Record<string, unknown>>): boolean {
  return TIMES.every((name) => note[name] === undefined || Number.isFinite(note[name]));
}
