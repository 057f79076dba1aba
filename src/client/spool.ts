/** The events of one job, on disk until the server has them. */
import { closeSync, existsSync, openSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { reasonOf } from "../reason.ts";
import {
  fillSpoolFile,
  MEMORY,
  NEW_STATE,
  openSpoolFile,
  readSpoolFile,
  type SpooledJob,
} from "./spool_file.ts";
import { makeRoom, NOTHING_DROPPED, tellDropped } from "./spool_room.ts";
import { bytesOf, type SpooledEvent, type SpooledKind, SpoolStore } from "./spool_store.ts";

/** Limit of a spool when none is given, in bytes of events. */
const SPOOL_BYTES_MAX = 16 * 1024 * 1024;
/** Limits of one request, in events and in bytes. */
const BATCH_MAX = 500;
const BATCH_BYTES_MAX = 256 * 1024;
/** How long a new spool waits for another process that has its file open, in milliseconds. */
const LOOK_MS = 2_000;

/** A request that is to be sent until it is answered, each time with the same number and body. */
export interface SpooledRequest {
  readonly number: number;
  readonly body: string;
  /** The number of events in it, and whether the end of the job is one of them. */
  readonly events: number;
  readonly last: boolean;
}

/** A spool that cannot be read: the disk has a fault, or the file is not ours. */
export class SpoolBrokenError extends Error {
  override readonly name = "SpoolBrokenError";
}

/**
 * One job's events, in order.
 *
 * When it is full, the least valuable events are dropped, and the next request says how many. When
 * the disk is full, a spool made by this process goes on in memory, and is lost with the process.
 */
export class Spool {
  readonly path: string;
  readonly #store: SpoolStore;
  readonly #bytesMax: number;
  /** Events up to this one are sent one by one. */
  #apartThrough = -1;

  /** Makes a new one. @param path MEMORY for one that is gone with the process */
  static create(path: string, job: SpooledJob, bytesMax?: number): Spool {
    // SQLite gives its other files the same mode.
    if (path !== MEMORY) closeSync(openSync(path, "wx", 0o600));
    const db = openSpoolFile(path, LOOK_MS);
    try {
      fillSpoolFile(db, job);
      const store = new SpoolStore({ path, db, job, state: NEW_STATE, takenOver: false });
      return new Spool(path, store, bytesMax);
    } catch (cause) {
      db.close();
      throw cause;
    }
  }

  /**
   * Takes over the spool of a process that is gone.
   *
   * @returns `busy` when another process or user has it, `empty` when it has nothing to send
   * @throws {SpoolBrokenError}
   */
  static open(path: string): Spool | "busy" | "empty" {
    let db: DatabaseSync | undefined;
    // SQLite would create a missing file.
    if (!existsSync(path)) return "empty";
    try {
      db = openSpoolFile(path, 0);
      const held = readSpoolFile(db);
      if (held && held.state.over === 0) {
        return new Spool(path, new SpoolStore({ path, db, ...held, takenOver: true }));
      }
      db.close();
      return "empty";
    } catch (cause) {
      db?.close();
      // Its owner has removed it since, and SQLite calls that a disk I/O error.
      if (!existsSync(path)) return "empty";
      if (/locked|busy|unable to open/.test(String(cause))) return "busy";
      throw new SpoolBrokenError(`Cannot read the spool "${path}": ${reasonOf(cause)}`, { cause });
    }
  }

  private constructor(path: string, store: SpoolStore, bytesMax = SPOOL_BYTES_MAX) {
    this.path = path;
    this.#store = store;
    this.#bytesMax = bytesMax;
  }

  get job(): SpooledJob {
    return this.#store.job;
  }

  /** Whether the server knows the job. */
  get created(): boolean {
    return this.#store.state.created === 1;
  }

  /** Bytes of events that wait. */
  get bytes(): number {
    return this.#store.bytes;
  }

  /** Whether no events wait. */
  get empty(): boolean {
    return this.#store.bytes === 0;
  }

  /** Whether the end of the job is in it. */
  get ended(): boolean {
    return this.#store.number("SELECT 1 AS n FROM event WHERE kind = 'end'") !== undefined;
  }

  /** Whether the next event is sent by itself, after `apart`. */
  get singly(): boolean {
    if (this.#apartThrough < 0) return false;
    const { first } = this.#store;
    return first !== undefined && first <= this.#apartThrough;
  }

  /** Whether it outlives this process. */
  get onDisk(): boolean {
    return this.#store.onDisk;
  }

  /** Stores an event before it returns. @throws {Error} when it cannot be stored */
  append(kind: SpooledKind, body: string): void {
    this.appendAll([{ kind, body }]);
  }

  /** Stores events as one change, before it returns. @throws as `append` */
  appendAll(events: readonly SpooledEvent[]): void {
    if (this.empty) this.#apartThrough = -1; // the numbers begin anew
    const bytes = bytesOf(events);
    if (this.bytes + bytes > this.#bytesMax) makeRoom(this.#store, bytes, this.#bytesMax);
    this.#store.append(events);
  }

  /** The next request, the same until `delivered`, `apart` or `refused`; undefined when empty. */
  take(): SpooledRequest | undefined {
    if (this.empty) return undefined;
    if (this.#store.state.sending === null) this.#choose();
    const { sending, number } = this.#store.state;
    const sql = "SELECT kind, body FROM event WHERE n <= ? ORDER BY n";
    const rows = this.#store.rows(sql, sending ?? 0);
    return {
      number,
      body: `[${rows.map(({ body }) => body).join(",")}]`,
      events: rows.length,
      last: rows.some(({ kind }) => kind === "end"),
    };
  }

  /** The server has the job. */
  wasCreated(): void {
    this.#store.save({ created: 1 });
  }

  /** The server has accepted the request: its events go. */
  delivered({ last }: SpooledRequest): void {
    const { sending, number } = this.#store.state;
    const over = last ? 1 : 0;
    this.#store.forget("n <= ?", [sending ?? 0], { sending: null, number: number + 1, over });
  }

  /** The server refuses the request as a whole: each of its events is sent by itself. */
  apart(): void {
    this.#apartThrough = this.#store.state.sending ?? -1;
    this.#store.save({ sending: null });
  }

  /** The server refuses the request for good: its events go. */
  refused(): void {
    this.#store.forget("n <= ?", [this.#store.state.sending ?? 0], { sending: null });
  }

  /** Drops all events but the end of the job. */
  onlyEnd(): void {
    this.#store.forget("kind <> ?", ["end"], { sending: null, ...NOTHING_DROPPED });
  }

  /** Gives the next request the number that the server expects. */
  renumber(number: number): void {
    this.#store.save({ number });
  }

  /**
   * Hands the spool to another server, which may not know the job.
   *
   * @throws {Error} when it cannot be stored
   */
  moveTo(server: string | null): void {
    this.#store.moveTo(server, { created: 0 });
  }

  /** Drops all events that may be dropped, and frees their space on disk. */
  shrink(): void {
    makeRoom(this.#store, 0, 0);
    this.#store.compact();
  }

  /** Closes the file; another process may take it over. */
  close(): void {
    this.#store.close();
  }

  /** Deletes the spool: nothing is left to send. */
  remove(): void {
    try {
      this.#store.save({ over: 1 });
    } catch {
      // The disk is full, so the file must go. A process that has it open sends its events twice.
    }
    // A process that opens the file from now on finds it missing, or marked as over.
    this.#store.remove();
  }

  /** Chooses the events of the next request. What was dropped is told first. */
  #choose(): void {
    tellDropped(this.#store);
    const most = this.singly ? 1 : BATCH_MAX;
    const rows = this.#store.rows("SELECT n, bytes FROM event ORDER BY n LIMIT ?", most);
    let sending = 0;
    let bytes = 0;
    for (const row of rows) {
      if (bytes >= BATCH_BYTES_MAX) break;
      bytes += Number(row.bytes);
      sending = Number(row.n);
    }
    this.#store.save({ sending });
  }
}
