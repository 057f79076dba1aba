/** All open streams of this process: opens them, beats for them, sends them away. */
import { type Clock } from "../clock.ts";
import type { Hub } from "../hub/hub.ts";
import { Tails } from "../hub/tails.ts";
import type { EventLog } from "../log/event_log.ts";
import type { LogLevel } from "../sync/entry.ts";
import type { JobKey } from "../sync/ids.ts";
import type { Job } from "../sync/job.ts";
import { openAt } from "./cursor.ts";
import { comeBackBytes, entryEncoder, openingBytes } from "./frames.ts";
import { HeartbeatWheel } from "./heartbeat_wheel.ts";
import { Subscription } from "./subscription.ts";

export interface ViewersOptions {
  readonly log: EventLog;
  readonly hub: Hub;
  readonly clock: Clock;
  readonly heartbeatMs: number;
  /** What clients are told to wait before they reconnect. */
  readonly retryMs: number;
  readonly mergeAfter: number;
  /** Told when a stream broke inside the server. */
  readonly onFault: (cause: unknown) => void;
}

/** What a viewer asks for. */
export interface Wish {
  /** The Last-Event-ID as sent; undefined for none. */
  readonly cursor: string | undefined;
  readonly logs: LogLevel | undefined;
}

export class Viewers {
  readonly #options: ViewersOptions;
  readonly #tails: Tails;
  readonly #wheel: HeartbeatWheel;
  readonly #open = new Map<Subscription, () => void>();
  #draining = false;

  constructor(options: ViewersOptions) {
    this.#options = options;
    this.#tails = new Tails(options.log, options.hub, entryEncoder);
    this.#wheel = new HeartbeatWheel(options.clock, options.heartbeatMs);
  }

  /** Opens a stream of the job's frames; undefined when the cursor stands at its end (204). */
  async subscribe(job: Job, wish: Wish): Promise<ReadableStream<Uint8Array> | undefined> {
    const opening = openAt(job, wish.cursor);
    if (opening.kind === "over") return undefined;
    if (this.#draining) return once(comeBackBytes(this.#jittered()));
    const gap = opening.resume === "gap";
    const firstSeq = gap && job.seq > 0 ? await this.#options.log.firstSeq(job) : undefined;
    const { log, retryMs, mergeAfter, onFault } = this.#options;
    const subscription = new Subscription({
      job,
      log,
      tail: this.#tails.of(job),
      opening: openingBytes(job, { ...opening, requested: wish.cursor, firstSeq, retryMs }),
      cursor: opening.cursor,
      logs: wish.logs,
      mergeAfter,
      onFault,
      onEnd: (ended) => this.#forget(ended),
    });
    this.#open.set(subscription, this.#wheel.add(subscription));
    return subscription.stream();
  }

  /** How many watch the job. */
  of(key: JobKey): number {
    return this.#tails.viewers(key);
  }

  /** How many streams are open. */
  get size(): number {
    return this.#open.size;
  }

  /**
   * Asks every viewer to come back and breaks its connection off once it has read that; whoever
   * has not by `graceMs` is broken off unread. Resolves when no stream is open.
   */
  async drain(graceMs: number): Promise<void> {
    this.#draining = true;
    const gone = new Promise<void>((resolve) => this.#onEmpty = resolve);
    for (const subscription of [...this.#open.keys()]) subscription.sendAway(this.#jittered());
    if (this.#open.size === 0) return;
    const callOff = this.#options.clock.after(graceMs, () => {
      for (const subscription of [...this.#open.keys()]) subscription.abort();
    });
    await gone;
    callOff();
  }

  #onEmpty: () => void = () => {};

  #forget(subscription: Subscription): void {
    this.#open.get(subscription)?.();
    this.#open.delete(subscription);
    if (this.#open.size === 0) this.#onEmpty();
  }

  /** From one to two times retryMs, so that those who are sent away together come back apart. */
  #jittered(): number {
    return Math.round(this.#options.retryMs * (1 + Math.random()));
  }
}

/** One chunk, and then the connection breaks off. */
function once(chunk: Uint8Array): ReadableStream<Uint8Array> {
  let sent = false;
  return new ReadableStream({
    pull(controller) {
      if (!sent) {
        sent = true;
        controller.enqueue(chunk);
      } else setTimeout(() => controller.error(new Error("The server is stopping")), 0);
    },
  }, { highWaterMark: 0 });
}
