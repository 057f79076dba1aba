/** The request that creates a job, within what the server takes. */
import {
  ATTEMPT_MAX,
  JOB_NAME_MAX,
  LEASE_S_MAX,
  TAG_MAX,
  TAGS_MAX,
  WORKER_LEASE_MS,
} from "../sync/event_limits.ts";
import { clip, clipObject, clipSyncName } from "./clip.ts";

/** What a job is; see docs/workers.md. */
export interface JobDescription {
  /** A UUID; drawn when left out. */
  readonly id?: string;
  /** Name or UUID of the sync that this is a run of. */
  readonly sync?: string;
  readonly name?: string;
  readonly tags?: readonly string[];
  readonly meta?: Readonly<Record<string, unknown>>;
  readonly total?: number;
  readonly bytesTotal?: number;
  /** Seconds that the worker may be silent; 900 when left out. */
  readonly leaseS?: number;
  readonly retryOf?: string;
  readonly attempt?: number;
}

/** A job that is to be created. */
export interface NewJob {
  readonly body: string;
  /** How long its worker may be silent, in milliseconds. */
  readonly leaseMs: number;
}

/** Leaves out what is empty, and what is not a number where one is expected. */
export function newJob(id: string, described: JobDescription): NewJob {
  const { sync, name, tags, meta, total, bytesTotal, retryOf } = described;
  const leaseS = within(described.leaseS, LEASE_S_MAX);
  const body = JSON.stringify({
    id: clip(id, JOB_NAME_MAX),
    sync: sync ? clipSyncName(sync) : undefined,
    name: name ? clip(name, JOB_NAME_MAX) : undefined,
    tags: tags ? tagsOf(tags) : undefined,
    meta: meta ? clipObject(meta) : undefined,
    total: isCount(total) ? total : undefined,
    bytes_total: isCount(bytesTotal) ? bytesTotal : undefined,
    lease_s: leaseS,
    retry_of: retryOf ? clip(retryOf, JOB_NAME_MAX) : undefined,
    attempt: within(described.attempt, ATTEMPT_MAX, Math.trunc),
  });
  return { body, leaseMs: leaseS === undefined ? WORKER_LEASE_MS : leaseS * 1000 };
}

function tagsOf(tags: readonly string[]): string[] {
  return [tags].flat().map((tag) => clip(tag, TAG_MAX)).filter(Boolean).slice(0, TAGS_MAX);
}

function isCount(n: unknown): boolean {
  return Number.isSafeInteger(n) && Number(n) >= 0;
}

/** Brings a number between 1 and `max`; undefined when it is not finite. */
function within(n: number | undefined, max: number, round = (n: number) => n): number | undefined {
  return n === undefined || !Number.isFinite(n) ? undefined : Math.min(Math.max(1, round(n)), max);
}
