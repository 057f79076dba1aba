/** Starts, cancels and stops the jobs of this process, and ends what an earlier one has left. */
import { atMost, type Clock } from "../clock.ts";
import type { EventLog } from "../log/event_log.ts";
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
import { cancel, endLeft, SERVER_STOPPED } from "./changes.ts";
import { JobRunner, LEASE_MS } from "./job_runner.ts";
import { Leases } from "./leases.ts";

/** A sync that can be run here. */
export interface Runnable extends SyncRef {
  readonly tenant: TenantId;
  readonly progressIntervalMs: number;
  /** Makes a source that runs once. */
  readonly source: () => JobSource;
}

export interface DispatcherOptions {
  readonly log: EventLog;
  readonly clock: Clock;
  /** Names this process in the log, for as long as it lives. */
  readonly owner: string;
  /** How long a worker that was asked to stop may take, in milliseconds. */
  readonly cancelGraceMs: number;
  readonly onFault: (cause: unknown) => void;
  /** As in RunOptions. */
  readonly onUnended?: (cause: unknown) => void;
}

/** What a job says of one run: words for people, and where the run comes from. */
export interface RunNotes {
  readonly tags?: readonly string[];
  readonly meta?: Readonly<Record<string, unknown>>;
  /** The job's id, for a run that must be started only once; a new one when left out. */
  readonly id?: JobId;
  /** The job that this run tries again, and the number of this try. */
  readonly retryOf?: JobId;
  readonly attempt?: number;
}

/**
 * What asking for a run has given: a new job, the sync's job that is still running, or the job that
 * already has the id.
 */
export interface Dispatched {
  readonly started: boolean;
  readonly job: Job;
}

/** The server is stopping and starts no runs. */
export class StoppingError extends Error {
  override readonly name = "StoppingError";

  constructor(sync: string) {
    super(`Cannot run sync "${sync}": the server is stopping`);
  }
}

/** To be opened before anything runs, watching from then on, and stopped before the log is closed. */
export class Dispatcher {
  /** Leases of the jobs that do not run here. */
  readonly leases: Leases;
  readonly #options: DispatcherOptions;
  readonly #running = new Map<JobKeyText, JobRunner>();
  readonly #listeners = new Set<(sync: Runnable) => void>();
  #stopping = false;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    const isRunning = (key: JobKey) => this.#running.has(keyText(key));
    this.leases = new Leases({ ...options, isRunning });
  }

  /**
   * Ends jobs that a process that is gone has left, and gives workers time to come back. Only for a
   * log that no other process writes.
   */
  async open(): Promise<void> {
    const { log, owner } = this.#options;
    for (;;) {
      const left = await log.ownedByOthers(owner);
      if (left.length === 0) break;
      await Promise.all(left.map((key) => log.append(key, endLeft, { urgent: true }))); // one commit
    }
    await this.leases.open();
  }

  /** Watches leases until `stop`. */
  watch(): void {
    this.leases.watch();
  }

  /** Runs the sync, unless it is running. @throws {StoppingError} */
  async start(sync: Runnable, notes: RunNotes = {}): Promise<Dispatched> {
    if (this.#stopping) throw new StoppingError(sync.name);
    const { log, clock, owner, onFault, onUnended } = this.#options;
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
      onUnended,
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
   * Asks the job to stop. Changes nothing when it was asked before, or is over.
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
   * Starts no more runs. Running jobs of this process may go on for `graceMs`, and then end as
   * cancelled (server_stopped). Resolves when all are over.
   */
  async stop(graceMs = 0): Promise<void> {
    this.#stopping = true;
    this.leases.stop();
    await atMost(this.#options.clock, graceMs, this.#allDone());
    for (const runner of this.#running.values()) runner.stop({ reason: SERVER_STOPPED });
    await this.#allDone();
  }

  async #allDone(): Promise<void> {
    await Promise.all([...this.#running.values()].map((runner) => runner.done));
  }

  /**
   * Ends the job if it runs here, and waits for that; not for a disk that does not take its end.
   *
   * @param requestId of the request that asks
   */
  async halt(key: JobKey, requestId?: string): Promise<void> {
    const runner = this.#running.get(keyText(key));
    if (!runner) return;
    runner.stop({ requestId });
    await Promise.race([runner.done, runner.unstored]);
  }

  /** Calls `listener` when a run of this process is over, until the returned function is called. */
  listen(listener: (sync: Runnable) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** How many jobs run in this process. */
  get size(): number {
    return this.#running.size;
  }

  /** Whether `stop` was called: no runs are started any more. */
  get stopping(): boolean {
    return this.#stopping;
  }
}
