/** What the viewers of many jobs are told of changes: decided once for all with the same filter. */
import { joined } from "../hub/ring.ts";
import type { JobFilter } from "../log/event_log.ts";
import type { Epoch, JobId, JobKey } from "../sync/ids.ts";
import type { Job } from "../sync/job.ts";
import { isTerminal, type Status } from "../sync/status.ts";

/** A longer frame is a chunk of its own, which viewers of all filters share. */
const JOINED_BYTES_MAX = 4 * 1024;

/** What is asked of a job that has changed. Not all of it is kept: its `meta` may have a million characters. */
export type ChangedJob = Pick<Job, "tenant" | "id" | "epoch" | "seq" | "status" | "sync" | "tags">;

/** A job as it was at its last change. */
export interface Change {
  readonly key: JobKey;
  /** Undefined when it was removed. */
  readonly job: ChangedJob | undefined;
  /** Its frame, the same for everybody. */
  readonly bytes: Uint8Array;
  /** The change before it; undefined where it is not known, or where there was no job then. */
  readonly before:
    | { readonly number: number; readonly epoch: Epoch; readonly status: Status }
    | undefined;
}

/** Which jobs a viewer asks for and may see. */
export interface JobsFilter extends JobFilter {
  /** Filters of a tenant with the same name are the same: their viewers share what is made. */
  readonly name: string;
  /** Whether the viewer may see the job and asks for it, leaving aside its status. */
  readonly matches: (job: ChangedJob) => boolean;
  /** Whether to tell the viewer of a removed job of which only the id is known. */
  readonly missed: (id: JobId) => boolean;
}

/** A change, and what is told of it to a viewer that was not shown the job. */
export interface NewsItem {
  readonly change: Change;
  /** Undefined for nothing. */
  readonly usual: Uint8Array | undefined;
}

/**
 * A filter's changes after some number, without those of jobs of which its viewers neither were nor
 * are to be told. Viewers that have seen as much get the same object.
 */
export interface News {
  readonly items: readonly NewsItem[];
  /** The others are told as usual, and change nothing in which jobs a viewer was shown. */
  readonly unsure: readonly NewsItem[];
  /** All that is usual, as `chunksOf` gives it; made when the first viewer takes it. */
  chunks(): readonly Uint8Array[];
}

export const NO_NEWS: News = { items: [], unsure: [], chunks: () => [] };

/** The filter's news of these changes, to viewers that have seen all up to that number. */
export function newsOf(
  changes: readonly (Change | undefined)[],
  number: number,
  { tenant, statuses, matches, missed }: JobsFilter,
): News {
  const asked = (status: Status) => statuses?.includes(status) ?? true;
  const items: NewsItem[] = [];
  const unsure: NewsItem[] = [];
  for (const change of changes) {
    if (change?.key.tenant !== tenant) continue;
    const { key, job, bytes, before } = change;
    const matching = job !== undefined && matches(job);
    const told = job ? matching && asked(job.status) : missed(key.id);
    // Whoever has seen the change before was shown the job if it matches, and was not if it does not.
    const followed = job && before && before.number <= number && before.epoch === job.epoch;
    if (followed && !matching) continue;
    const item = { change, usual: told ? bytes : undefined };
    items.push(item);
    const sure = followed && told && asked(before.status) && !isTerminal(job.status);
    if (!sure) unsure.push(item);
  }
  let made: readonly Uint8Array[] | undefined;
  const chunks = () => chunksOf(items.flatMap(({ usual }) => usual ?? []));
  return { items, unsure, chunks: () => made ??= chunks() };
}

/**
 * The frames as few chunks. Short ones are joined; of the long ones, which together may have 64 MiB
 * and more, each filter would else have a copy.
 */
export function chunksOf(frames: readonly Uint8Array[]): readonly Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let short: Uint8Array[] = [];
  const join = () => {
    const chunk = joined(short);
    if (chunk) chunks.push(chunk);
    short = [];
  };
  for (const frame of frames) {
    if (frame.byteLength > JOINED_BYTES_MAX) {
      join();
      chunks.push(frame);
    } else short.push(frame);
  }
  join();
  return chunks;
}
