/** One viewer of many jobs. */
import type { Served } from "../hub/fan_out.ts";
import { frameBytes } from "../sse/sse_encoder_stream.ts";
import type { JobError, Seq } from "../sync/entry.ts";
import type { Epoch, JobId } from "../sync/ids.ts";
import type { Job } from "../sync/job.ts";
import { spacedJson } from "../sync/json.ts";
import { isTerminal, type Status, STATUSES } from "../sync/status.ts";
import { DELETED, faultBytes } from "./frames.ts";
import type { JobFeed } from "./job_feed.ts";
import { type Change, chunksOf, type NewsItem } from "./job_news.ts";
import type { JobPages, JobsWish, SnapshotPart } from "./job_pages.ts";
import { LiveStream } from "./live_stream.ts";

const ACTIVE = STATUSES.filter((status) => !isTerminal(status));
const ENDED = STATUSES.filter(isTerminal);

export interface JobsStreamOptions {
  readonly wish: JobsWish;
  readonly pages: JobPages;
  readonly feed: JobFeed;
  readonly retryMs: number;
  readonly onEnd: (stream: LiveStream) => void;
  readonly onFault: (cause: unknown) => void;
}

/** The state of a job that was shown last. A job created again under the id has another epoch. */
interface Shown {
  readonly epoch: Epoch;
  readonly seq: Seq;
}

/**
 * Sends every job that matches as it stands, page by page as the viewer reads; then whatever
 * changes. A job that has been shown is told of until its end, also when its status leaves the
 * filter. Counters never go back: a change is sent only if it is newer than what was shown.
 */
export class JobsStream extends LiveStream implements Served {
  readonly #options: JobsStreamOptions;
  readonly #parts: SnapshotPart[];
  /** Shown jobs of which a change may still come. */
  readonly #shown = new Map<JobId, Shown>();
  #seen = 0;
  /** How many looks the feed had begun when the last page of the snapshot came. */
  #looks = 0;
  /** Whether all has been seen that the snapshot may have shown before the feed told of it. */
  #settled = false;
  #stop: (() => void) | undefined;

  constructor(options: JobsStreamOptions) {
    const connected = { type: "connected", resume: "snapshot" };
    super(
      frameBytes({ retryMs: options.retryMs, data: spacedJson(connected) }),
      options.onEnd,
    );
    this.#options = options;
    const { statuses, endedMax } = options.wish;
    const asked = (some: readonly Status[]) =>
      some.filter((status) => statuses?.includes(status) ?? true);
    this.#parts = [
      { statuses: asked(ACTIVE), left: Infinity, cursor: undefined },
      { statuses: asked(ENDED), left: endedMax, cursor: undefined },
    ].filter(({ statuses, left }) => statuses.length > 0 && left > 0);
  }

  override refuse(error: JobError): void {
    this.part(faultBytes(undefined, error));
  }

  protected override began(): void {
    this.#stop = this.#options.feed.watch(this);
    this.#seen = this.#options.feed.last;
    if (this.#parts.length === 0) this.#parts.push({ statuses: [], left: 0, cursor: undefined });
  }

  protected override ended(): void {
    this.#stop?.();
  }

  protected override next(): Promise<void> | void {
    if (this.#parts.length > 0) return this.#snapshot();
    const taken = this.#take();
    if (taken === undefined) return this.pull(); // which sends the farewell
    if (taken) return;
    this.want();
    this.#options.feed.wait(this);
  }

  /** Called by the feed when there is more. */
  serve(): void {
    if (this.over || !this.wants) return;
    const taken = this.#take();
    if (taken) this.served();
    else if (taken === false) this.#options.feed.wait(this);
  }

  /** Sends what one page shows; where that is nothing, the next pull goes on. Never rejects. */
  async #snapshot(): Promise<void> {
    const { feed, pages, wish } = this.#options;
    const [part] = this.#parts;
    try {
      const { jobs, chunk, nextCursor } = await pages.of(wish, part, this.#parts.length === 1);
      if (this.over) return;
      part.left -= jobs.length;
      part.cursor = nextCursor ?? undefined;
      if (nextCursor === null || part.left === 0) this.#parts.shift();
      for (const job of jobs) this.#show(job);
      this.#looks = feed.looks;
      if (chunk) return this.enqueue(chunk);
    } catch (cause) {
      this.#options.onFault(cause);
      this.refuse(FAULT);
    }
    return this.pull(); // a heartbeat or a farewell may be due, and nobody is cut meanwhile
  }

  #show(job: Job): void {
    const { id, epoch, seq } = job;
    // A job that is over is remembered only while the feed still has its end to tell.
    if (!isTerminal(job.status) || this.#options.feed.owes(job, this.#seen)) {
      this.#shown.set(id, { epoch, seq });
    } else this.#shown.delete(id);
  }

  /** Sends what has changed; false when nothing has, undefined when too much was missed. */
  #take(): boolean | undefined {
    const { feed, retryMs, wish } = this.#options;
    const news = feed.after(this.#seen, wish);
    if (!news) {
      this.sendAway(retryMs); // it comes back to a fresh snapshot
      return undefined;
    }
    this.#seen = feed.last;
    const unusual = new Map<NewsItem, Uint8Array | undefined>();
    for (const item of this.#settled ? news.unsure : news.items) {
      const bytes = this.#toldOf(item.change);
      if (bytes !== item.usual) unusual.set(item, bytes);
    }
    this.#settled ||= feed.hasTold(this.#looks);
    const chunks = unusual.size === 0 ? news.chunks() : chunksOf(
      news.items.flatMap((item) => (unusual.has(item) ? unusual.get(item) : item.usual) ?? []),
    );
    for (const chunk of chunks) this.enqueue(chunk);
    return chunks.length > 0;
  }

  /** What the viewer is told of the change; undefined for nothing. */
  #toldOf({ key, job, bytes, before }: Change): Uint8Array | undefined {
    const { statuses, matches, missed } = this.#options.wish;
    const shown = this.#shown.get(key.id);
    if (!job) return this.#shown.delete(key.id) || missed(key.id) ? bytes : undefined;
    const asks = (status: Status) => statuses?.includes(status) ?? true;
    if (!matches(job) || (shown === undefined && !asks(job.status))) {
      // A job that was shown has matched: it is gone, and another has its id. Of one that was over
      // only the feed knows.
      const gone = this.#shown.delete(key.id) ||
        (before && before.epoch !== job.epoch && asks(before.status) && missed(key.id));
      return gone ? faultBytes(key.id, DELETED) : undefined;
    }
    if (shown?.epoch === job.epoch && job.seq <= shown.seq) return undefined;
    if (isTerminal(job.status)) this.#shown.delete(key.id);
    else this.#shown.set(key.id, { epoch: job.epoch, seq: job.seq });
    return bytes;
  }
}

const FAULT: JobError = {
  code: "stream_fault",
  message: "The stream broke inside the server. The jobs go on; reconnect to follow them.",
};
