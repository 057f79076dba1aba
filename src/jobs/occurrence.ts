/** What happens to jobs and syncs and may be notified. */
import type { TenantId } from "../sync/ids.ts";
import type { Job, SyncRef } from "../sync/job.ts";

/**
 * - `completed`, `failed`, `cancelled`: a job ended so
 * - `warning`: a job completed with warnings
 * - `started`: a job began
 * - `stalled`: a running job has said nothing for long
 * - `overdue`: a run that was expected did not come
 * - `recovered`: a sync that had failed, stalled or was overdue is well again
 */
export const OCCURRENCES = [
  "started",
  "completed",
  "warning",
  "failed",
  "cancelled",
  "stalled",
  "overdue",
  "recovered",
] as const;
export type OccurrenceKind = typeof OCCURRENCES[number];

export interface Occurrence {
  readonly kind: OccurrenceKind;
  readonly tenant: TenantId;
  /** Null for a job without one. */
  readonly sync: SyncRef | null;
  /** Undefined for a run that did not come. */
  readonly job: Job | undefined;
  /** Milliseconds since 1970. */
  readonly atMs: number;
  /** Tells it from others of its kind when it has no job; `atMs` when left out. */
  readonly occasion?: number;
  /** More words for people: what was expected when. */
  readonly detail?: string;
}

/** Takes an occurrence without waiting. When it throws, it gets the same one again later. */
export type OnOccurrence = (occurrence: Occurrence) => void;
