/** Decides what a batch of a worker's events does to its job. */
import type { Clock } from "../clock.ts";
import type { Change, Decide } from "../log/event_log.ts";
import { JobEndedError, UnknownJobError } from "../log/log_errors.ts";
import type { Fact, JobError } from "../sync/entry.ts";
import type { WorkerEvent } from "../sync/event.ts";
import type { Epoch } from "../sync/ids.ts";
import type { Job, LateEnd } from "../sync/job.ts";
import type { Counters, Producer } from "../sync/producer.ts";
import { isTerminal, type Status } from "../sync/status.ts";
import { wasGivenUp } from "./changes.ts";
import { settled } from "./meter.ts";
import { admit, type Stamp, withRequest } from "./producers.ts";
import { TypeCounts } from "./type_counts.ts";
import { counted, summed } from "./worker_totals.ts";

/**
 * Characters of progress that a batch writes. Every entry carries all entity types, so a short body
 * can mean a lot of them. Beyond this only the newest progress of the batch is written, as
 * retention would leave it.
 */
const PROGRESS_LENGTH_MAX = 1024 * 1024;

/** Characters that the numbers of an entry take, about. */
const PER_PROGRESS = 300;

const UNSAID: JobError = {
  code: "worker_failed",
  message: "The worker said that the job failed, and not why.",
};

/** A part of a request. */
export interface Batch {
  readonly stamp: Stamp;
  /** How many events of the same request came before these. */
  readonly offset: number;
  readonly events: readonly WorkerEvent[];
  /** The epoch of the log that an earlier part of the request went to. */
  readonly epoch?: Epoch;
}

/** The server runs the job itself, so no worker may post its events. */
export class NotOutsideError extends Error {
  override readonly name = "NotOutsideError";
}

/**
 * The decision of the append of a batch; it may be called more than once.
 *
 * @param clock is read at the append: what waits for the disk must not use up its lease meanwhile
 */
export function decided({ stamp, offset, events, epoch }: Batch, clock: Clock): Decide {
  return (job, producerOf): Change => {
    const nowMs = clock.now();
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

/**
 * Events after the end. A repeated request is answered as before; a job that was given up keeps its
 * worker's end as its `lateEnd`.
 *
 * @throws {JobEndedError}
 */
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
