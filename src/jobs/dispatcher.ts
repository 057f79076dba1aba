/** Starts, cancels and stops the jobs of this process, and ends the ones that were lost. */
import type { Clock } from "../clock.ts";
import {
  type Decide,
  type EventLog,
  type LapsedPage,
  StorageFaultError,
  StorageFullError,
} from "../log/event_log.ts";
import type { JobSource } from "../sources/source.ts";
import {
  type JobId,
  type JobKey,
  type JobKeyText,
  keyText,
  newJobId,
  type TenantId,
} from "../sync/ids.ts";
import { type Job, keyOf, type SyncRef } from "../sync/job.ts";
import { cancel, endLeft, giveUp, renew, SERVER_STOPPED } from "./changes.ts";
import { JobRunner, LEASE_MS } from "./job_runner.ts";

/** How often leases are looked at, in milliseconds. */
const SWEEP_MS = 1_000;
/** A sweep that comes so late follows a time without a server, in milliseconds. */
const LATE_MS = 1_000;
/**
 * What a worker gets after a time without a server, or all of its lease where that is shorter: it
 * could not reach anyone.
 */
const RETURN_MS = 60_000;

/** A sync that can be run here. */
export interface Runnable extends SyncRef {
  readonly tenant: TenantId;
  readonly progressIntervalMs: number;
  /** A source that runs once. */
  readonly source: () => JobSource;
}

export interface DispatcherOptions {
  readonly log: EventLog;
  readonly clock: Clock;
  /** Names this process in the log, for as long as it lives. */
  readonly owner: string;
  /** How long a worker that was asked to stop may take to do so. */
  readonly cancelGraceMs: number;
  readonly onFault: (cause: unknown) => void;
}

/** Words about one run, for the people who look at it later, and where it comes from. */
export interface RunNotes {
  readonly tags?: readonly string[];
  readonly meta?: Readonly<Record<string, unknown>>;
  /** For a run that must be started once, whoever asks for it; a fresh one when left out. */
  readonly id?: JobId;
  /** The job that this run tries again, and the how-manieth try it is. */
  readonly retryOf?: JobId;
  readonly attempt?: number;
}

/**
 * What asking for a run came to: a fresh job, the one of this sync that is still running, or the
 * one that has the id already.
 */
export interface Dispatched {
  readonly started: boolean;
  readonly job: Job;
}

/** A time in which workers could not be heard. */
interface Away {
  readonly awayMs: number;
  /** What those get at most after it who are to stop; none where their ends were heard. */
  readonly graceMs?: number;
}

/** From when on nobody hears of a sync's jobs, by the clock that only goes forward. */
interface Unheard extends Pick<Runnable, "tenant" | "id"> {
  readonly sinceMs: number;
}

/** Nothing is started any more. */
export class StoppingError extends Error {
  override readonly name = "StoppingError";

  constructor(sync: string) {
    super(`Cannot run sync "${sync}": the server is stopping`);
  }
}

/** To be opened before anything runs, and stopped before the log is closed. */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #running = new Map<JobKeyText, JobRunner>();
  readonly #listeners = new Set<(sync: Runnable) => void>();
  readonly #unheard = new Set<Unheard>();
  #callOffSweep: (() => void) | undefined;
  /** Since the last sweep the disk has refused who wanted to renew a lease. */
  #refused = false;
  #stopping = false;

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  /**
   * Ends what a process that is gone has left behind, then looks after leases until `stop`.
   * Workers are not to blame for a time without a server: their leases go on from its end.
   * Only for a log that no other process writes.
   */
  async open(): Promise<void> {
    const { log, owner, clock, cancelGraceMs } = this.#options;
    const now = clock.now();
    for (;;) {
      const left = await log.ownedByOthers(owner);
      if (left.length === 0) break;
      await this.#appendToAll(left, endLeft);
    }
    await this.#awaitBack(now, { awayMs: RETURN_MS, graceMs: cancelGraceMs });
    this.#sweepLater();
  }

  /** Runs the sync, unless it is running. */
  async start(sync: Runnable, notes: RunNotes = {}): Promise<Dispatched> {
    if (this.#stopping) throw new StoppingError(sync.name);
    const { log, clock, owner, onFault } = this.#options;
    const { outcome, job } = await log.create({
      tenant: sync.tenant,
      id: notes.id ?? newJobId(),
      origin: "source",
      sync: { id: sync.id, name: sync.name },
      name: null,
      tags: notes.tags ?? [],
      meta: notes.meta ?? {},
      retryOf: notes.retryOf ?? null,
      attempt: notes.attempt ?? 1,
      createdAtMs: clock.now(),
      owner,
      leaseUntilMs: clock.now() + LEASE_MS,
      leaseMs: null,
    }, { oneActive: true });
    if (outcome !== "created") return { started: false, job };
    const key = keyOf(job);
    const { progressIntervalMs } = sync;
    const runner = new JobRunner({
      log,
      clock,
      key,
      source: sync.source(),
      progressIntervalMs,
      onFault,
    });
    this.#running.set(keyText(key), runner);
    runner.done.then(() => {
      this.#running.delete(keyText(key));
      for (const listener of this.#listeners) listener(sync);
    });
    if (this.#stopping) runner.stop({ reason: SERVER_STOPPED });
    return { started: true, job };
  }

  /**
   * Asks the job to stop. The same again, or for a job that is over, changes nothing.
   *
   * @param requestId of the request that asks
   */
  async cancel(key: JobKey, requestId?: string): Promise<Job> {
    const { log, clock, cancelGraceMs } = this.#options;
    const { job } = await log.append(
      key,
      cancel(clock.now() + cancelGraceMs),
      { urgent: true, requestId },
    );
    this.#running.get(keyText(key))?.stop({ requestId });
    return job;
  }

  /**
   * Starts nothing any more. Jobs of this process may go on for the grace; those that are still
   * running then end as cancelled (server_stopped). Resolves when all are over.
   */
  async stop(graceMs = 0): Promise<void> {
    this.#stopping = true;
    this.#callOffSweep?.();
    if (graceMs > 0 && this.#running.size > 0) await this.#over(graceMs);
    for (const runner of this.#running.values()) runner.stop({ reason: SERVER_STOPPED });
    await this.#allDone();
  }

  /** Resolves when no job of this process runs any more, or after so long. */
  async #over(withinMs: number): Promise<void> {
    const late = Promise.withResolvers<void>();
    const callOff = this.#options.clock.after(withinMs, late.resolve);
    await Promise.race([this.#allDone(), late.promise]);
    callOff();
  }

  async #allDone(): Promise<void> {
    await Promise.all([...this.#running.values()].map((runner) => runner.done));
  }

  /**
   * Ends the job if it runs here, and waits for that.
   *
   * @param requestId of the request that asks
   */
  async halt(key: JobKey, requestId?: string): Promise<void> {
    const runner = this.#running.get(keyText(key));
    runner?.stop({ requestId });
    await runner?.done;
  }

  /** Calls `listener` whenever a run of this process is over, until the answer is called. */
  listen(listener: (sync: Runnable) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * Loses no job of the sync from now on, as nobody could hear of one, until the answer is called;
   * then they have their time to come back.
   */
  unheard({ tenant, id }: Pick<Runnable, "tenant" | "id">): () => void {
    const { clock, onFault } = this.#options;
    const span: Unheard = { tenant, id, sinceMs: clock.monotonic() };
    this.#unheard.add(span);
    return () => {
      const awayMs = clock.monotonic() - span.sinceMs;
      const back = this.#stopping || this.#awaitBack(clock.now(), { awayMs, of: span });
      Promise.resolve(back).catch(onFault).finally(() => this.#unheard.delete(span));
    };
  }

  /** Says that there was no room for what a worker said: he has his time to come back. */
  refused(): void {
    this.#refused = true;
  }

  /** How many jobs run in this process. */
  get size(): number {
    return this.#running.size;
  }

  /** Whether `stop` was called: nothing is started any more. */
  get stopping(): boolean {
    return this.#stopping;
  }

  #sweepLater(): void {
    const { clock, cancelGraceMs } = this.#options;
    const dueMs = clock.now() + SWEEP_MS;
    this.#callOffSweep = clock.after(SWEEP_MS, () => {
      const now = clock.now();
      // The machine slept, the process was halted, or the clock was set.
      const lateMs = now - dueMs >= LATE_MS ? now - dueMs : 0;
      const awayMs = this.#refused ? RETURN_MS : lateMs;
      // On a full disk ends are heard.
      const graceMs = lateMs > 0 ? cancelGraceMs : 0;
      this.#refused = false;
      const swept = awayMs > 0 ? this.#awaitBack(now, { awayMs, graceMs }) : this.#giveUp(now);
      swept.catch((cause) => {
        if (!(cause instanceof StorageFullError)) this.#options.onFault(cause); // who appends tells
      }).finally(() => {
        if (!this.#stopping) this.#sweepLater();
      });
    });
  }

  /** Ends whose lease has run out, but for those of whom nobody could hear. */
  #giveUp(nowMs: number): Promise<void> {
    return this.#sweep(nowMs, (job, producerOf) => {
      const span = [...this.#unheard].find((span) => isOf(job, span));
      if (!span) return giveUp(nowMs)(job, producerOf);
      const awayMs = this.#options.clock.monotonic() - span.sinceMs;
      return comeBack(nowMs, { awayMs: Math.max(SWEEP_MS, awayMs) })(job, producerOf);
    });
  }

  /** Gives workers their time to come back, those of one sync or all. */
  #awaitBack(nowMs: number, { of, ...away }: Away & { readonly of?: Unheard }): Promise<void> {
    const decide = comeBack(nowMs, away);
    return this.#sweep(nowMs + Math.min(away.awayMs, RETURN_MS), (job, producerOf) => {
      return of && !isOf(job, of) ? { facts: [] } : decide(job, producerOf);
    });
  }

  /**
   * Does that to every job whose lease ends before, a page of them in one commit. On a full disk only
   * to those that are being cancelled: the workers of the others may have been refused.
   */
  async #sweep(beforeMs: number, decide: Decide): Promise<void> {
    const { log } = this.#options;
    const change = async (key: JobKey) => {
      try {
        await log.append(key, decide);
      } catch (cause) {
        const full = cause instanceof StorageFullError;
        this.#refused ||= full || cause instanceof StorageFaultError;
        if (!full) throw cause;
        if ((await log.get(key))?.status !== "cancelling") return;
        await log.append(key, decide, { urgent: true });
      }
    };
    for (let after: number | null = 0; after !== null;) {
      const { items, next }: LapsedPage = await log.lapsed(beforeMs, after);
      // A machine that slept wakes up with lapsed leases of jobs that are running here.
      await Promise.all(items.filter((key) => !this.#running.has(keyText(key))).map(change));
      after = next;
    }
  }

  /** In one commit. */
  async #appendToAll(keys: readonly JobKey[], decide: Decide): Promise<void> {
    const { log } = this.#options;
    await Promise.all(keys.map((key) => log.append(key, decide, { urgent: true })));
  }
}

/** A worker's lease goes on for as long as he could not be heard, up to all of it and RETURN_MS. */
function comeBack(nowMs: number, { awayMs, graceMs = 0 }: Away): Decide {
  return (job, producerOf) => {
    const mostMs = job.status === "cancelling" ? graceMs : job.leaseMs;
    if (job.leaseMs === null || !mostMs) return giveUp(nowMs)(job, producerOf);
    const untilMs = nowMs + Math.min(mostMs, awayMs, RETURN_MS);
    return (job.leaseUntilMs ?? 0) < untilMs ? renew(untilMs)(job, producerOf) : { facts: [] };
  };
}

function isOf({ tenant, sync }: Job, of: Unheard): boolean {
  return tenant === of.tenant && sync?.id === of.id;
}
