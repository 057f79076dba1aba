/** The database of a spool, on disk as long as the disk takes it. */
import { rmSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { copyToMemory, MEMORY, type SpooledJob, type SpoolState } from "./spool_file.ts";

type Value = string | number;

/**
 * Changes are made as a whole or not at all. Where the disk takes nothing more of a new one, the rest
 * goes on in memory, and the file is taken away: what it holds must not be told again by somebody
 * else. One that was taken over stays on disk as it is.
 */
export class SpoolStore {
  readonly #path: string;
  readonly #kept: (() => { readonly job: SpooledJob; readonly state: SpoolState }) | undefined;
  #db: DatabaseSync;
  #onDisk: boolean;

  /** @param kept what the job table holds; undefined for one that was taken over */
  constructor(
    path: string,
    db: DatabaseSync,
    kept: (() => { readonly job: SpooledJob; readonly state: SpoolState }) | undefined,
  ) {
    this.#path = path;
    this.#db = db;
    this.#kept = kept;
    this.#onDisk = path !== MEMORY;
  }

  /** Whether it outlives this process. */
  get onDisk(): boolean {
    return this.#onDisk;
  }

  rows(sql: string, ...values: readonly Value[]) {
    return this.#db.prepare(sql).all(...values);
  }

  /** The column `n` of the first row; undefined where there is none. */
  number(sql: string, ...values: readonly Value[]): number | undefined {
    const n = this.#db.prepare(sql).get(...values)?.n;
    return n === undefined || n === null ? undefined : Number(n);
  }

  /** @throws when it cannot be made, and not in memory either */
  change(act: (db: DatabaseSync) => void): void {
    try {
      this.#transact(act);
    } catch (cause) {
      if (!this.#onDisk || !this.#kept) throw cause;
      const { job, state } = this.#kept();
      const db = copyToMemory(this.#db, job, state);
      this.remove();
      this.#db = db;
      this.#onDisk = false;
      this.#transact(act);
    }
  }

  /** Gives back what the disk no longer has to hold. */
  compact(): void {
    this.#db.exec("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)");
  }

  close(): void {
    this.#db.close();
  }

  /** Closes it and takes the file away. */
  remove(): void {
    if (this.#onDisk) rmSync(this.#path, { force: true });
    this.#db.close();
    if (this.#onDisk) rmSync(`${this.#path}-wal`, { force: true });
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
