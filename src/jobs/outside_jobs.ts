/** Jobs of workers: created, posted and ended by them. */
import type { Clock } from "../clock.ts";
import type { Appended, AppendOptions, Decide, EventLog } from "../log/event_log.ts";
import { isUnstored, JobEndedError } from "../log/log_errors.ts";
import type { WorkerEvent } from "../sync/event.ts";
import { WORKER_LEASE_MS } from "../sync/event_limits.ts";
import { type JobId, type JobKey, newJobId, type TenantId } from "../sync/ids.ts";
import type { Job, SyncRef } from "../sync/job.ts";
import { type Counters, newProducer } from "../sync/producer.ts";
import { NO_PROGRESS } from "../sync/progress.ts";
import { type Batch, decided } from "./batch.ts";
import { renew } from "./changes.ts";
import { knownSync, type Syncs, usualSyncId } from "./syncs.ts";

/** A job as its worker asks for it. */
export interface OutsideJob {
  readonly tenant: TenantId;
  readonly id?: JobId;
  /** Name or id. */
  readonly sync?: string;
  readonly name?: string;
  readonly tags?: readonly string[];
  readonly meta?: Readonly<Record<string, unknown>>;
  readonly total?: number;
  readonly bytesTotal?: number;
  readonly leaseMs?: number;
  readonly retryOf?: JobId;
  readonly attempt?: number;
}

/** The same with every member named: what a request says must not be left behind by accident. */
export type AskedJob = { readonly [Name in keyof Required<OutsideJob>]: OutsideJob[Name] };

/** The result of a batch. `firstSeq` is above `lastSeq` when its request has made no entry. */
export interface Posted {
  readonly job: Job;
  readonly firstSeq: number;
  readonly lastSeq: number;
}

/** The id belongs to a job that is not the one asked for. */
export class JobExistsError extends Error {
  override readonly name = "JobExistsError";
}

/** What workers may do with their jobs. */
export class OutsideJobs {
  readonly #log: EventLog;
  readonly #syncs: Syncs;
  readonly #clock: Clock;
  readonly #openMax: number;
  readonly #onRefused: () => void;

  constructor({ log, syncs, clock, openMax = Infinity, onRefused = () => {} }: {
    readonly log: EventLog;
    readonly syncs: Syncs;
    readonly clock: Clock;
    /** Most jobs that a tenant may have on their way when it creates another. */
    readonly openMax?: number;
    /** Called when a full or failing disk has refused a worker. */
    readonly onRefused?: () => void;
  }) {
    this.#openMax = openMax;
    this.#log = log;
    this.#syncs = syncs;
    this.#clock = clock;
    this.#onRefused = onRefused;
  }

  /**
   * Creates the job; when it exists already, answers it as it stands.
   *
   * @throws {JobExistsError} when the id is that of another sync's job or of the server's own
   * @throws {TooManyJobsError}
   */
  async create(asked: OutsideJob): Promise<{ readonly created: boolean; readonly job: Job }> {
    const { tenant, total, bytesTotal, leaseMs = WORKER_LEASE_MS } = asked;
    const now = this.#clock.now();
    const sync = asked.sync === undefined ? null : await this.#syncOf(tenant, asked.sync);
    const { outcome, job } = await this.#log.create({
      tenant,
      id: asked.id ?? newJobId(),
      origin: "worker",
      sync,
      name: asked.name ?? null,
      tags: asked.tags ?? [],
      meta: asked.meta ?? {},
      retryOf: asked.retryOf ?? null,
      attempt: asked.attempt ?? await this.#attemptAfter(tenant, asked.retryOf),
      createdAtMs: now,
      owner: null,
      leaseUntilMs: now + leaseMs,
      leaseMs,
    }, {
      openMax: this.#openMax,
      progress: { ...NO_PROGRESS, total, bytesTotal },
      // The disk may be slow.
      leaseUntilMs: () => this.#clock.now() + leaseMs,
    });
    if (outcome === "created") return { created: true, job };
    if (job.origin !== "worker" || job.sync?.id !== sync?.id) {
      const whose = job.origin === "worker" ? "another sync's" : "the server's own";
      throw new JobExistsError(`Cannot create job "${job.id}": there is one of that id, ${whose}`);
    }
    return { created: false, job };
  }

  /**
   * Appends a worker's events; a batch without events renews the lease.
   *
   * @param requestId of the request that the batch came with, if one did
   * @throws {UnknownJobError | NotOutsideError}
   * @throws {JobEndedError} for events after the end; when the job had been given up, an end is
   *   kept as its `lateEnd`
   * @throws {ProducerFencedError | ProducerOrderError | CounterWentBackError |
   *   CounterTooLargeError}
   */
  async post(key: JobKey, batch: Batch, requestId?: string): Promise<Posted> {
    const decide = decided(batch, this.#clock);
    const { job, firstSeq, lastSeq, producer } = await this.#append(
      key,
      decide,
      { urgent: batch.events.some(({ type }) => type === "end"), requestId },
    );
    const { number } = batch.stamp;
    const request = producer?.requests.find((each) => number === each.number);
    const nothing = lastSeq < firstSeq && (request?.events ?? 0) <= batch.offset;
    if (nothing && batch.events.length > 0) throw new JobEndedError(job);
    return { job, firstSeq: request?.firstSeq ?? firstSeq, lastSeq: request?.lastSeq ?? lastSeq };
  }

  /**
   * Appends events that depend on the job and on its producer's counters, as both stand at the
   * append; without events the lease is renewed.
   *
   * @param eventsOf may be called more than once; what it throws refuses the append
   * @returns the job; one that had been given up has kept the end
   * @throws as `post`
   */
  async tell(
    key: JobKey,
    producerId: string,
    eventsOf: (job: Job, told: Counters) => readonly WorkerEvent[],
    { urgent }: { readonly urgent: boolean },
  ): Promise<Job> {
    const { job } = await this.#append(key, (job, producerOf) => {
      const { id, epoch, counters } = producerOf(producerId) ?? newProducer(producerId, 0);
      const events = eventsOf(job, counters);
      const stamp = { id, epoch, number: undefined };
      return decided({ stamp, offset: 0, events }, this.#clock)(job, producerOf);
    }, { urgent });
    return job;
  }

  /**
   * Renews the lease of a worker that was told to wait, for that wait and its own length.
   *
   * @throws {UnknownJobError | StorageFullError | StorageFaultError}
   */
  async hold(key: JobKey, waitMs: number): Promise<void> {
    await this.#append(key, (job, producerOf) => {
      if (job.origin !== "worker" || job.status === "cancelling") return { facts: [] };
      return renew(this.#clock.now() + waitMs + (job.leaseMs ?? 0))(job, producerOf);
    }, {});
  }

  async #append(key: JobKey, decide: Decide, options: AppendOptions): Promise<Appended> {
    try {
      return await this.#log.append(key, decide, options);
    } catch (cause) {
      if (isUnstored(cause)) this.#onRefused();
      throw cause;
    }
  }

  /** The configured or registered sync of that id or name, else a new one. */
  async #syncOf(tenant: TenantId, idOrName: string): Promise<SyncRef> {
    const known = await knownSync(this.#syncs, this.#log, tenant, idOrName);
    const { id, name } = known ?? { id: usualSyncId(tenant, idOrName), name: idOrName };
    return { id, name };
  }

  async #attemptAfter(tenant: TenantId, retryOf: JobId | undefined): Promise<number> {
    if (retryOf === undefined) return 1;
    const before = await this.#log.get({ tenant, id: retryOf });
    return (before?.attempt ?? 1) + 1;
  }
}
