/** Moves what is in the WAL into the file, in a thread: the event loop does not wait for the disk. */
import { statSync } from "node:fs";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { loggerOf } from "../logger.ts";
import { reasonOf } from "../reason.ts";
import { StorageFullError } from "./event_log.ts";
import { freeBytes } from "./free_bytes.ts";
import { pragma } from "./migrate.ts";
import { isDiskFull } from "./sqlite_faults.ts";
import { emptyWal, waitLittle } from "./wal.ts";
import thread from "./checkpoint_thread.js" with { type: "text" };

const PAGE_BYTES = 4096;

/**
 * Pages in the WAL with which a checkpoint begins: four times SQLite's own number, as a
 * page that changes all the time goes into the file once for all of them.
 */
const PAGES = 4_000;

/** With so many of them, 64 MiB, the disk is slower than the writers, who have to wait. */
const PAGES_MAX = 4 * PAGES;

/** What the WAL has grown to beyond that does not stay: it is cut when it is used again. */
const WAL_BYTES = PAGES_MAX * PAGE_BYTES;

/**
 * Fewer pages are moved at once where the WAL has to be empty, as to start a thread takes longer; nor is
 * the disk asked again for its room, as they are less than what is spared.
 */
const FEW_PAGES = 250;

/**
 * The disk counts as full while less than this would be left with all of the WAL in the file: 1 MiB, and
 * what may be written between two looks, once into the WAL and once into the file.
 */
const SPARE_BYTES = 3 * 1024 * 1024;

/** Writes between two looks at the WAL; a look takes 1 to 3 us. */
const LOOK_WRITES = 16;

/** Times that the thread is sent for what was written while it was at work; in the last, nothing is. */
const ROUNDS = 4;

/** What does a checkpoint elsewhere. */
export interface CheckpointThread {
  /** Resolves when all that was committed before, and no reader needs, is in the file. @throws {Error} */
  checkpoint(): Promise<void>;
  /** Resolves when it has let go of the file. Never rejects: what it could not move is in the WAL. */
  close(): Promise<void>;
}

export interface CheckpointsOptions {
  /** The connection of the writer, in WAL mode. */
  readonly db: DatabaseSync;
  /** Of its file. */
  readonly path: string;
  /** In the WAL when a checkpoint begins. */
  readonly pages?: number;
  /** And when commits wait for it. */
  readonly pagesMax?: number;
  /** Bytes that the file's disk has left. */
  readonly free?: () => number;
  /** Called with the first checkpoint: a file that is hardly written to needs no thread. */
  readonly start?: (path: string) => CheckpointThread;
}

/**
 * Takes the place of SQLite's own checkpoints, which a commit waits for, and the event loop with it:
 * 16 MiB of scattered pages are 80 ms, and seconds on a disk that is slow.
 *
 * The WAL is used again from its start by a commit that finds all of it in the file. What is
 * written meanwhile keeps it from that, so the thread is sent again, and in the end commits wait for
 * it. Only what a thread that fails has left is moved by the writer itself.
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
   * @param writes that it had
   * @returns whether the disk counts as full, as far as it was looked
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
   * Whether the disk would be full with all of the WAL in the file. Said before it is full: only what
   * can be moved makes room in the WAL for ends and removals.
   */
  cramped(): boolean {
    try {
      const unused = pragma(this.#db, "freelist_count") * PAGE_BYTES;
      return this.#free() - this.#growthBytes() + unused < SPARE_BYTES;
    } catch {
      return false; // A file system that does not tell; a commit finds out.
    }
  }

  /** What the next commit has to wait for; undefined when it need not. Never rejects. */
  get backlog(): Promise<void> | undefined {
    return this.#held ? this.#running : undefined;
  }

  /** Resolves when no checkpoint is on its way. */
  async settled(): Promise<void> {
    while (this.#running) await this.#running;
  }

  /**
   * Leaves nothing in the WAL, not even what was overwritten.
   *
   * @returns false where somebody reads the file meanwhile (a backup), who needs what is in there
   * @throws {StorageFullError}
   */
  async truncate(): Promise<boolean> {
    await this.settled();
    if (this.#wal().left >= FEW_PAGES) await this.#begin();
    try {
      return emptyWal(this.#db);
    } catch (cause) {
      throw isDiskFull(cause) ? new StorageFullError({ cause }) : cause;
    }
  }

  /**
   * On a full disk: has the WAL used again from its start, which is room for much. Not where the file
   * would have to grow by more than `roomBytes` for it: then it would only have taken that room.
   * Never throws: where there is no disk any more, the next commit finds out.
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

  /** Never rejects: until there is no room for the WAL either, commits go on. */
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
      // The thread's own words are told, which are likely the same.
    }
  }

  /** By how much the file grows when all is moved into it. */
  #growthBytes(): number {
    return pragma(this.#db, "page_count") * PAGE_BYTES - statSync(this.#path).size;
  }

  /** Pages in the WAL, and how many of them are not in the file yet. */
  #wal(): { readonly written: number; readonly left: number } {
    try {
      const { log, checkpointed } = this.#look.get() as { log: number; checkpointed: number }; // SQLite's
      return { written: log, left: log - checkpointed };
    } catch {
      return { written: 0, left: 0 }; // What keeps SQLite from that keeps commits too, which say so.
    }
  }
}

/** @param code of the thread; tests have it fail */
export function startThread(path: string, code: string = thread): CheckpointThread {
  const worker = new Worker(`data:text/javascript,${encodeURIComponent(code)}`, {
    type: "module",
  });
  let dead: Error | undefined;
  const ask = (message: { path?: string }) =>
    new Promise<void>((resolve, reject) => {
      if (dead) return reject(dead);
      worker.onmessage = ({ data: { fault } }) => fault ? reject(new Error(fault)) : resolve();
      worker.onerror = (event) => {
        event.preventDefault(); // else it ends the process
        reject(dead = new Error(`The thread of checkpoints has failed: ${event.message}`));
      };
      worker.postMessage(message);
    });
  return { checkpoint: () => ask({ path }), close: () => ask({}).catch(() => {}) };
}
