/** Pages of the log for viewers that are behind: read in turns, shared by equal queries. */
import { setImmediate } from "../event_loop.ts";
import type { FollowedJob } from "../hub/tail.ts";
import type { EventLog } from "../log/event_log.ts";
import { frameBytes } from "../sse/sse_encoder_stream.ts";
import type { LogLevel, Seq } from "../sync/entry.ts";
import { keyText } from "../sync/ids.ts";
import type { Job } from "../sync/job.ts";
import { entryFrames } from "./frames.ts";

/** Entries on a page. */
export const PAGE = 100;
/** Kept pages given in one turn of the loop. */
const KEPT_A_TURN = 8;
/** Most bytes of pages that are kept for others. */
export const KEPT_BYTES_MAX = 8 * 1024 * 1024;

export interface ReplayQuery {
  readonly job: FollowedJob;
  readonly after: Seq;
  readonly logs: LogLevel | undefined;
  /** Superseded progress below this seq is left out. */
  readonly mergeBelow: Seq;
  /** Whether nobody waits for the page any more. */
  readonly over: () => boolean;
}

export interface ReplayPage {
  /** Undefined when nothing up to `through` is for this viewer. */
  readonly bytes: Uint8Array | undefined;
  /** The position that the viewer has reached with it. */
  readonly through: Seq;
  /** The job as it was when the page was read. */
  readonly job: Pick<Job, "epoch" | "status" | "seq" | "trimmed">;
}

interface Waiting {
  readonly query: ReplayQuery;
  readonly resolve: (page: ReplayPage | undefined) => void;
  readonly reject: (cause: unknown) => void;
}

/**
 * Reading and encoding a page blocks the event loop for milliseconds, and a viewer that has taken
 * one asks for the next in the same turn. So one page is read in a turn: else a thousand viewers
 * that resume at once would hold up all others until each of them has everything.
 *
 * Entries never change, so a kept page stays right. Where no entry is left out pages end at
 * multiples of PAGE: a thousand viewers that were cut off together cost one reading.
 */
export class ReplayPages {
  readonly #log: EventLog;
  readonly #kept = new Map<string, ReplayPage>();
  #keptBytes = 0;
  #waiting: Waiting[] = [];
  #armed = false;

  constructor(log: EventLog) {
    this.#log = log;
  }

  /**
   * The entries after a position, first come, first served; undefined when the query is `over` by
   * its turn.
   *
   * @throws as EventLog.read
   */
  next(query: ReplayQuery): Promise<ReplayPage | undefined> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ query, resolve, reject });
      this.#arm();
    });
  }

  #arm(): void {
    if (this.#armed || this.#waiting.length === 0) return;
    this.#armed = true;
    setImmediate(() => {
      this.#turn().finally(() => {
        this.#armed = false;
        this.#arm();
      });
    });
  }

  async #turn(): Promise<void> {
    for (let given = 0; given < KEPT_A_TURN;) {
      const next = this.#waiting.shift();
      if (!next) return;
      const { query, resolve, reject } = next;
      if (query.over()) {
        resolve(undefined);
        continue;
      }
      const key = keyOf(query);
      const kept = this.#kept.get(key);
      if (!kept) return await this.#read(key, query).then(resolve, reject);
      this.#kept.delete(key);
      this.#kept.set(key, kept); // last in the map, so dropped last
      resolve(kept);
      given++;
    }
  }

  async #read(key: string, query: ReplayQuery): Promise<ReplayPage> {
    const { job, after, logs, mergeBelow } = query;
    const limit = PAGE - after % PAGE;
    const page = await this.#log.read(job, { after, limit, logs, mergeBelow });
    const frames = page.entries.flatMap((entry) => entryFrames(job, entry));
    const bytes = frames.length > 0 ? frameBytes(...frames) : undefined;
    const { epoch, status, seq, trimmed } = page.job;
    const read = { bytes, through: page.through, job: { epoch, status, seq, trimmed } };
    this.#keep(key, read);
    return read;
  }

  #keep(key: string, page: ReplayPage): void {
    this.#kept.set(key, page);
    this.#keptBytes += sizeOf(page);
    for (const [oldest, old] of this.#kept) {
      if (this.#keptBytes <= KEPT_BYTES_MAX) return;
      this.#kept.delete(oldest);
      this.#keptBytes -= sizeOf(old);
    }
  }
}

function keyOf({ job, after, logs, mergeBelow }: ReplayQuery): string {
  return `${keyText(job)} ${job.epoch} ${after} ${logs} ${mergeBelow > after ? mergeBelow : 0}`;
}

/** Bytes that the page takes, with 1 KiB for what is not frames. */
function sizeOf({ bytes }: ReplayPage): number {
  return 1024 + (bytes?.byteLength ?? 0);
}
