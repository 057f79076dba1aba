/** One commit for all writes of one turn of the event loop. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { setImmediate } from "../event_loop.ts";
import type { Clock } from "../clock.ts";
import { loggerOf } from "../logger.ts";
import type { Checkpoints } from "./checkpoints.ts";
import type { LogPlace } from "./disk.ts";
import { LogClosedError, StorageFaultError, StorageFullError } from "./log_errors.ts";
import { type Reserve, RESERVE_BYTES } from "./reserve.ts";
import { isDatabaseError, isDiskFull } from "./sqlite_faults.ts";
import type { JobRows } from "./sqlite_job_rows.ts";

/** Most writes that one commit takes; the rest waits for the next turn. */
const COMMIT_MAX = 2_000;

/** How often it is looked whether a full disk has room again, in milliseconds. */
const LOOK_MS = 1_000;

interface Write {
  /** May use the room that is kept for ends and removals. */
  readonly urgent: boolean;
  /** Runs the write inside the transaction, and keeps its answer for `settle`. */
  readonly run: () => void;
  readonly settle: () => void;
  readonly fail: (cause: unknown) => void;
}

/**
 * Gathers writes and runs them in one transaction.
 *
 * A write that throws a refusal before it has written anything fails alone; an error of the
 * database itself takes the whole commit back, and every write in it fails with that error.
 */
export class GroupCommit {
  readonly #db: DatabaseSync;
  readonly #begin: StatementSync;
  readonly #end: StatementSync;
  readonly #jobs: JobRows;
  readonly #checkpoints: Checkpoints;
  readonly #reserve: Reserve;
  readonly #place: LogPlace;
  readonly #clock: Clock;
  /** When room was last looked for; undefined while there is some. */
  #fullSinceMs: number | undefined;
  #waiting: Write[] = [];
  #scheduled = false;
  #closed = false;

  constructor({ db, jobs, checkpoints, reserve, place, clock }: {
    readonly db: DatabaseSync;
    readonly jobs: JobRows;
    readonly checkpoints: Checkpoints;
    readonly reserve: Reserve;
    readonly place: LogPlace;
    readonly clock: Clock;
  }) {
    this.#db = db;
    this.#begin = db.prepare("BEGIN IMMEDIATE");
    this.#end = db.prepare("COMMIT");
    this.#jobs = jobs;
    this.#checkpoints = checkpoints;
    this.#reserve = reserve;
    this.#place = place;
    this.#clock = clock;
    if (!reserve.hold()) this.#full();
  }

  /**
   * @param urgent whether the write may use the room that is kept for ends and removals
   * @throws {LogClosedError | StorageFullError | StorageFaultError}; what `write` throws
   */
  run<Answer>(write: () => Answer, urgent = false): Promise<Answer> {
    if (this.#closed) {
      return Promise.reject(new LogClosedError());
    }
    return new Promise((resolve, reject) => {
      let answer: Answer;
      this.#waiting.push({
        urgent,
        run: () => void (answer = write()),
        settle: () => resolve(answer),
        fail: reject,
      });
      this.#schedule();
    });
  }

  close(): Promise<void> {
    this.#closed = true;
    while (this.#waiting.length > 0) this.#commit();
    if (this.#jobs.markLeases()) this.#commitAll([]);
    return Promise.resolve();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      const backlog = this.#checkpoints.backlog;
      if (backlog) backlog.then(() => this.#turn());
      else this.#turn();
    });
  }

  #turn(): void {
    this.#scheduled = false;
    this.#commit();
    if (this.#waiting.length > 0) this.#schedule();
  }

  #commit(): void {
    const writes = this.#waiting.splice(0, COMMIT_MAX);
    if (writes.length === 0) return;
    const fault = this.#place.fault();
    if (fault) { for (const write of writes) write.fail(new StorageFaultError(fault)); }
    else if (this.#stillFull()) this.#commitUrgent(writes, new StorageFullError());
    else this.#commitAll(writes);
  }

  #commitAll(writes: readonly Write[]): void {
    const written: Write[] = [];
    const refused = new Set<Write>();
    try {
      this.#begin.run();
      for (const write of writes) {
        try {
          write.run();
          written.push(write);
        } catch (refusal) {
          if (isDatabaseError(refusal)) throw refusal;
          write.fail(refusal);
          refused.add(write);
        }
      }
      this.#jobs.flush();
      this.#end.run();
    } catch (cause) {
      this.#rollBack();
      const full = isDiskFull(cause);
      if (full) {
        const news = this.#fullSinceMs === undefined;
        if (news) this.#full();
        // The reserve is still there where the disk only counted as full until others filled it.
        const room = this.#reserve.release();
        // Who was refused has been told so, and must not be carried out now.
        const left = writes.filter((write) => !refused.has(write));
        if (news || room) return this.#commitUrgent(left, new StorageFullError({ cause }));
      }
      const told = full
        ? new StorageFullError({ cause })
        : isDatabaseError(cause)
        ? new StorageFaultError(cause)
        : cause;
      // A write that was refused before is settled already; failing it again changes nothing.
      for (const write of writes) write.fail(told);
      return;
    }
    this.#jobs.committed();
    if (this.#checkpoints.committed(written.length) && this.#fullSinceMs === undefined) {
      this.#full();
    }
    for (const write of written) write.settle();
  }

  /** On a full disk: commits only urgent writes, then has the WAL used again from its start. */
  #commitUrgent(writes: readonly Write[], full: StorageFullError): void {
    for (const write of writes) if (!write.urgent) write.fail(full);
    const urgent = writes.filter((write) => write.urgent);
    if (urgent.length === 0) return;
    this.#commitAll(urgent);
    this.#checkpoints.restart(RESERVE_BYTES / 2);
  }

  #full(): void {
    this.#fullSinceMs = this.#clock.monotonic();
    loggerOf("log").error(
      "There is no room left where the log is stored: only ends, cancels and removals are written",
    );
  }

  /** Whether the disk is still full: once a second it tries to take the reserve back. */
  #stillFull(): boolean {
    if (this.#fullSinceMs === undefined) return false;
    const now = this.#clock.monotonic();
    if (now - this.#fullSinceMs < LOOK_MS) return true;
    const room = !this.#checkpoints.cramped() && this.#reserve.hold();
    this.#fullSinceMs = room ? undefined : now;
    return this.#fullSinceMs !== undefined;
  }

  #rollBack(): void {
    this.#jobs.rolledBack();
    try {
      this.#db.exec("ROLLBACK");
    } catch (cause) {
      // SQLite has rolled back by itself (as it does on a full disk), or BEGIN never succeeded.
      if (!isDatabaseError(cause)) throw cause;
    }
  }
}
