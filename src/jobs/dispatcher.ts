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
  /** The job that this run tries again, and which try it is. */
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

/** Nothing is started any more. */
export class StoppingError extends Error {
  override readonly name = "StoppingError";

  constructor(sync: string) {
    super(`Cannot run sync "${sync}": the server is stopping`);
  }
}

/** To be opened before anything runs, and stopped before the log is closed. */
export class Dispatcher {
  /** Those of the jobs that do not run here. */
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
   * Ends what a process that is gone has left behind, then looks after leases until `stop`.
   * Only for a log that no other process writes.
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
    this.leases.stop();
    await atMost(this.#options.clock, graceMs, this.#allDone());
    for (const runner of this.#running.values()) runner.stop({ reason: SERVER_STOPPED });
    await this.#allDone();
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

  /** How many jobs run in this process. */
  get size(): number {
    return this.#running.size;
  }

  /** Whether `stop` was called: nothing is started any more. */
  get stopping(): boolean {
    return this.#stopping;
  }
}
