/** One run of a sync. */
import type { JobError, Seq } from "./entry.ts";
import type { Epoch, JobId, JobKey, SyncId, TenantId } from "./ids.ts";
import type { Progress } from "./progress.ts";
import { isTerminal, type Status, type TerminalStatus } from "./status.ts";

/** The sync that a job is a run of. */
export interface SyncRef {
  readonly id: SyncId;
  readonly name: string;
}

/** Who does the work: a source inside this server, or a worker elsewhere that posts events. */
export type Origin = "source" | "worker";

/** What is fixed when a job is created. */
export interface NewJob {
  readonly tenant: TenantId;
  readonly id: JobId;
  readonly origin: Origin;
  readonly sync: SyncRef | null;
  readonly name: string | null;
  readonly tags: readonly string[];
  readonly meta: Readonly<Record<string, unknown>>;
  /** The job that this one tries again, and which try it is, from 1. */
  readonly retryOf: JobId | null;
  readonly attempt: number;
  readonly createdAtMs: number;
  /** The process that runs it; null for a worker's job. */
  readonly owner: string | null;
  /** The job is lost when this moment passes without a renewal; null for never. */
  readonly leaseUntilMs: number | null;
  /** How long a worker may be silent, in milliseconds; null for jobs of this server. */
  readonly leaseMs: number | null;
}

/** What a worker said of its job's end after the job had been given up. */
export interface LateEnd {
  readonly status: TerminalStatus;
  readonly error: JobError | null;
  readonly atMs: number;
}

/** A job as the log knows it: what was fixed, and the state after its last committed entry. */
export interface Job extends NewJob {
  readonly epoch: Epoch;
  /** Seq of the last entry; 0 when nothing is logged yet. */
  readonly seq: Seq;
  /** Seq of the last progress entry; 0 for none. */
  readonly progressSeq: Seq;
  /** Entries still held: retention may have removed some. */
  readonly held: number;
  /** The highest seq of a log line that retention removed, by level, least urgent first; 0 for none. */
  readonly trimmed: readonly Seq[];
  readonly status: Status;
  readonly progress: Progress;
  readonly startedAtMs: number | null;
  /** Time of the last progress entry, or of the creation. */
  readonly updatedAtMs: number;
  /** Time of the last entry of any kind, or of the creation. */
  readonly heardAtMs: number;
  readonly endedAtMs: number | null;
  readonly error: JobError | null;
  readonly lateEnd: LateEnd | null;
}

/** The identity alone. */
export function keyOf(job: JobKey): JobKey {
  return { tenant: job.tenant, id: job.id };
}

/** Whether the job is on its way and its source or worker has said nothing for that long. */
export function isStalled(
  job: Pick<Job, "status" | "heardAtMs">,
  nowMs: number,
  afterMs: number,
): boolean {
  return !isTerminal(job.status) && nowMs - job.heardAtMs >= afterMs;
}
