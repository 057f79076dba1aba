/** Runs one source for one job, from its first entry to its terminal one. */
import { atMost, type Clock, sleep } from "../clock.ts";
import type { EventLog } from "../log/event_log.ts";
import { isUnstored, JobEndedError, UnknownJobError } from "../log/log_errors.ts";
import {
  type JobSource,
  SourceCancelled,
  SourceError,
  type SourceEvent,
} from "../sources/source.ts";
import type { JobError } from "../sync/entry.ts";
import type { JobKey } from "../sync/ids.ts";
import { NO_PROGRESS, type Progress } from "../sync/progress.ts";
import { advance, begin, end, type Ending, INTERNAL, renew, storageError } from "./changes.ts";
import { Meter } from "./meter.ts";
import { Throttle, type Throttled } from "./throttle.ts";

/** A running job is lost when its runner has not renewed the lease for this long. */
export const LEASE_MS = 30_000;
const RENEW_MS = LEASE_MS / 3;

export interface RunOptions {
  readonly log: EventLog;
  readonly clock: Clock;
  readonly key: JobKey;
  readonly source: JobSource;
  readonly progressIntervalMs: number;
  /** Called with faults of which viewers get only the code. */
  readonly onFault: (cause: unknown) => void;
  /** Called when the end could not be stored for a minute; left out, it is tried until `stop`. */
  readonly onUnended?: (cause: unknown) => void;
}

/** Why a job is to stop. */
export interface Stop {
  /** The job's error when the server stops; then a full disk is not waited for. */
  readonly reason?: JobError;
  /** Of the request that asked for it; the first one is kept. */
  readonly requestId?: string;
}

/** How long a source may take to end after its signal, unless it asks for more, in milliseconds. */
const STOP_MS = 1_000;
const OVERDUE = Symbol("overdue");

/** How often the end is tried again on a disk that is full or fails, in milliseconds. */
const FULL_MS = 5_000;
/** Tries in a minute, for whoever does not wait for longer. */
const TRIES_MAX = 13;

/** A job in this process. `done` resolves when its end is committed or left, and never rejects. */
export class JobRunner {
  readonly done: Promise<void>;
  readonly #options: RunOptions;
  readonly #stop = new AbortController();
  /** Fires when the server stops: an end that cannot be stored is left to the next start. */
  readonly #abandoned = new AbortController();
  readonly #meter = new Meter();
  #progress: Progress = NO_PROGRESS;
  #stopped: Stop = {};
  /** Appends in the order of their events; the first failure stops the source. */
  #writes: Promise<void> = Promise.resolve();
  #broken: { readonly cause: unknown } | undefined;
  #callOffRenewal: (() => void) | undefined;
  #callOffOverdue: (() => void) | undefined;
  #overdue = false;
  readonly #unstored = Promise.withResolvers<void>();
  /** Stops waiting for the source's next event. */
  #giveUp: (() => void) | undefined;

  constructor(options: RunOptions) {
    this.#options = options;
    this.done = this.#run();
  }

  /** Resolves where the end could not be stored at once; it is tried again. */
  get unstored(): Promise<void> {
    return this.#unstored.promise;
  }

  /** Asks the source to end; the job ends as cancelled. */
  stop({ reason, requestId }: Stop): void {
    this.#stopped = {
      reason: this.#stop.signal.aborted ? this.#stopped.reason : reason, // the first to ask is why
      requestId: this.#stopped.requestId ?? requestId,
    };
    if (reason) this.#abandoned.abort();
    this.#stop.abort();
  }

  async #run(): Promise<void> {
    this.#renewLater();
    const ending = await this.#follow();
    this.#callOffOverdue?.();
    await this.#end(ending);
    this.#callOffRenewal?.();
  }

  /** Stores the end; tries again on a disk that does not take it. */
  async #end(ending: Ending): Promise<void> {
    const { log, key, clock, onFault, onUnended } = this.#options;
    for (let tries = 1;; tries++) {
      try {
        await log.append(key, end(ending), {
          urgent: true,
          requestId: ending.status === "cancelled" ? this.#stopped.requestId : undefined,
        });
        return;
      } catch (cause) {
        if (tries === 1) onFault(cause);
        if (!isUnstored(cause) || this.#abandoned.signal.aborted) return;
        this.#unstored.resolve();
        if (onUnended && tries === TRIES_MAX) return onUnended(cause);
      }
      await sleep(clock, FULL_MS, this.#abandoned.signal);
    }
  }

  async #follow(): Promise<Ending> {
    const { log, key, source, clock, progressIntervalMs } = this.#options;
    const signal = this.#stop.signal;
    const throttle = new Throttle(clock, progressIntervalMs, (event) => this.#append(event));
    try {
      await log.append(key, begin);
      // Its signal has fired already, so nothing would tell when a source is overdue.
      if (signal.aborted) return this.#endingAfter(throttle);
      for await (const event of this.#untilOverdue(source.run({ signal, clock }))) {
        if (event.type === "log") throttle.log(event);
        else {
          this.#progress = this.#meter.read(event, clock.monotonic());
          throttle.progress(event);
        }
        await this.#writes;
        if (this.#broken) throw this.#broken.cause;
      }
      return this.#endingAfter(throttle);
    } catch (cause) {
      if (signal.aborted && !this.#broken) return this.#endingAfter(throttle);
      await this.#letOut(throttle);
      return this.#failed(cause);
    }
  }

  /** The source's events, until it ends or is overdue after its signal. */
  async *#untilOverdue(
    events: ReturnType<JobSource["run"]>,
  ): AsyncGenerator<SourceEvent, void, void> {
    this.#watchOverdue();
    // Nobody takes its further events. One that is overdue is told to end, but not waited for.
    const leave = () => events.return().catch(this.#options.onFault);
    for (;;) {
      const next = await this.#next(events);
      if (next === OVERDUE) {
        leave();
        const message = `A source did not stop within ${this.#stopMs} ms of its signal`;
        return this.#options.onFault(new Error(message));
      }
      if (next.done) return;
      try {
        yield next.value;
      } finally {
        // Its job is over only then, so no other run begins beside it.
        if (this.#broken) await atMost(this.#options.clock, this.#stopMs, leave());
      }
    }
  }

  get #stopMs(): number {
    return this.#options.source.stopMs ?? STOP_MS;
  }

  #watchOverdue(): void {
    this.#stop.signal.addEventListener("abort", () => {
      this.#callOffOverdue = this.#options.clock.after(this.#stopMs, () => {
        this.#overdue = true;
        this.#giveUp?.();
      });
    }, { once: true });
  }

  /** Not by Promise.race: each would leave a reaction on the promise that outlives them all. */
  #next(
    events: ReturnType<JobSource["run"]>,
  ): Promise<IteratorResult<SourceEvent, void> | typeof OVERDUE> {
    return new Promise((resolve, reject) => {
      this.#giveUp = () => resolve(OVERDUE);
      events.next().then(resolve, reject);
      if (this.#overdue) this.#giveUp();
    });
  }

  async #endingAfter(throttle: Throttle): Promise<Ending> {
    await this.#letOut(throttle);
    if (this.#broken) return this.#failed(this.#broken.cause);
    const status = this.#stop.signal.aborted ? "cancelled" : "completed";
    return { status, error: this.#stopped.reason, progress: this.#progress };
  }

  /** Appends what the throttle holds back. */
  async #letOut(throttle: Throttle): Promise<void> {
    throttle.end();
    await this.#writes;
  }

  #failed(cause: unknown): Ending {
    const status = cause instanceof SourceCancelled ? "cancelled" : "failed";
    return { status, error: this.#tell(cause), progress: this.#progress };
  }

  #append(event: Throttled): void {
    const { log, key, clock } = this.#options;
    const decide = event.type === "progress"
      ? advance(this.#progress, clock.now() + LEASE_MS)
      : () => {
        const { type: _, ...line } = event;
        return { facts: [{ kind: "log" as const, ...line }] };
      };
    this.#writes = this.#writes.then(async () => {
      if (!this.#broken) await log.append(key, decide);
    }).catch((cause) => this.#break(cause));
  }

  /** The log takes no more of this job: somebody else has ended it, or it cannot be written. */
  #break(cause: unknown): void {
    this.#broken ??= { cause };
    this.#stop.abort();
  }

  #tell(cause: unknown): JobError {
    if (cause instanceof SourceError) return { code: cause.code, message: cause.message };
    const unstored = storageError(cause);
    if (unstored) return unstored;
    if (!(cause instanceof JobEndedError)) this.#options.onFault(cause);
    return INTERNAL;
  }

  #renewLater(): void {
    const { log, key, clock, onFault } = this.#options;
    this.#callOffRenewal = clock.after(RENEW_MS, () => {
      log.append(key, renew(clock.now() + LEASE_MS)).catch((cause) => {
        // A full disk is reported where it stops the job; one that is removed meanwhile is no fault.
        if (!isUnstored(cause) && !(cause instanceof UnknownJobError)) onFault(cause);
      });
      this.#renewLater();
    });
  }
}
