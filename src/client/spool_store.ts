/** The database of a spool, in memory once the disk takes no more. */
import { rmSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import {
  copyToMemory,
  MEMORY,
  type SpooledJob,
  type SpoolState,
  writeSpoolState,
} from "./spool_file.ts";

type Value = string | number;

/** The kind of an event: when there is no room it says what goes first. */
export type SpooledKind = "progress" | "log" | "end";

export interface SpooledEvent {
  readonly kind: SpooledKind;
  /** JSON. */
  readonly body: string;
}

export interface SpoolStoreOptions {
  readonly path: string;
  readonly db: DatabaseSync;
  /** What its tables hold. */
  readonly job: SpooledJob;
  readonly state: SpoolState;
  /** Whether another process made the file. */
  readonly takenOver: boolean;
}

/**
 * The job, its state and its events. A change is made as a whole or not at all.
 *
 * When the disk takes no more, a spool made by this process goes on in memory, and its file is
 * deleted: nobody else must send its events again. One that was taken over stays on disk as it is.
 */
export class SpoolStore {
  readonly #path: string;
  readonly #takenOver: boolean;
  #db: DatabaseSync;
  #job: SpooledJob;
  #state: SpoolState;
  #bytes: number;
  #onDisk: boolean;

  constructor({ path, db, job, state, takenOver }: SpoolStoreOptions) {
    this.#path = path;
    this.#takenOver = takenOver;
    this.#db = db;
    this.#job = job;
    this.#state = state;
    this.#bytes = this.number("SELECT coalesce(sum(bytes), 0) AS n FROM event") ?? 0;
    this.#onDisk = path !== MEMORY;
  }

  get job(): SpooledJob {
    return this.#job;
  }

  get state(): SpoolState {
    return this.#state;
  }

  /** Bytes of all events. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether it outlives this process. */
  get onDisk(): boolean {
    return this.#onDisk;
  }

  /** The number of the first event; undefined where there is none. */
  get first(): number | undefined {
    return this.number("SELECT min(n) AS n FROM event");
  }

  rows(sql: string, ...values: readonly Value[]) {
    return this.#db.prepare(sql).all(...values);
  }

  /** The column `n` of the first row; undefined where there is none. */
  number(sql: string, ...values: readonly Value[]): number | undefined {
    const n = this.#db.prepare(sql).get(...values)?.n;
    return n === undefined || n === null ? undefined : Number(n);
  }

  /** Adds events behind all others, as one change. @throws as `save` */
  append(events: readonly SpooledEvent[]): void {
    this.#add(null, events);
  }

  /** Adds a log line before all others. @throws as `save` */
  prepend(body: string, changed: Partial<SpoolState>): void {
    // The first event is number 1, so a lower number is free.
    this.#add((this.first ?? 1) - 1, [{ kind: "log", body }], changed);
  }

  /** Removes the events that the SQL condition `where` selects. @throws as `save` */
  forget(where: string, values: readonly Value[], changed: Partial<SpoolState>): void {
    const sum = `SELECT coalesce(sum(bytes), 0) AS n FROM event WHERE ${where}`;
    const bytes = this.number(sum, ...values) ?? 0;
    this.#change(changed, (db) => db.prepare(`DELETE FROM event WHERE ${where}`).run(...values));
    this.#bytes -= bytes;
  }

  /** Stores changes of the state. @throws {Error} when neither the disk nor memory takes them */
  save(changed: Partial<SpoolState>): void {
    this.#change(changed, () => {});
  }

  /** Makes the job another server's. @throws as `save` */
  moveTo(server: string | null, changed: Partial<SpoolState>): void {
    this.#change(changed, (db) => db.prepare("UPDATE job SET server = ?").run(server));
    this.#job = { ...this.#job, server };
  }

  /** Frees the space of removed events on disk. */
  compact(): void {
    this.#db.exec("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)");
  }

  close(): void {
    this.#db.close();
  }

  /** Closes the database and deletes its files, where the disk lets that be done. */
  remove(): void {
    if (this.#onDisk) remove(this.#path);
    this.#db.close();
    if (this.#onDisk) remove(`${this.#path}-wal`);
  }

  /** @param n the number of a single event; null for the next ones */
  #add(n: number | null, events: readonly SpooledEvent[], changed?: Partial<SpoolState>): void {
    this.#change(changed, (db) => {
      const insert = db.prepare("INSERT INTO event (n, kind, bytes, body) VALUES (?, ?, ?, ?)");
      for (const { kind, body } of events) insert.run(n, kind, Buffer.byteLength(body), body);
    });
    this.#bytes += bytesOf(events);
  }

  #change(changed: Partial<SpoolState> | undefined, act: (db: DatabaseSync) => void): void {
    const state = { ...this.#state, ...changed };
    const acts = (db: DatabaseSync) => {
      act(db);
      if (changed) writeSpoolState(db, state);
    };
    try {
      this.#transact(acts);
    } catch (cause) {
      if (!this.#onDisk || this.#takenOver) throw cause;
      const db = copyToMemory(this.#db, this.#job, this.#state);
      this.remove();
      this.#db = db;
      this.#onDisk = false;
      this.#transact(acts);
    }
    this.#state = state;
  }

  #transact(act: (db: DatabaseSync) => void): void {
    this.#db.exec("BEGIN");
    try {
      act(this.#db);
      this.#db.exec("COMMIT");
    } catch (cause) {
      // A full disk may have ended the transaction already.
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw cause;
    }
  }
}

/** Bytes of the events' bodies. */
export function bytesOf(events: readonly SpooledEvent[]): number {
  return events.reduce((sum, { body }) => sum + Buffer.byteLength(body), 0);
}

function remove(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // The disk has become read-only. Whoever sends what stays there is told that the job has ended.
  }
}
