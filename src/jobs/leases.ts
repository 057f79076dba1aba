/** Leases of jobs that workers run: a job whose lease runs out is given up. */
import type { Clock } from "../clock.ts";
import type { Decide, EventLog, LapsedPage } from "../log/event_log.ts";
import { StorageFaultError, StorageFullError, UnknownJobError } from "../log/log_errors.ts";
import type { JobKey, SyncId, TenantId } from "../sync/ids.ts";
import type { Job } from "../sync/job.ts";
import { giveUp, renew } from "./changes.ts";

/** How often leases are checked, in milliseconds. */
const SWEEP_MS = 1_000;
/** When a sweep is so late, in milliseconds, nobody could reach this server for a while. */
const LATE_MS = 1_000;
/**
 * The time that a worker gets to come back after nobody could reach a server, in milliseconds; all
 * of its lease when that is shorter.
 */
const RETURN_MS = 60_000;

export interface LeasesOptions {
  readonly log: EventLog;
  readonly clock: Clock;
  /** How long a worker that was asked to stop may take, in milliseconds. */
  readonly cancelGraceMs: number;
  readonly onFault: (cause: unknown) => void;
  /** Whether the job runs in this process: then it is not lost, whatever its lease. */
  readonly isRunning: (key: JobKey) => boolean;
}

/** A time in which workers could not be heard. */
interface Away {
  readonly awayMs: number;
  /** How far the clock went meanwhile, if leases have lost it all; nothing when left out. */
  readonly lostMs?: number;
  /** What workers that were asked to stop get after it at most; nothing when left out. */
  readonly graceMs?: number;
}

/** Names a sync. */
interface SyncKey {
  readonly tenant: TenantId;
  readonly id: SyncId;
}

/** A sync whose workers cannot be heard, and since when by the clock's `monotonic()`. */
interface Unheard extends SyncKey {
  readonly sinceMs: number;
}

/** Checks leases every second, from `watch` to `stop`. */
export class Leases {
  readonly #options: LeasesOptions;
  readonly #unheard = new Set<Unheard>();
  #callOffSweep: (() => void) | undefined;
  /** Whether the disk has refused a worker since the last sweep, or that sweep. */
  #refused = false;
  /** Whether leases may lie ahead, as the clock was put back since or before the start. */
  #ahead = true;
  #stopped = false;

  constructor(options: LeasesOptions) {
    this.#options = options;
  }

  /** Gives all workers time to come back: while there was no server they could reach none. */
  async open(): Promise<void> {
    const { clock, cancelGraceMs } = this.#options;
    await this.#awaitBack(clock.now(), { awayMs: RETURN_MS, graceMs: cancelGraceMs });
  }

  /** Gives up jobs whose lease runs out, from now on. */
  watch(): void {
    if (!this.#stopped) this.#sweepLater();
  }

  /** Gives up no more jobs. */
  stop(): void {
    this.#stopped = true;
    this.#callOffSweep?.();
  }

  /**
   * Gives up no job of the sync, as its workers cannot be heard, until the returned function is
   * called. Then they get time to come back.
   */
  unheard({ tenant, id }: SyncKey): () => void {
    const { clock, onFault } = this.#options;
    const span: Unheard = { tenant, id, sinceMs: clock.monotonic() };
    this.#unheard.add(span);
    return () => {
      const awayMs = clock.monotonic() - span.sinceMs;
      const back = this.#stopped || this.#awaitBack(clock.now(), { awayMs, of: span });
      Promise.resolve(back).catch(onFault).finally(() => this.#unheard.delete(span));
    };
  }

  /** Notes that a full or failing disk has refused a worker: it gets time to come back. */
  refused(): void {
    this.#refused = true;
  }

  #sweepLater(): void {
    const { clock, cancelGraceMs } = this.#options;
    const dueMs = clock.now() + SWEEP_MS;
    this.#callOffSweep = clock.after(SWEEP_MS, () => {
      const now = clock.now();
      // The machine slept, the process was halted, or the clock was set.
      const lateMs = now - dueMs >= LATE_MS ? now - dueMs : 0;
      this.#ahead ||= dueMs - now >= LATE_MS;
      const awayMs = this.#refused ? RETURN_MS : lateMs;
      // On a full disk ends are still taken, so workers that were asked to stop get no more time.
      const graceMs = lateMs > 0 ? cancelGraceMs : 0;
      this.#refused = false;
      const swept = (this.#ahead ? this.#bringBack(now) : Promise.resolve()).then(() =>
        awayMs > 0 ? this.#awaitBack(now, { awayMs, lostMs: lateMs, graceMs }) : this.#giveUp(now)
      );
      swept.catch((cause) => {
        if (!(cause instanceof StorageFullError)) this.#options.onFault(cause); // who appends tells
      }).finally(() => {
        if (!this.#stopped) this.#sweepLater();
      });
    });
  }

  /** Shortens leases that the clock would reach more than RETURN_MS too late. */
  async #bringBack(nowMs: number): Promise<void> {
    const mostOf = ({ status, leaseMs }: Job) =>
      status === "cancelling" ? this.#options.cancelGraceMs : leaseMs ?? Infinity;
    // A worker that was told to wait for a while has that time besides.
    const isAhead = (job: Job) => (job.leaseUntilMs ?? 0) > nowMs + mostOf(job) + RETURN_MS;
    await this.#sweep(Number.MAX_SAFE_INTEGER, (job, producerOf) => {
      return isAhead(job) ? renew(nowMs + mostOf(job))(job, producerOf) : { facts: [] };
    }, isAhead);
    this.#ahead = this.#refused; // then it is tried again
  }

  /** Ends jobs whose lease has run out, except where their workers cannot be heard. */
  #giveUp(nowMs: number): Promise<void> {
    return this.#sweep(nowMs, (job, producerOf) => {
      const span = [...this.#unheard].find((span) => isOf(job, span));
      if (!span) return giveUp(nowMs)(job, producerOf);
      const awayMs = this.#options.clock.monotonic() - span.sinceMs;
      return comeBack(nowMs, { awayMs: Math.max(SWEEP_MS, awayMs) })(job, producerOf);
    });
  }

  /** Gives the workers of one sync, or all, time to come back. */
  #awaitBack(nowMs: number, { of, ...away }: Away & { readonly of?: Unheard }): Promise<void> {
    const decide = comeBack(nowMs, away);
    const { awayMs, lostMs = 0 } = away;
    const beforeMs = lostMs > RETURN_MS
      ? Number.MAX_SAFE_INTEGER
      : nowMs + Math.min(awayMs, RETURN_MS);
    return this.#sweep(beforeMs, (job, producerOf) => {
      return of && !isOf(job, of) ? { facts: [] } : decide(job, producerOf);
    });
  }

  /**
   * Applies `decide` to every job whose lease ends before then, one page in one commit; to those
   * that are meant, as they stand before. On a full
   * disk only to jobs that are being cancelled: the workers of the others may have been refused.
   */
  async #sweep(
    beforeMs: number,
    decide: Decide,
    isMeant?: (job: Job) => boolean,
  ): Promise<void> {
    const { log, isRunning } = this.#options;
    const change = async (key: JobKey) => {
      try {
        if (isMeant) {
          const job = await log.get(key);
          if (!job || !isMeant(job)) return;
        }
        await log.append(key, decide);
      } catch (cause) {
        if (cause instanceof UnknownJobError) return; // removed meanwhile
        const full = cause instanceof StorageFullError;
        this.#refused ||= full || cause instanceof StorageFaultError;
        if (!full) throw cause;
        if ((await log.get(key))?.status !== "cancelling") return;
        await log.append(key, decide, { urgent: true });
      }
    };
    for (let after: number | null = 0; after !== null;) {
      const { items, next }: LapsedPage = await log.lapsed(beforeMs, after).catch((cause) => {
        this.#refused = true; // what cannot be read, workers cannot post to
        throw cause;
      });
      // A machine that slept wakes up with lapsed leases of jobs that are running here.
      await Promise.all(items.filter((key) => !isRunning(key)).map(change));
      after = next;
    }
  }
}

/**
 * Renews a lease for as long as its worker was not heard, at most RETURN_MS and its own length; and
 * up to the latter by what it has lost, as the worker may not have been due before.
 */
function comeBack(nowMs: number, { awayMs, lostMs = 0, graceMs = 0 }: Away): Decide {
  return (job, producerOf) => {
    const mostMs = job.status === "cancelling" ? graceMs : job.leaseMs;
    if (job.leaseMs === null || !mostMs) return giveUp(nowMs)(job, producerOf);
    const wasMs = job.leaseUntilMs ?? 0;
    const leastMs = Math.min(awayMs, RETURN_MS);
    const untilMs = nowMs + Math.min(mostMs, Math.max(leastMs, wasMs + lostMs - nowMs));
    return wasMs < untilMs ? renew(untilMs)(job, producerOf) : { facts: [] };
  };
}

function isOf({ tenant, sync }: Job, of: Unheard): boolean {
  return tenant === of.tenant && sync?.id === of.id;
}
