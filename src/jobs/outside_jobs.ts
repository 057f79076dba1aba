/** Jobs whose work is done elsewhere: created and told about by workers. */
import type { Clock } from "../clock.ts";
import {
  type Change,
  type Decide,
  type EventLog,
  JobEndedError,
  UnknownJobError,
} from "../log/event_log.ts";
import type { Fact, JobError } from "../sync/entry.ts";
import type { WorkerEvent } from "../sync/event.ts";
import {
  deriveSyncId,
  type Epoch,
  type JobId,
  type JobKey,
  newJobId,
  parseSyncId,
  type TenantId,
} from "../sync/ids.ts";
import type { Job, LateEnd, SyncRef } from "../sync/job.ts";
import { type Counters, newProducer, type Producer } from "../sync/producer.ts";
import { NO_PROGRESS } from "../sync/progress.ts";
import { isTerminal, type Status } from "../sync/status.ts";
import { wasGivenUp } from "./changes.ts";
import { settled } from "./meter.ts";
import { admit, type Stamp, withRequest } from "./producers.ts";
import type { Syncs } from "./syncs.ts";
import { TypeCounts } from "./type_counts.ts";
import { counted, summed } from "./worker_totals.ts";

/** How long a worker may be silent when it does not say, in milliseconds. */
export const WORKER_LEASE_MS = 15 * 60_000;

/**
 * Characters of progress that a batch writes. Every entry carries all entity types, so a short body
 * can mean a lot; beyond that only the newest progress of the batch is written, as retention would
 * leave it.
 */
const PROGRESS_LENGTH_MAX = 1024 * 1024;

/** What the numbers of an entry take. */
const PER_PROGRESS = 300;

const UNSAID: JobError = {
  code: "worker_failed",
  message: "The worker said that the job failed, and not why.",
};

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

/** A part of a request. */
export interface Batch {
  readonly stamp: Stamp;
  /** How many events of the same request came before these. */
  readonly offset: number;
  readonly events: readonly WorkerEvent[];
  /** Of the log that an earlier part of the request went to. */
  readonly epoch?: Epoch;
}

/** What became of a batch. `firstSeq` is above `lastSeq` where its request has made no entry. */
export interface Posted {
  readonly job: Job;
  readonly firstSeq: number;
  readonly lastSeq: number;
}

/** The id belongs to a job that is not the one asked for. */
export class JobExistsError extends Error {
  override readonly name = "JobExistsError";
}

/** The server runs the job itself: nobody else may say what it does. */
export class NotOutsideError extends Error {
  override readonly name = "NotOutsideError";
}

/** What workers may do with their jobs. */
export class OutsideJobs {
  readonly #log: EventLog;
  readonly #syncs: Syncs;
  readonly #clock: Clock;
  readonly #openMax: number;

  constructor({ log, syncs, clock, openMax = Infinity }: {
    readonly log: EventLog;
    readonly syncs: Syncs;
    readonly clock: Clock;
    /** Most jobs of a tenant that may be on their way when another is to be created. */
    readonly openMax?: number;
  }) {
    this.#openMax = openMax;
    this.#log = log;
    this.#syncs = syncs;
    this.#clock = clock;
  }

  /**
   * Creates the job; the same again answers it as it stands.
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
    }, { openMax: this.#openMax, progress: { ...NO_PROGRESS, total, bytesTotal } });
    if (outcome === "created") return { created: true, job };
    if (job.origin !== "worker" || job.sync?.id !== sync?.id) {
      const whose = job.origin === "worker" ? "another sync's" : "the server's own";
      throw new JobExistsError(`Cannot create job "${job.id}": there is one of that id, ${whose}`);
    }
    return { created: false, job };
  }

  /**
   * Appends what a worker says of its job; no events renew its lease.
   *
   * @param requestId of the request that the batch came with, where one did
   * @throws {UnknownJobError | NotOutsideError}
   * @throws {JobEndedError} for events after the end; an end is kept as the job's `lateEnd` where
   *   the job had been given up
   * @throws {ProducerFencedError | ProducerOrderError | CounterWentBackError | CounterTooLargeError}
   */
  async post(key: JobKey, batch: Batch, requestId?: string): Promise<Posted> {
    const decide = decided(batch, this.#clock.now());
    const { job, firstSeq, lastSeq, producer } = await this.#log.append(
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
   * Appends events that depend on the job and on what their producer has counted of it, as both stand
   * at that moment; no events renew the lease.
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
    const nowMs = this.#clock.now();
    const { job } = await this.#log.append(key, (job, producerOf) => {
      const { id, epoch, counters } = producerOf(producerId) ?? newProducer(producerId, 0);
      const events = eventsOf(job, counters);
      const stamp = { id, epoch, number: undefined };
      return decided({ stamp, offset: 0, events }, nowMs)(job, producerOf);
    }, { urgent });
    return job;
  }

  /** A configured or registered sync, or the one that the name stands for from now on. */
  async #syncOf(tenant: TenantId, idOrName: string): Promise<SyncRef> {
    const configured = this.#syncs.find(tenant, idOrName);
    if (configured) return { id: configured.id, name: configured.name };
    const id = parseSyncId(idOrName) ?? deriveSyncId(tenant, idOrName);
    const registered = await this.#log.registeredSyncs(tenant);
    return registered.find((sync) => sync.id === id) ?? { id, name: idOrName };
  }

  async #attemptAfter(tenant: TenantId, retryOf: JobId | undefined): Promise<number> {
    if (retryOf === undefined) return 1;
    const before = await this.#log.get({ tenant, id: retryOf });
    return (before?.attempt ?? 1) + 1;
  }
}

/** What a batch does to a job. */
function decided({ stamp, offset, events, epoch }: Batch, nowMs: number): Decide {
  return (job, producerOf): Change => {
    if (epoch !== undefined && epoch !== job.epoch) {
      throw new UnknownJobError(`Job "${job.id}" was removed and created again`);
    }
    if (job.origin !== "worker") {
      throw new NotOutsideError(`Cannot post events of job "${job.id}": the server runs it itself`);
    }
    const { producer, before } = admit(producerOf(stamp.id), stamp);
    const taken = before?.events ?? 0;
    const fresh = events.slice(Math.max(0, taken - offset));
    if (isTerminal(job.status)) return afterEnd(job, fresh, producer, nowMs);
    const { facts, counters } = factsOf(job, fresh, producer, nowMs);
    const leaseUntilMs = job.status === "cancelling" ? undefined : nowMs + (job.leaseMs ?? 0);
    const posted = { ...producer, counters };
    if (stamp.number === undefined) {
      return { facts, leaseUntilMs, producer: facts.length > 0 ? posted : undefined };
    }
    return {
      facts,
      leaseUntilMs,
      producer: withRequest(posted, {
        number: stamp.number,
        firstSeq: before && (taken > 0 || facts.length === 0) ? before.firstSeq : job.seq + 1,
        lastSeq: before && facts.length === 0 ? before.lastSeq : job.seq + facts.length,
        events: Math.max(taken, offset + events.length),
      }),
    };
  };
}

/** A repeated request is answered as before; the end of a job that was given up is kept beside it. */
function afterEnd(
  job: Job,
  fresh: readonly WorkerEvent[],
  producer: Producer,
  nowMs: number,
): Change {
  if (fresh.length === 0) return { facts: [], producer };
  const end = fresh.find((event) => event.type === "end");
  if (!end || job.lateEnd || !wasGivenUp(job)) throw new JobEndedError(job);
  const lateEnd: LateEnd = { status: end.status, error: end.error ?? null, atMs: nowMs };
  return { facts: [], lateEnd };
}

function factsOf(job: Job, events: readonly WorkerEvent[], producer: Producer, nowMs: number) {
  const facts: Fact[] = [];
  const types = {
    own: new TypeCounts(producer.counters.encountered),
    all: new TypeCounts(job.progress.encountered),
  };
  let length = 0;
  let newest = -1;
  let counters: Omit<Counters, "encountered"> = producer.counters;
  let state: Pick<Job, "progress" | "startedAtMs" | "updatedAtMs"> = job;
  const status: Status = job.status === "cancelling" ? "cancelling" : "in_progress";
  for (const event of events) {
    if (event.type === "log") {
      facts.push(event.line);
    } else if (event.type === "end") {
      const progress = settled(state.progress, event.status === "completed");
      const error = event.error ?? (event.status === "failed" ? UNSAID : undefined);
      facts.push({ kind: "progress", status: event.status, progress, error });
    } else {
      if (length > PROGRESS_LENGTH_MAX) {
        facts.splice(newest, 1);
        types.all.release();
      }
      const after = counted(counters, event, types);
      const progress = summed(state, { before: counters, after, event, types, nowMs });
      counters = after;
      state = { progress, startedAtMs: state.startedAtMs ?? nowMs, updatedAtMs: nowMs };
      length += PER_PROGRESS + types.all.length;
      newest = facts.push({ kind: "progress", status, progress }) - 1;
    }
  }
  return { facts, counters: { ...counters, encountered: types.own.share() } };
}
