/** Moves what is in the WAL into the file, in a thread: the event loop does not wait for the disk. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { loggerOf } from "../logger.ts";
import { reasonOf } from "../reason.ts";
import { ownFiles } from "../system/own_files.ts";
import { type CheckpointThread, startThread } from "./checkpoint_worker.ts";
import { freeBytes } from "./disk.ts";
import { StorageFaultError, StorageFullError } from "./log_errors.ts";
import { pragma } from "./migrate.ts";
import { isDatabaseError, isDiskFull } from "./sqlite_faults.ts";
import { emptyWal, waitLittle } from "./wal.ts";

const PAGE_BYTES = 4096;

/**
 * Pages in the WAL at which a checkpoint begins. Four times SQLite's default: a page that changes
 * often is moved once for all of its changes.
 */
const PAGES = 4_000;

/** Pages in the WAL (64 MiB) at which commits wait: the disk is slower than its writers. */
const PAGES_MAX = 4 * PAGES;

/** A longer WAL is cut to this many bytes when it is used again from its start. */
const WAL_BYTES = PAGES_MAX * PAGE_BYTES;

/**
 * Fewer pages than this are moved by the writer itself where the WAL has to be empty: starting a
 * thread takes longer. Nor is the disk asked again for its room: they are less than SPARE_BYTES.
 */
const FEW_PAGES = 250;

/**
 * The disk counts as full while less than this would be left with all of the WAL in the file:
 * 1 MiB, and what may be written between two looks, once into the WAL and once into the file.
 */
const SPARE_BYTES = 3 * 1024 * 1024;

/** Writes between two looks at the WAL; a look takes 1 to 3 us. */
const LOOK_WRITES = 16;

/**
 * Most rounds of one checkpoint. Each moves what was written during the one before; commits wait
 * for the last, so nothing is written during it.
 */
const ROUNDS = 4;

export interface CheckpointsOptions {
  /** The connection of the writer, in WAL mode. */
  readonly db: DatabaseSync;
  /** The path of its file. */
  readonly path: string;
  /** Pages in the WAL at which a checkpoint begins. */
  readonly pages?: number;
  /** Pages in the WAL at which commits wait for it. */
  readonly pagesMax?: number;
  /** Bytes that the file's disk has left. */
  readonly free?: () => number;
  /** Starts the thread, at the first checkpoint: a file that is hardly written to needs none. */
  readonly start?: (path: string) => CheckpointThread;
}

/**
 * Takes the place of SQLite's own checkpoints, which hold up the commit and with it the event loop:
 * 16 MiB of scattered pages take 80 ms, and seconds on a slow disk.
 *
 * SQLite uses the WAL again from its start once all of it is in the file. What is written during a
 * checkpoint prevents that, so the thread goes several rounds, and commits wait for the last one.
 * Where the thread fails, the writer moves the pages itself.
 *
 * @see https://sqlite.org/wal.html#checkpointing
 */
export class Checkpoints {
  readonly #logger = loggerOf("log");
  readonly #db: DatabaseSync;
  readonly #look: StatementSync;
  readonly #path: string;
  readonly #start: (path: string) => CheckpointThread;
  readonly #pages: number;
  readonly #pagesMax: number;
  readonly #free: () => number;
  /** Pages that were in the WAL when a checkpoint could not move all of them. */
  #stuck = 0;
  #writes = 0;
  /** Pages that were in the WAL when the disk was asked for its room. */
  #asked = 0;
  #thread: CheckpointThread | undefined;
  #running: Promise<void> | undefined;
  #held = false;

  constructor(options: CheckpointsOptions) {
    const { db, path, pages = PAGES, pagesMax = PAGES_MAX, start = startThread } = options;
    this.#db = db;
    this.#path = path;
    db.exec("PRAGMA wal_autocheckpoint = 0");
    waitLittle(db);
    db.exec(`PRAGMA journal_size_limit = ${WAL_BYTES}`);
    this.#look = db.prepare("PRAGMA wal_checkpoint(NOOP)");
    this.#start = start;
    this.#pages = pages;
    this.#pagesMax = pagesMax;
    this.#free = options.free ?? (() => freeBytes(path));
  }

  /**
   * To be called after each commit; never throws.
   *
   * @param writes how many the commit held
   * @returns whether the disk was found to count as full; not every commit looks
   */
  committed(writes: number): boolean {
    this.#writes += writes;
    if (this.#writes < LOOK_WRITES) return false;
    this.#writes = 0;
    const { written, left } = this.#wal();
    if (this.#running) this.#held ||= written >= this.#pagesMax;
    if (written < this.#stuck) this.#stuck = 0; // it has been used again from its start
    const ask = Math.abs(written - this.#asked) >= FEW_PAGES;
    if (ask) this.#asked = written;
    const cramped = ask && this.cramped();
    if (left > 0 && (cramped || written - this.#stuck >= this.#pages)) this.#begin();
    return cramped;
  }

  /**
   * Whether less than SPARE_BYTES would be left with all of the WAL in the file. True before the
   * disk is full: ends and removals find room in the WAL only while it can still be moved.
   */
  cramped(): boolean {
    try {
      const unused = pragma(this.#db, "freelist_count") * PAGE_BYTES;
      return this.#free() - this.#growthBytes() + unused < SPARE_BYTES;
    } catch {
      return false; // The file system does not tell; a commit finds out.
    }
  }

  /** What the next commit has to wait for; undefined for nothing. Never rejects. */
  get backlog(): Promise<void> | undefined {
    return this.#held ? this.#running : undefined;
  }

  /** Resolves when no checkpoint is on its way. */
  async settled(): Promise<void> {
    while (this.#running) await this.#running;
  }

  /**
   * Empties the WAL, so that what was overwritten is gone from it too.
   *
   * @returns false where a reader (a backup) still needs what is in it
   * @throws {StorageFullError | StorageFaultError}
   */
  async truncate(): Promise<boolean> {
    await this.settled();
    if (this.#wal().left >= FEW_PAGES) await this.#begin();
    try {
      return emptyWal(this.#db);
    } catch (cause) {
      if (isDiskFull(cause)) throw new StorageFullError({ cause });
      throw isDatabaseError(cause) ? new StorageFaultError(cause) : cause;
    }
  }

  /**
   * On a full disk: makes SQLite use the WAL again from its start, which gives room for many
   * commits. Does nothing where the file would grow by more than `roomBytes`: that would use it up.
   * Never throws: where the disk is gone, the next commit finds out.
   */
  restart(roomBytes: number): void {
    try {
      if (this.#growthBytes() <= roomBytes) this.#db.exec("PRAGMA wal_checkpoint(RESTART)");
    } catch {
      // As said above.
    }
  }

  /** Resolves when the thread has let go of the file. */
  async close(): Promise<void> {
    await this.settled();
    await this.#thread?.close();
  }

  #begin(): Promise<void> {
    return this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      this.#held = false;
    });
  }

  /** Runs one checkpoint. Never rejects: commits go on as long as the WAL has room. */
  async #run(): Promise<void> {
    let fault: unknown;
    try {
      this.#thread ??= this.#start(this.#path);
      for (let round = 1; round <= ROUNDS; round++) {
        this.#held ||= round === ROUNDS;
        await this.#thread.checkpoint();
        if (this.#wal().left === 0) break;
      }
    } catch (cause) {
      fault = cause;
      this.#moveHere();
    }
    const { written, left } = this.#wal();
    this.#stuck = left > 0 ? written : 0;
    if (fault === undefined) return;
    this.#logger.error("Cannot move what was written into {path} out of its WAL: {reason}", {
      path: this.#path,
      reason: reasonOf(fault),
    });
  }

  #moveHere(): void {
    try {
      this.#db.exec("PRAGMA wal_checkpoint(PASSIVE)");
    } catch {
      // The thread's own error is logged, and this one is likely the same.
    }
  }

  /** By how much the file grows when all is moved into it. */
  #growthBytes(): number {
    return pragma(this.#db, "page_count") * PAGE_BYTES - (ownFiles.stat(this.#path)?.size ?? 0);
  }

  /** Pages in the WAL, and how many of them are not in the file yet. */
  #wal(): { readonly written: number; readonly left: number } {
    try {
      const { log, checkpointed } = this.#look.get() as { log: number; checkpointed: number }; // SQLite's
      return { written: log, left: log - checkpointed };
    } catch {
      return { written: 0, left: 0 }; // Commits fail for the same reason, and say so.
    }
  }
}
