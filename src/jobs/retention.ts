/** Keeps the log from growing without end. */
import { atMost, type Clock, WallShift } from "../clock.ts";
import { turn } from "../event_loop.ts";
import type { EventLog } from "../log/event_log.ts";
import { StorageFullError, UnknownJobError } from "../log/log_errors.ts";
import { loggerOf } from "../logger.ts";
import { type JobKey, type JobKeyText, keyText } from "../sync/ids.ts";
import { removeAll } from "./removals.ts";

/** How often the log is checked, in milliseconds. */
const EVERY_MS = 60_000;
/**
 * A clock that has jumped ahead by so much, or by all of the age, is not believed for as long, in
 * milliseconds: somebody may correct it.
 */
const DOUBT_MS = 24 * 3_600_000;
/** How long a stop waits for a round, in milliseconds. */
const STOP_MS = 1_000;
/** How many superseded progress entries an ended job keeps: enough for a picture of it. */
const PROGRESS_MAX = 1_000;

export interface RetentionOptions {
  readonly log: EventLog;
  readonly clock: Clock;
  readonly onFault: (cause: unknown) => void;
  /** How long a job is kept after its end; Infinity for ever. */
  readonly ageMs: number;
  /** Most entries of one job; Infinity for no limit. */
  readonly entriesMax: number;
  /** Bytes of all jobs above which the oldest ended ones go; Infinity for no limit. */
  readonly bytesMax: number;
}

/** Removes jobs and entries that are too old or too many, every minute from `start` to `stop`. */
export class Retention {
  readonly #options: RetentionOptions;
  readonly #shift: WallShift;
  #callOff: (() => void) | undefined;
  #stopped = false;
  #round: Promise<void> | undefined;
  /** Whether a round has begun before. */
  #begun = false;
  /** By the monotonic clock. */
  #doubtUntilMs = -Infinity;

  constructor(options: RetentionOptions) {
    this.#options = options;
    this.#shift = new WallShift(options.clock);
  }

  /** Runs a round now, and then every minute. */
  start(): void {
    this.#round = this.run().catch((cause) => {
      // Whoever appends reports a full disk; retention makes room on it. After a stop the log may
      // be closed under the round.
      if (!this.#stopped && !(cause instanceof StorageFullError)) this.#options.onFault(cause);
    }).finally(() => {
      if (!this.#stopped) this.#callOff = this.#options.clock.after(EVERY_MS, () => this.start());
    });
  }

  /**
   * Starts no more rounds; resolves when none is under way, or after a second: the next start goes
   * on with what was being removed.
   */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#callOff?.();
    if (this.#round) await atMost(this.#options.clock, STOP_MS, this.#round);
  }

  /** One round: removes what is too old, too long or too much. */
  async run(): Promise<void> {
    const { log, clock, ageMs, entriesMax, bytesMax } = this.#options;
    await log.collect();
    if (!this.#begun && !this.#doubtful() && await this.#isUnwitnessed()) this.#doubtAtStart();
    this.#begun = true;
    while (!this.#stopped && !this.#doubtful()) {
      const old = await log.prunable({ endedBeforeMs: clock.now() - ageMs });
      if (old.length === 0) break;
      await removeAll(old, (job) => log.remove(job, job.epoch));
    }
    await this.#each(
      () => log.prunable({ untrimmed: true }),
      (key) => this.#trim(key, { entriesMax, progressMax: PROGRESS_MAX }),
    );
    // Each job once, as it may go on growing.
    const cut = new Set<JobKeyText>();
    await this.#each(
      async () => {
        const keys = await log.prunable({ entriesAbove: entriesMax });
        return keys.filter((key) => !cut.has(keyText(key)));
      },
      async (key) => {
        cut.add(keyText(key));
        await this.#trim(key, { entriesMax });
      },
    );
    while (!this.#stopped && await log.bytes() > bytesMax) {
      const [oldest] = await log.prunable({ endedBeforeMs: Infinity });
      if (!oldest) return;
      await log.remove(oldest, oldest.epoch);
      await log.collect(); // which says so where a full disk keeps it: no other is to go for that
    }
  }

  /** Whether the wall clock was set ahead, or the machine slept: then no age is believed. */
  #doubtful(): boolean {
    const { clock, ageMs } = this.#options;
    const nowMs = clock.monotonic();
    const jumpedMs = this.#shift.ms;
    this.#shift.mark(jumpedMs);
    const mostMs = Math.max(EVERY_MS, Math.min(ageMs, DOUBT_MS));
    if (jumpedMs >= mostMs) {
      this.#doubtUntilMs = nowMs + mostMs;
      loggerOf("retention").warning(
        "the clock is {jumped} h further than it was: no job goes by its age for {doubt} h",
        { jumped: hours(jumpedMs), doubt: hours(mostMs) },
      );
    } else if (jumpedMs <= -mostMs) this.#doubtUntilMs = -Infinity;
    return nowMs < this.#doubtUntilMs;
  }

  /** Whether jobs are to go by their age, and no other has ended up to yesterday by this clock. */
  async #isUnwitnessed(): Promise<boolean> {
    const { log, clock, ageMs } = this.#options;
    if (ageMs < 2 * DOUBT_MS) return false; // there need not be one, also of a nightly job
    const now = clock.now();
    const [old] = await log.prunable({ endedBeforeMs: now - ageMs });
    if (!old) return false;
    const between = { endedSinceMs: now - ageMs, endedBeforeMs: now - DOUBT_MS };
    return (await log.prunable(between)).length === 0;
  }

  #doubtAtStart(): void {
    this.#doubtUntilMs = this.#options.clock.monotonic() + DOUBT_MS;
    loggerOf("retention").warning(
      "all jobs but those of a day are older than is kept, so the clock may be ahead: no job goes " +
        "by its age for {doubt} h",
      { doubt: hours(DOUBT_MS) },
    );
  }

  /** Applies `act` to what `find` gives, until it gives nothing. */
  async #each(
    find: () => Promise<readonly JobKey[]>,
    act: (key: JobKey) => Promise<unknown>,
  ): Promise<void> {
    for (;;) {
      const keys = await find();
      if (keys.length === 0) return;
      for (const key of keys) {
        if (this.#stopped) return;
        await act(key);
      }
    }
  }

  async #trim(key: JobKey, limits: Parameters<EventLog["trim"]>[1]): Promise<void> {
    try {
      while (!this.#stopped && await this.#options.log.trim(key, limits)) await turn();
    } catch (cause) {
      if (!(cause instanceof UnknownJobError)) throw cause; // removed meanwhile
    }
  }
}

function hours(ms: number): number {
  return Math.round(ms / 360_000) / 10;
}
