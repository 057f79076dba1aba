/** What is told of one job, on disk until the server has it. */
import { closeSync, existsSync, openSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import {
  fillSpoolFile,
  MEMORY,
  NEW_STATE,
  openSpoolFile,
  readSpoolFile,
  type SpooledJob,
} from "./spool_file.ts";
import { makeRoom, NOTHING_DROPPED, tellDropped } from "./spool_room.ts";
import { type SpooledKind, SpoolStore } from "./spool_store.ts";

/** Bytes of events that a spool holds when nothing else is said. */
const SPOOL_BYTES_MAX = 16 * 1024 * 1024;
/** Events of one request, and their bytes. */
const BATCH_MAX = 500;
const BATCH_BYTES_MAX = 256 * 1024;
/** How long a new one waits for somebody who looks at it, in milliseconds. */
const LOOK_MS = 2_000;

/** A request that is to be sent until it is answered, each time with the same number and body. */
export interface SpooledRequest {
  readonly number: number;
  readonly body: string;
  /** How many there are in it, and whether the end of the job is one of them. */
  readonly events: number;
  readonly last: boolean;
}

/** A spool that cannot be read: a fault of the disk, or a file that is none of ours. */
export class SpoolBrokenError extends Error {
  override readonly name = "SpoolBrokenError";
}

/**
 * One job's events in the order in which they were told.
 *
 * Where there is no room, what is worth least goes, and how much went is told in the next request.
 * When the disk takes nothing more a new one goes on in memory, and is gone with the process.
 */
export class Spool {
  readonly path: string;
  readonly #store: SpoolStore;
  readonly #bytesMax: number;
  /** Events up to this one are sent one by one. */
  #apartThrough = -1;

  /** Makes a new one. @param path MEMORY for one that is gone with the process */
  static create(path: string, job: SpooledJob, bytesMax?: number): Spool {
    // SQLite gives the files beside it the same mode.
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
   * Takes over one that its process has left: unless somebody is `busy` with it, or it is `empty`.
   *
   * @throws {SpoolBrokenError}
   */
  static open(path: string): Spool | "busy" | "empty" {
    let db: DatabaseSync | undefined;
    // SQLite would make one of that name anew.
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
      if (/locked|busy/.test(String(cause))) return "busy";
      throw new SpoolBrokenError(`Cannot read the spool "${path}": ${String(cause)}`, { cause });
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

  /** Whether there is nothing to tell. */
  get empty(): boolean {
    return this.#store.bytes === 0;
  }

  /** Whether the end of the job is in it. */
  get ended(): boolean {
    return this.#store.number("SELECT 1 AS n FROM event WHERE kind = 'end'") !== undefined;
  }

  /** Whether what waits is sent one by one, as `apart` has said. */
  get singly(): boolean {
    if (this.#apartThrough < 0) return false;
    const { first } = this.#store;
    return first !== undefined && first <= this.#apartThrough;
  }

  /** Whether it outlives this process. */
  get onDisk(): boolean {
    return this.#store.onDisk;
  }

  /** Keeps an event, on disk when this returns. @throws {Error} when nothing takes it */
  append(kind: SpooledKind, body: string): void {
    const bytes = Buffer.byteLength(body);
    if (this.bytes + bytes > this.#bytesMax) makeRoom(this.#store, bytes, this.#bytesMax);
    this.#store.append(kind, body);
  }

  /** What is to be sent next, and is until `delivered` or `refused`; undefined when nothing is. */
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

  /** The server has what was taken. */
  delivered({ last }: SpooledRequest): void {
    const { sending, number } = this.#store.state;
    const over = last ? 1 : 0;
    this.#store.forget("n <= ?", [sending ?? 0], { sending: null, number: number + 1, over });
  }

  /** The server would never take what was taken, as a whole: each event of it is sent by itself. */
  apart(): void {
    this.#apartThrough = this.#store.state.sending ?? -1;
    this.#store.save({ sending: null });
  }

  /** The server would never take what was taken: it goes. */
  refused(): void {
    this.#store.forget("n <= ?", [this.#store.state.sending ?? 0], { sending: null });
  }

  /** Only the end of the job can still be told. */
  onlyEnd(): void {
    this.#store.forget("kind <> ?", ["end"], { sending: null, ...NOTHING_DROPPED });
  }

  /** The server counts requests otherwise. */
  renumber(number: number): void {
    this.#store.save({ number });
  }

  /** It is another server's from now on, which may know nothing of the job. @throws {Error} */
  moveTo(server: string | null): void {
    this.#store.moveTo(server, { created: 0 });
  }

  /** Leaves out all that can be done without, on disk too. */
  shrink(): void {
    makeRoom(this.#store, 0, 0);
    this.#store.compact();
  }

  /** Lets go of it; the next process may take it over. */
  close(): void {
    this.#store.close();
  }

  /** Nothing is left to tell. */
  remove(): void {
    try {
      this.#store.save({ over: 1 });
    } catch {
      // A full disk: all the more the file goes. Who has it open already tells the server twice.
    }
    // Whoever opens the file from now on finds no name for it, or that it is over.
    this.#store.remove();
  }

  /** Chooses what the next request holds, the word on what was dropped first. */
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
