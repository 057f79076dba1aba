/** Running totals of a sync job. */

/** What can happen to an entity. */
export const ENTITY_COUNTS = ["inserted", "updated", "deleted", "kept", "skipped"] as const;
export type EntityCount = typeof ENTITY_COUNTS[number];

/** The five things that can happen to an entity, counted as running totals. */
export type EntityCounts = Readonly<Record<EntityCount, number>>;

/**
 * All that is known of how far a job has come: totals, never increments, so that a frame left out
 * costs a viewer nothing. What a source does not know is absent, not zero.
 */
export interface Progress extends EntityCounts {
  /** Entities met so far, by entity type. */
  readonly encountered: Readonly<Record<string, number>>;
  /** Entities in all; present only once it is final. */
  readonly total?: number;
  /** 0 to 100 with one decimal, by bytes when they are known; never goes back. */
  readonly percent?: number;
  readonly bytesDone?: number;
  /** Bytes in all; present only once it is final. */
  readonly bytesTotal?: number;
  /** Entities a second, smoothed over the last seconds. */
  readonly ratePerS?: number;
  readonly bytesPerS?: number;
  /** Seconds left at the present rate. */
  readonly etaS?: number;
  /** What the job is busy with, in a word or two. */
  readonly phase?: string;
  /** The entity it is busy with. */
  readonly current?: string;
  readonly warnings?: number;
  /** Held back on purpose by `max_per_s`. */
  readonly paced?: true;
}

/** A job that has done nothing yet. */
export const NO_PROGRESS: Progress = {
  inserted: 0,
  updated: 0,
  deleted: 0,
  kept: 0,
  skipped: 0,
  encountered: {},
};

/** Entities of the source that were dealt with; deleted ones are no longer in it. */
export function entitiesDone(counts: EntityCounts): number {
  return counts.inserted + counts.updated + counts.kept + counts.skipped;
}

/**
 * How much is done, of 1: by bytes when they are known, else by the total; undefined without both.
 * Who knows its bytes in all may count entities alone.
 */
export function shareDone(
  { total, bytesDone, bytesTotal }: Pick<Progress, "total" | "bytesDone" | "bytesTotal">,
  done: number,
): number | undefined {
  if (bytesTotal && (bytesDone !== undefined || !total)) return (bytesDone ?? 0) / bytesTotal;
  return total ? done / total : undefined;
}
