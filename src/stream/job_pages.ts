/** The snapshots of viewers of many jobs, page by page. */
import { setImmediate } from "../event_loop.ts";
import { joined } from "../hub/ring.ts";
import { type EventLog, type JobPage, LIST_LIMIT_MAX } from "../log/event_log.ts";
import { frameBytes } from "../sse/sse_encoder_stream.ts";
import type { JobId } from "../sync/ids.ts";
import type { Job } from "../sync/job.ts";
import { spacedJson } from "../sync/json.ts";
import type { Status } from "../sync/status.ts";
import { listedBytes } from "./frames.ts";
import type { JobsFilter } from "./job_news.ts";
import type { Right } from "./rights.ts";

const NO_JOBS: JobPage = { items: [], nextCursor: null };
/** Turns of the event loop after which a committed change has reached the feed. */
const TURNS = 3;

/** Which jobs a viewer asks for. */
export interface JobsWish extends JobsFilter {
  /** Only this job. */
  readonly jobId: JobId | undefined;
  /** Most jobs that are over in the snapshot. */
  readonly endedMax: number;
  readonly right?: Right;
}

/** A part of the snapshot that is still to be listed. */
export interface SnapshotPart {
  readonly statuses: readonly Status[];
  left: number;
  cursor: string | undefined;
}

/** Jobs that match, as they stood when they were listed. */
interface Listed {
  readonly jobs: readonly Job[];
  /** Their frames in one chunk, at the end of the snapshot with `COMPLETE`; undefined for none. */
  readonly chunk: Uint8Array | undefined;
  readonly nextCursor: string | null;
}

/**
 * Lists and encodes the pages of snapshots. Viewers that come together share them: who asks for a
 * page while it is being listed waits for the next listing, which is one for all that wait.
 */
export class JobPages {
  readonly #log: EventLog;
  readonly #listings = new Map<string, Promise<Listed>>();
  readonly #next = new Map<string, Promise<Listed>>();

  constructor(log: EventLog) {
    this.#log = log;
  }

  /**
   * The page as it stands now or later; by then all that it shows has reached the feed.
   *
   * @param last whether the snapshot ends with this part
   */
  of(wish: JobsWish, part: SnapshotPart, last: boolean): Promise<Listed> {
    const place = JSON.stringify([wish.tenant, wish.name, part, last]);
    const list = () => {
      this.#next.delete(place);
      const listing = this.#list(wish, part, last).finally(() => this.#listings.delete(place));
      this.#listings.set(place, listing);
      return listing;
    };
    const listing = this.#listings.get(place);
    const waiting = this.#next.get(place);
    if (waiting || !listing) return waiting ?? list();
    const next = listing.then(list, list);
    this.#next.set(place, next);
    return next;
  }

  async #list(wish: JobsWish, part: SnapshotPart, last: boolean): Promise<Listed> {
    const { items, nextCursor } = part.left === 0 ? NO_JOBS : await this.#page(wish, part);
    // What the page shows has reached the feed by then, and a long search lets others work.
    for (let turn = 0; turn < TURNS; turn++) await new Promise<void>(setImmediate);
    const jobs = items.filter(wish.matches).slice(0, part.left);
    const frames = jobs.map(listedBytes);
    if (last && (nextCursor === null || jobs.length === part.left)) frames.push(COMPLETE);
    return { jobs, chunk: joined(frames), nextCursor };
  }

  async #page(wish: JobsWish, { statuses, cursor }: SnapshotPart): Promise<JobPage> {
    const { tenant, syncId, jobId } = wish;
    if (jobId === undefined) {
      return await this.#log.list({ tenant, syncId, statuses, limit: LIST_LIMIT_MAX, cursor });
    }
    const job = await this.#log.get({ tenant, id: jobId });
    return job && statuses.includes(job.status) ? { items: [job], nextCursor: null } : NO_JOBS;
  }
}

/** A heartbeat that says that every job has been shown once. */
const COMPLETE = frameBytes({
  data: spacedJson({ type: "heartbeat", snapshot_complete: true }),
});
