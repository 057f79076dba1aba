/** Moves what is in the WAL into the file, in a thread: the event loop does not wait for the disk. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { loggerOf } from "../logger.ts";
import thread from "./checkpoint_thread.js" with { type: "text" };

/**
 * Pages of 4 KiB in the WAL with which a checkpoint begins: four times SQLite's own number, as a
 * page that changes all the time goes into the file once for all of them.
 */
const PAGES = 4_000;

/** With so many of them, 256 MiB, the disk is slower than the writers, who have to wait. */
const PAGES_MAX = 16 * PAGES;

/** What a slow disk has made of the WAL does not stay: it is cut to 64 MiB when it is used again. */
const WAL_BYTES = 4 * PAGES * 4096;

/** Fewer pages are moved by whoever closes the file: to start a thread takes longer. */
const CLOSE_PAGES = 250;

/** Writes between two looks at the WAL; a look takes 1 to 3 us. */
const LOOK_WRITES = 16;

/** Times that the thread is sent for what was written while it was at work. */
const ROUNDS = 4;

/** What does a checkpoint elsewhere. */
export interface CheckpointThread {
  /** Resolves when all that was committed before is in the file. @throws {Error} when it is not */
  checkpoint(): Promise<void>;
  /** Resolves when it has let go of the file. Never rejects: what it could not move is in the WAL. */
  close(): Promise<void>;
}

export interface CheckpointsOptions {
  /** The connection of the writer, in WAL mode; closed by `close`. */
  readonly db: DatabaseSync;
  /** Of its file. */
  readonly path: string;
  /** In the WAL when a checkpoint begins. */
  readonly pages?: number;
  /** And when commits wait for it. */
  readonly pagesMax?: number;
  /** Called with the first checkpoint: a file that is hardly written to needs no thread. */
  readonly start?: (path: string) => CheckpointThread;
}

/**
 * Takes the place of SQLite's own checkpoints, which a commit waits for: 16 MiB of scattered pages
 * are 80 ms, and seconds on a disk that is slow.
 *
 * The WAL is used again from its start by a commit that finds all of it in the file. What was
 * written meanwhile keeps it from that, so the thread is sent again, and what is still left after
 * some times, which is little, is moved by the writer itself.
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
  /** Pages with which the next one begins: `pages` more where the last has left some. */
  #due: number;
  #writes = 0;
  #thread: CheckpointThread | undefined;
  #running: Promise<void> | undefined;
  #overfull = false;

  constructor(options: CheckpointsOptions) {
    const { db, path, pages = PAGES, pagesMax = PAGES_MAX, start = startThread } = options;
    this.#db = db;
    this.#path = path;
    db.exec("PRAGMA wal_autocheckpoint = 0");
    db.exec(`PRAGMA journal_size_limit = ${WAL_BYTES}`);
    this.#look = db.prepare("PRAGMA wal_checkpoint(NOOP)");
    this.#start = start;
    this.#pages = this.#due = pages;
    this.#pagesMax = pagesMax;
  }

  /** To be called after each commit; never throws. @param writes that it had */
  committed(writes: number): void {
    this.#writes += writes;
    if (this.#writes < LOOK_WRITES) return;
    this.#writes = 0;
    const { written, left } = this.#wal();
    this.#overfull = written >= this.#pagesMax;
    if (written < this.#due || left === 0) return;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      this.#overfull = false;
    });
  }

  /** What the next commit has to wait for; undefined when it need not. */
  get backlog(): Promise<void> | undefined {
    return this.#overfull ? this.#running : undefined;
  }

  /** Resolves when no checkpoint is on its way. */
  async settled(): Promise<void> {
    while (this.#running) await this.#running;
  }

  /** Leaves nothing in the WAL, not even what was overwritten. */
  async truncate(): Promise<void> {
    await this.settled();
    this.#db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  }

  /** Closes the writer's connection too, and before the thread's: who is the last moves the rest. */
  async close(): Promise<void> {
    await this.settled();
    if (this.#wal().left >= Math.min(CLOSE_PAGES, this.#pages)) await this.#run();
    this.#db.close();
    await this.#thread?.close();
  }

  /** Never rejects: until there is no room for the WAL either, commits go on. */
  async #run(): Promise<void> {
    let fault: unknown;
    try {
      this.#thread ??= this.#start(this.#path);
      for (let round = 0; round < ROUNDS; round++) {
        await this.#thread.checkpoint();
        if (this.#wal().left === 0) break;
      }
    } catch (cause) {
      fault = cause;
    }
    try {
      if (this.#wal().left > 0) this.#db.exec("PRAGMA wal_checkpoint(PASSIVE)");
    } catch (cause) {
      fault = cause;
    }
    const { written, left } = this.#wal();
    this.#due = this.#pages + (left > 0 ? written : 0);
    if (fault === undefined) return;
    this.#logger.error("Cannot move what was written into {path} out of its WAL: {reason}", {
      path: this.#path,
      reason: fault instanceof Error ? fault.message : String(fault),
    });
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

function startThread(path: string): CheckpointThread {
  const worker = new Worker(`data:text/javascript,${encodeURIComponent(thread)}`, {
    type: "module",
  });
  const ask = (message: { path?: string }) =>
    new Promise<void>((resolve, reject) => {
      worker.onmessage = ({ data: { fault } }) => fault ? reject(new Error(fault)) : resolve();
      worker.onerror = (event) => {
        event.preventDefault(); // else it ends the process
        reject(new Error(`The thread of checkpoints has failed: ${event.message}`));
      };
      worker.postMessage(message);
    });
  return { checkpoint: () => ask({ path }), close: () => ask({}).catch(() => {}) };
}
