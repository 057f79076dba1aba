/**
 * For workers in TypeScript: shows on a synctail server, live, what a sync is doing. Runs on Deno,
 * Bun and Node 20. The contract on the wire is docs/workers.md.
 */
import { setTimeout } from "node:timers";
import { type Clock, systemClock } from "../clock.ts";
import type { LogLevel } from "../sync/entry.ts";
import type { TerminalStatus } from "../sync/status.ts";
import { textOf } from "./clip.ts";
import type { Endpoint } from "./delivery.ts";
import { fetchAsWorker } from "./fetch_from.ts";
import { type JobDescription, type NewJob, newJob } from "./new_job.ts";
import { type End, Outbox } from "./outbox.ts";
import { OutboxDelivery, type StopReason } from "./outbox_delivery.ts";
import type { Counter, Totals } from "./running_totals.ts";

/** How long `end` waits for the server, in milliseconds. */
const END_MS = 5_000;
/** How long an attached producer waits for its job to be created, in milliseconds. */
const CREATED_MS = 30_000;

export interface ProducerOptions {
  /** `https://host/prefix` */
  readonly server: string;
  /** An API key with the scope `write`. */
  readonly key: string;
  /**
   * Called, with words for people: when the server does not answer (after three tries, and not
   * again until it has answered), at the first event that it refuses, and when nothing more can be
   * sent.
   */
  readonly onFault?: (message: string) => void;
  /** Another way to send requests: through a proxy, or a test's own. */
  readonly fetch?: typeof fetch;
  readonly clock?: Clock;
}

/** A job, and the server that it is reported to. */
export type JobOptions = ProducerOptions & JobDescription;

/** Why `signal` has fired. */
export class StoppedError extends Error {
  override readonly name = "StoppedError";
  readonly why: StopReason;

  constructor(why: StopReason) {
    super(`The job is to stop: ${why}`);
    this.why = why;
  }
}

/** Creates a job, in the background, and begins to report it. */
export function openJob(options: JobOptions): Producer {
  const id = options.id ?? crypto.randomUUID();
  return new Producer(id, options, newJob(id, options));
}

/** One more worker of a job that somebody else creates and ends; its counts are added. */
export function attachJob(id: string, options: ProducerOptions): Producer {
  return new Producer(id, options, undefined);
}

/**
 * Does the work as a job: completed when it returns, failed when it throws, cancelled when either
 * happens after somebody has cancelled the job. What it returns or throws is passed on.
 */
export async function runJob<Result>(
  options: JobOptions,
  work: (job: Producer) => Promise<Result>,
): Promise<Result> {
  const job = openJob(options);
  try {
    const result = await work(job);
    await job.end(job.cancelled ? "cancelled" : "completed");
    return result;
  } catch (cause) {
    await job.end(job.cancelled ? "cancelled" : "failed", failureOf(cause));
    throw cause;
  }
}

/** The error of a job, made from anything that was thrown. */
function failureOf(cause: unknown): End["error"] {
  if (!(cause instanceof Error)) return { code: "Error", message: textOf(cause) };
  const code = textOf(cause.name);
  return { code, message: textOf(cause.message) || code };
}

/** Reports one job. Only `end` waits for the network, and no call throws or rejects. */
export class Producer {
  readonly id: string;
  readonly #attached: boolean;
  readonly #clock: Clock;
  /** Keeps the process alive while `end` waits. */
  readonly #endClock: Clock;
  readonly #outbox = new Outbox();
  readonly #stop = new AbortController();
  readonly #delivery: OutboxDelivery;

  /** Use openJob or attachJob. @param created undefined where another creates the job */
  constructor(id: string, options: ProducerOptions, created: NewJob | undefined) {
    this.id = id;
    this.#attached = created === undefined;
    const clock = this.#clock = options.clock ?? quietClock;
    this.#endClock = options.clock ?? systemClock;
    const untilMs = clock.monotonic() + CREATED_MS;
    const endpoint: Endpoint = {
      server: textOf(options.server ?? ""),
      key: textOf(options.key ?? "").trim(),
      fetch: options.fetch ?? fetchAsWorker,
      clock,
      leaseMs: created?.leaseMs,
      // Whoever creates the job does so in the background, and may be late.
      mayPass: (status) => status === 404 && created === undefined && clock.monotonic() < untilMs,
    };
    this.#delivery = new OutboxDelivery({
      outbox: this.#outbox,
      endpoint,
      jobId: id,
      created,
      onStop: (why) => this.#stopWith(why),
      onFault: (message) => {
        try {
          options.onFault?.(message);
        } catch {
          // A listener that breaks is no reason to break the sync.
        }
      },
    });
    this.#delivery.run();
  }

  /** Fires when the work is to stop; its reason is a StoppedError. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Whether somebody has asked for the job to be cancelled. */
  get cancelled(): boolean {
    const { reason } = this.#stop.signal;
    return reason instanceof StoppedError && reason.why === "cancelled";
  }

  inserted(n = 1, entityType?: string): void {
    this.#count("inserted", n, entityType);
  }

  updated(n = 1, entityType?: string): void {
    this.#count("updated", n, entityType);
  }

  deleted(n = 1, entityType?: string): void {
    this.#count("deleted", n, entityType);
  }

  kept(n = 1, entityType?: string): void {
    this.#count("kept", n, entityType);
  }

  skipped(n = 1, entityType?: string): void {
    this.#count("skipped", n, entityType);
  }

  bytes(n: number): void {
    this.#count("bytes_done", n);
  }

  warnings(n = 1): void {
    this.#count("warnings", n);
  }

  /** Running totals instead of increments; one that goes back is left out. */
  progress(totals: Totals): void {
    this.#outbox.totals.total(totals);
    this.#delivery.nudge();
  }

  /** Entities in all, once that is final. */
  total(entities: number): void {
    this.progress({ total: entities });
  }

  phase(text: string): void {
    this.#outbox.totals.word("phase", text);
    this.#delivery.nudge();
  }

  /** The entity that is being dealt with. */
  current(text: string): void {
    this.#outbox.totals.word("current", text);
    this.#delivery.nudge();
  }

  log(level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>): void {
    const timeMs = this.#clock.now();
    this.#outbox.log({ level, message, timeMs, fields });
    this.#delivery.nudge();
  }

  /**
   * Ends the job. An attached producer ends only its own part, and logs its error. Resolves with
   * true when the server has everything. Resolves with false when nothing more can be sent, or
   * after 5 s: then it goes on in the background.
   */
  async end(status: TerminalStatus = "completed", error?: End["error"]): Promise<boolean> {
    const why = status === "completed" ? undefined : error;
    if (why && this.#attached && !this.#outbox.ended) {
      this.log("error", `${textOf(why.code)}: ${textOf(why.message)}`);
    }
    this.#outbox.end({ status, error: why });
    this.#delivery.nudge();
    const { over } = this.#delivery;
    if (!over.aborted) {
      await new Promise<void>((resolve) => {
        const callOff = this.#endClock.after(END_MS, () => {
          this.#delivery.silence(`its end has not arrived in ${END_MS / 1000} s`);
          resolve();
        });
        over.addEventListener("abort", () => {
          callOff();
          resolve();
        }, { once: true });
      });
    }
    return this.#delivery.delivered;
  }

  #count(counter: Counter, n: number, entityType?: string): void {
    this.#outbox.totals.count(counter, n, entityType);
    this.#delivery.nudge();
  }

  #stopWith(why: StopReason): void {
    if (!this.#stop.signal.aborted) this.#stop.abort(new StoppedError(why));
  }
}

/** The machine's time, with timers that keep no process alive. */
const quietClock: Clock = {
  ...systemClock,
  after(ms, run) {
    const timer = setTimeout(run, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
