/** Follows one job's log for all of its viewers: each entry is read and encoded once. */
import { setImmediate } from "../event_loop.ts";
import type { Clock } from "../clock.ts";
import type { EventLog } from "../log/event_log.ts";
import { UnknownJobError } from "../log/log_errors.ts";
import type { Entry, LogLevel, Seq } from "../sync/entry.ts";
import { keyText } from "../sync/ids.ts";
import type { Job } from "../sync/job.ts";
import { isTerminal } from "../sync/status.ts";
import { FanOut, type Served } from "./fan_out.ts";
import type { Hub } from "./hub.ts";
import { type Chunk, Ring } from "./ring.ts";

/** Entries that the tail reads at a time. */
const PAGE = 500;
/**
 * How long the tail rests once it has served, in milliseconds for each follower: a chunk takes some
 * 10 us, so chunks take a tenth of the time at most. What comes meanwhile goes into one chunk.
 */
const REST_MS_A_FOLLOWER = 0.1;
/** The longest rest, in milliseconds: nobody who watches sees it. */
const REST_MS_MAX = 10;
/** A shorter rest is not taken, in milliseconds: no timer of the runtimes is finer. */
const REST_MS_MIN = 1;

/** A viewer that a tail serves. */
export interface Follower extends Served {
  /** Nothing more will come: the log could not be read, or serving this follower threw. */
  fail(cause: unknown): void;
}

/**
 * What the frames of a job's entries name, and never changes. Whoever follows a job keeps no more of
 * it: its `meta` may have a million characters.
 */
export type FollowedJob = Pick<Job, "tenant" | "id" | "epoch" | "sync">;

/** The part of the job that may be kept for long. */
export function followedJob({ tenant, id, epoch, sync }: FollowedJob): FollowedJob {
  return { tenant, id, epoch, sync };
}

export interface TailOptions {
  readonly log: EventLog;
  readonly hub: Hub;
  readonly clock: Clock;
  readonly job: Job;
  /** Entries in, one chunk of bytes for each out. */
  readonly encoder: TransformStream<Entry, Uint8Array>;
  /** Called when the last follower has left; the tail is closed by then. */
  readonly onIdle: () => void;
  /** As FanOutOptions.onServed. */
  readonly onServed?: (atMs: number) => void;
  /** Called with why the log could not be read, or a follower not be served. */
  readonly onFault: (cause: unknown) => void;
}

/**
 * Lives while somebody follows the job. It holds no promise while nothing happens: a wake-up has it
 * look at the log, at once where it has rested, and again after the look if more came meanwhile.
 */
export class Tail {
  /** The job, with the epoch of the log: one that is created again under the id has another. */
  readonly job: FollowedJob;
  readonly #log: EventLog;
  readonly #clock: Clock;
  readonly #ring: Ring;
  readonly #writer: WritableStreamDefaultWriter<Entry>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #followers = new Set<Follower>();
  readonly #stop: () => void;
  readonly #onIdle: () => void;
  readonly #onFault: (cause: unknown) => void;
  readonly #fanOut: FanOut<Follower>;
  #version = 0;
  /** Since when the oldest unread entry was to be read, by `monotonic()`, where it is known. */
  #grownMs: number | undefined;
  #reading: Promise<void> | undefined;
  #hurried = false;
  /** When it last had something for the followers, by `monotonic()`. */
  #servedMs = -Infinity;
  /** Ends the rest; undefined while it does not rest. */
  #callOff: (() => void) | undefined;
  #closed = false;
  #ended: boolean;
  #heardAtMs: number;
  #progressSeq: Seq;
  #failure: { readonly cause: unknown } | undefined;

  constructor(options: TailOptions) {
    const { job, encoder } = options;
    this.job = followedJob(job);
    this.#log = options.log;
    this.#clock = options.clock;
    this.#ring = new Ring(job.seq);
    this.#ended = isTerminal(job.status);
    this.#heardAtMs = job.heardAtMs;
    this.#progressSeq = job.progressSeq;
    this.#writer = encoder.writable.getWriter();
    this.#reader = encoder.readable.getReader();
    this.#onIdle = options.onIdle;
    this.#onFault = options.onFault;
    this.#fanOut = new FanOut({
      onServed: options.onServed,
      onFault: (cause, follower) => {
        this.#onFault(cause);
        follower.fail(cause);
      },
      clock: options.clock,
    });
    this.#stop = options.hub.listen(keyText(job), (grownMs) => this.#wake(grownMs));
  }

  /** Seq of the newest entry that the tail has. */
  get last(): Seq {
    return this.#ring.last;
  }

  /** Seq of the newest progress that it has; progress before it is superseded. */
  get progressSeq(): Seq {
    return this.#progressSeq;
  }

  /** Whether the newest entry is the terminal one. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Whether the log could not be read: a new viewer needs another tail. */
  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /** When the newest entry was appended, or the job created. */
  get heardAtMs(): number {
    return this.#heardAtMs;
  }

  /** How many follow. */
  get size(): number {
    return this.#followers.size;
  }

  /** Whether a cursor is too far behind for the ring, so that the log has to be read. */
  behind(cursor: Seq): boolean {
    return cursor < this.#ring.before;
  }

  /** As Ring.chunkAfter. */
  chunkAfter(cursor: Seq, logs: LogLevel | undefined): Chunk | undefined {
    return this.#ring.chunkAfter(cursor, logs);
  }

  join(follower: Follower): void {
    this.#followers.add(follower);
    // Nobody was woken here for entries appended since the job was looked at.
    this.#wake();
  }

  leave(follower: Follower): void {
    this.#fanOut.forget(follower);
    if (!this.#followers.delete(follower) || this.#followers.size > 0) return;
    this.#closed = true;
    this.#callOff?.();
    this.#stop();
    this.#onIdle();
  }

  /** Serves the follower as soon as there is more. */
  want(follower: Follower): void {
    if (this.#failure) follower.fail(this.#failure.cause);
    else this.#fanOut.wait(follower);
  }

  /** Serves all who wait with what the log has now, and rests no more: the server stops. */
  async hurry(): Promise<void> {
    this.#hurried = true;
    this.#callOff?.();
    this.#callOff = undefined;
    this.#wake();
    while (this.#reading) await this.#reading;
    this.#fanOut.flush();
  }

  #wake(grownMs?: number): void {
    this.#version++;
    this.#grownMs ??= grownMs;
    if (!this.#reading && !this.#callOff) this.#look();
  }

  #look(): void {
    if (this.#closed || this.#failure) return;
    const nowMs = this.#clock.monotonic();
    const restedMs = this.#servedMs + this.#restMs();
    if (restedMs > nowMs) return this.#rest(nowMs, restedMs);
    const seen = this.#version;
    this.#reading = this.#follow().catch((cause) => this.#fail(cause)).finally(() => {
      this.#reading = undefined;
      if (seen !== this.#version) this.#look();
    });
  }

  #restMs(): number {
    if (this.#hurried) return 0;
    const restMs = Math.min(this.#followers.size * REST_MS_A_FOLLOWER, REST_MS_MAX);
    return restMs < REST_MS_MIN ? 0 : restMs;
  }

  #rest(fromMs: number, toMs: number): void {
    this.#callOff = this.#clock.after(toMs - fromMs, () => {
      this.#callOff = undefined;
      if (this.#grownMs !== undefined) this.#grownMs = toMs; // the rest does not make it late
      this.#look();
    });
  }

  async #follow(): Promise<void> {
    let more = true;
    while (more && !this.#ended && !this.#closed) {
      const query = { after: this.#ring.last, limit: PAGE, logs: "debug" } as const;
      const page = await this.#log.read(this.job, query);
      if (page.job.epoch !== this.job.epoch) {
        throw new UnknownJobError(`Job "${this.job.id}" was removed and created again`);
      }
      const removed = Math.max(...page.job.trimmed);
      if (removed > this.#ring.last) {
        // Lines were removed before they were read here. Viewers that are not past them now read
        // from the log, which tells those that are owed them.
        this.#fanOut.flush();
        this.#ring.restart(removed);
        this.#fanOut.serve({ frames: 0, bytes: 0 });
      }
      await this.#encode(page.entries.filter(({ seq }) => seq > removed));
      more = page.more;
      // Viewers take what they were served before the next page comes: else they fall behind.
      if (more) await new Promise<void>(setImmediate);
    }
  }

  async #encode(entries: readonly Entry[]): Promise<void> {
    if (entries.length === 0) return;
    this.#servedMs = this.#clock.monotonic();
    const grownMs = this.#grownMs;
    this.#grownMs = undefined;
    const writes = entries.map((entry) => this.#writer.write(entry));
    const [bytes] = await Promise.all([this.#collect(entries), ...writes]);
    this.#fanOut.serve({ frames: entries.length, bytes, atMs: entries[0].atMs, grownMs });
  }

  /** Puts what the encoder makes of the entries into the ring. @returns its length in bytes */
  async #collect(entries: readonly Entry[]): Promise<number> {
    let bytes = 0;
    for (const entry of entries) {
      const { value } = await this.#reader.read();
      if (!value) throw new Error(`The encoder of job "${this.job.id}" ended by itself`);
      bytes += value.byteLength;
      this.#heardAtMs = entry.atMs;
      switch (entry.kind) {
        case "log":
          this.#ring.push(entry.seq, entry.level, value);
          break;
        case "progress":
          this.#ring.push(entry.seq, undefined, value);
          this.#progressSeq = entry.seq;
          if (isTerminal(entry.status)) this.#ended = true;
          break;
        default:
          // What a viewer has not asked for must not reach it: `wanted` says the same of reads.
          entry satisfies never;
      }
    }
    return bytes;
  }

  #fail(cause: unknown): void {
    this.#fanOut.flush();
    this.#failure = { cause };
    if (!(cause instanceof UnknownJobError)) this.#onFault(cause);
    for (const follower of [...this.#followers]) follower.fail(cause);
  }
}
