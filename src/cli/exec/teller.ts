/** Reports the program's job: events are thinned, stored in the spool and sent to the server. */
import { type Clock, sleep } from "../../clock.ts";
import type { Spool } from "../../client/spool.ts";
import { INTERVAL_MS, SpoolDelivery, type Told } from "../../client/spool_delivery.ts";
import type { SpoolDirectory } from "../../client/spool_directory.ts";
import type { SpooledEvent } from "../../client/spool_store.ts";
import { Throttle, type Throttled } from "../../jobs/throttle.ts";
import { reasonOf } from "../../reason.ts";
import type { SourceEvent, SourceProgress } from "../../sources/source.ts";
import type { JobError } from "../../sync/entry.ts";
import { NO_PROGRESS } from "../../sync/progress.ts";
import type { TerminalStatus } from "../../sync/status.ts";
import { JobEvents } from "./job_events.ts";
import type { Target } from "./target.ts";

/** How long the end waits for the server, in milliseconds. */
export const END_MS = 5_000;

export interface TellerOptions {
  readonly spool: Spool;
  /** Other processes' spools are sent too once the server has answered; undefined for none. */
  readonly directory: SpoolDirectory | undefined;
  readonly target: Target;
  readonly clock: Clock;
  readonly leaseMs: number | undefined;
  readonly onCancel: () => void;
  readonly onFault: (words: string) => void;
}

const NOTHING_YET: SourceProgress = { type: "progress", ...NO_PROGRESS };

/** Thins events, stores them in the spool, and delivers it until the job has ended. */
export class Teller {
  readonly #options: TellerOptions;
  readonly #events = new JobEvents();
  readonly #throttle: Throttle;
  /** Events of this turn, which are not stored yet. */
  readonly #fresh: SpooledEvent[] = [];
  readonly #delivery: SpoolDelivery;
  readonly #leave = new AbortController();
  readonly #told: Promise<Told>;
  #flushed: Promise<unknown> = Promise.resolve();
  #reached = false;
  #over = false;

  constructor(options: TellerOptions) {
    this.#options = options;
    const { spool, target, clock, leaseMs, onCancel, onFault } = options;
    this.#throttle = new Throttle(clock, INTERVAL_MS, (event) => this.#take(event));
    this.#delivery = new SpoolDelivery({
      spool,
      endpoint: target.endpoint,
      clock,
      leaseMs,
      onCancel,
      onFault,
      onInterval: (ms) => {
        this.#throttle.every(ms);
        this.#flushOnce();
      },
    });
    // The job has begun even when the program says nothing.
    spool.append("progress", this.#events.progress(NOTHING_YET));
    this.#told = this.#delivery.run(this.#leave.signal).then((told) => {
      // When it is left, later events and the end are still stored, for another process to send.
      this.#over ||= told !== "left";
      return told;
    });
  }

  /** Never throws. */
  event(event: SourceEvent): void {
    if (event.type === "log") this.#throttle.log(event);
    else this.#throttle.progress(event);
  }

  /** Why the last request has failed, in words; undefined when it was answered or had no server. */
  get reason(): string | undefined {
    return this.#delivery.reason;
  }

  /**
   * Ends the job and waits for the server, for 5 s at most or until the signal fires.
   *
   * @returns `left` when the server does not know of the end yet: the spool keeps it
   */
  async end(
    status: TerminalStatus,
    error: JobError | undefined,
    signal: AbortSignal,
  ): Promise<Told> {
    const { spool, clock } = this.#options;
    this.#throttle.end();
    this.#store();
    if (!this.#over) spool.append("end", this.#events.end(status, error));
    this.#delivery.hurry();
    const leave = new AbortController();
    const late = sleep(clock, END_MS, AbortSignal.any([signal, leave.signal]));
    const told = await Promise.race([this.#told, late]) ?? "left";
    if (told === "delivered") await Promise.race([this.#flushed, late]);
    leave.abort();
    this.#over = true;
    this.#leave.abort();
    if (told === "left") spool.close();
    return told;
  }

  /**
   * Events that come at once, as the lines of one chunk do, are stored together: on a slow disk
   * each commit holds the program's output up.
   */
  #take(event: Throttled): void {
    const { type } = event;
    const body = type === "log"
      ? this.#events.log(event, this.#options.clock.now())
      : this.#events.progress(event);
    if (this.#fresh.push({ kind: type, body }) === 1) queueMicrotask(() => this.#store());
  }

  /** Stores what is not stored yet. Never throws. */
  #store(): void {
    const events = this.#fresh.splice(0);
    if (events.length === 0 || this.#over) return;
    const { spool, onFault } = this.#options;
    try {
      spool.appendAll(events);
      this.#delivery.nudge();
    } catch (cause) {
      // Neither the disk nor memory takes it, and here nobody else could catch that.
      this.#over = true;
      onFault(`nothing more can be told of this run: ${reasonOf(cause)}`);
    }
  }

  /** Starts to send other processes' spools, once. */
  #flushOnce(): void {
    if (this.#reached) return;
    this.#reached = true;
    const { directory, target, clock, onFault } = this.#options;
    if (!directory) return;
    const { server, keyPrint, endpoint } = target;
    const { signal } = this.#leave;
    this.#flushed = directory.flush({ server, keyPrint, endpoint, clock, signal, onFault }).catch(
      (cause) => onFault(`Cannot send what other processes have left: ${reasonOf(cause)}`),
    );
  }
}
