/**
 * For workers in TypeScript: shows on a synctail server, live, what a sync is doing. Runs on Deno,
 * Bun and Node 20. The contract on the wire is docs/workers.md.
 */
import { setTimeout } from "node:timers";
import { type Clock, systemClock } from "../clock.ts";
import type { LogLevel } from "../sync/entry.ts";
import type { EntityCount } from "../sync/progress.ts";
import type { TerminalStatus } from "../sync/status.ts";
import { deliver, type Endpoint } from "./delivery.ts";
import { type End, Outbox, type Totals } from "./outbox.ts";

/** How long a log line waits at most for others to come along, in milliseconds. */
const LINE_MS = 1_000;
/** How often a sign of life is given, which is how soon a cancel is heard. */
const LIFE_MS = 8_000;
/** How long `end` waits for the server, in milliseconds. */
const END_MS = 5_000;
const INTERVAL_MS = 250;
/** How long an attached producer waits for its job to be created, in milliseconds. */
const CREATED_MS = 30_000;

export interface ProducerOptions {
  /** `https://host/prefix` */
  readonly server: string;
  /** An API key with the scope `write`. */
  readonly key: string;
  /** Told once, in words, when nothing can be delivered any more. */
  readonly onFault?: (message: string) => void;
  /** Another way to send requests: through a proxy, or a test's own. */
  readonly fetch?: typeof fetch;
  readonly clock?: Clock;
}

/** What the job is; see docs/workers.md. */
export interface JobOptions extends ProducerOptions {
  /** A UUID; drawn when left out. */
  readonly id?: string;
  /** Name or UUID of the sync that this is a run of. */
  readonly sync?: string;
  readonly name?: string;
  readonly tags?: readonly string[];
  readonly meta?: Readonly<Record<string, unknown>>;
  readonly total?: number;
  readonly bytesTotal?: number;
  /** Seconds that the worker may be silent; 900 when left out. */
  readonly leaseS?: number;
  readonly retryOf?: string;
  readonly attempt?: number;
}

/** Why `signal` has fired. */
export class StoppedError extends Error {
  override readonly name = "StoppedError";
  /**
   * - `cancelled`: somebody has asked for it
   * - `ended`: the job was ended elsewhere
   * - `fenced`: another producer has taken this one's name
   */
  readonly why: "cancelled" | "ended" | "fenced";

  constructor(why: StoppedError["why"]) {
    super(`The job is to stop: ${why}`);
    this.why = why;
  }
}

/** Creates a job, in the background, and begins to tell of it. */
export function openJob(options: JobOptions): Producer {
  const id = options.id ?? crypto.randomUUID();
  const { sync, name, tags, meta, total, attempt } = options;
  const asked = { id, sync, name, tags, meta, total, attempt };
  const more = {
    bytes_total: options.bytesTotal,
    lease_s: options.leaseS,
    retry_of: options.retryOf,
  };
  return new Producer(id, options, JSON.stringify({ ...asked, ...more }));
}

/** One more worker of a job that another has created and will end; its counts are added. */
export function attachJob(id: string, options: ProducerOptions): Producer {
  return new Producer(id, options, undefined);
}

/**
 * Does the work as a job: completed when it returns, failed when it throws, cancelled when either
 * happens after `job.signal` has fired for that. What it returns or throws is passed on.
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
    const { name, message } = cause instanceof Error ? cause : new Error(String(cause));
    await job.end(job.cancelled ? "cancelled" : "failed", { code: name, message });
    throw cause;
  }
}

/** Tells of one job. No call waits for the network but `end`, and none ever throws or rejects. */
export class Producer {
  readonly id: string;
  readonly #endpoint: Endpoint;
  readonly #onFault: (message: string) => void;
  /** Whoever waits for the end keeps the process alive. */
  readonly #endClock: Clock;
  readonly #outbox = new Outbox();
  readonly #stop = new AbortController();
  /** Fires when delivering is over: done, refused, or given up. */
  readonly #over = new AbortController();
  readonly #headers = { "Producer-Id": crypto.randomUUID() };
  readonly #created: string | undefined;
  #number = 0;
  #intervalMs = INTERVAL_MS;
  #sentMs = -Infinity;
  #wake: (() => void) | undefined;
  #armedMs = 0;
  #delivered = false;

  /** Use openJob or attachJob. @param created the body that creates the job, where this one does */
  constructor(id: string, options: ProducerOptions, created: string | undefined) {
    this.id = id;
    this.#created = created;
    this.#onFault = options.onFault ?? (() => {});
    const clock = options.clock ?? quietClock;
    this.#endClock = options.clock ?? systemClock;
    const untilMs = clock.monotonic() + CREATED_MS;
    this.#endpoint = {
      server: options.server,
      key: options.key,
      fetch: options.fetch ?? fetch,
      clock,
      // Whoever creates the job does so in the background, and may be late.
      mayPass: (status) => status === 404 && created === undefined && clock.monotonic() < untilMs,
    };
    this.#run();
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
    this.#outbox.count("bytes_done", n);
    this.#nudge();
  }

  warnings(n = 1): void {
    this.#outbox.count("warnings", n);
    this.#nudge();
  }

  /** Running totals instead of increments; one that goes back is left out. */
  progress(totals: Totals): void {
    this.#outbox.total(totals);
    this.#nudge();
  }

  /** Entities in all, once that is final. */
  total(entities: number): void {
    this.progress({ total: entities });
  }

  phase(text: string): void {
    this.#outbox.word("phase", text);
    this.#nudge();
  }

  /** The entity that is being dealt with. */
  current(text: string): void {
    this.#outbox.word("current", text);
    this.#nudge();
  }

  log(level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>): void {
    const timeMs = this.#endpoint.clock.now();
    this.#outbox.log({ level, message, timeMs, fields });
    this.#nudge();
  }

  /**
   * Says that the job is over, or for an attached producer that this one is. Resolves with true
   * when the server knows, with false when that took over 5 s: it goes on in the background then.
   */
  async end(status: TerminalStatus = "completed", error?: End["error"]): Promise<boolean> {
    this.#outbox.end({ status, error: status === "completed" ? undefined : error });
    this.#nudge();
    if (this.#over.signal.aborted) return this.#delivered;
    await new Promise<void>((resolve) => {
      const callOff = this.#endClock.after(END_MS, resolve);
      this.#over.signal.addEventListener("abort", () => {
        callOff();
        resolve();
      }, { once: true });
    });
    return this.#delivered;
  }

  #count(counter: EntityCount, n: number, entityType?: string): void {
    this.#outbox.count(counter, n, entityType);
    this.#nudge();
  }

  /** Delivers until the end; never rejects. */
  async #run(): Promise<void> {
    const known = this.#created === undefined ||
      await this.#post("/v1/sync/job", this.#created, {});
    while (known && !this.#over.signal.aborted) {
      await this.#due();
      const batch = this.#outbox.take(this.#created !== undefined);
      const path = `/v1/sync/job/${this.id}/events`;
      // A sign of life appends nothing, so it needs no number.
      const stamp = batch && { ...this.#headers, "Producer-Seq": `${this.#number++}` };
      const done = await this.#post(path, batch?.body, stamp ?? {});
      this.#sentMs = this.#endpoint.clock.monotonic();
      if (!done || batch?.last) {
        this.#delivered = done;
        this.#over.abort();
      }
    }
    this.#over.abort();
  }

  /** Resolves when there is something worth a request. */
  async #due(): Promise<void> {
    const { clock } = this.#endpoint;
    for (;;) {
      const restMs = this.#restMs();
      const waitMs = this.#sentMs + restMs - clock.monotonic();
      if (waitMs <= 0) return;
      this.#armedMs = restMs;
      await new Promise<void>((resolve) => {
        const callOff = clock.after(waitMs, resolve);
        this.#wake = () => {
          callOff();
          resolve();
        };
      });
      this.#wake = undefined;
    }
  }

  /** How long after the request before the next one is due, by what there is to tell now. */
  #restMs(): number {
    const outbox = this.#outbox;
    if (outbox.ended) return 0;
    if (outbox.empty) return LIFE_MS;
    return outbox.hasLines ? Math.min(LINE_MS, this.#intervalMs) : this.#intervalMs;
  }

  /** Wakes the delivery where the next request is due sooner now. */
  #nudge(): void {
    if (this.#wake && this.#restMs() < this.#armedMs) this.#wake();
  }

  /** Whether the server has taken it. Anything else is told and ends the delivery. */
  async #post(path: string, body: string | undefined, stamp: Record<string, string>) {
    const answer = await deliver(this.#endpoint, path, body, stamp, this.#over.signal);
    if (answer.kind === "abandoned") return false;
    if (answer.kind === "done") {
      this.#intervalMs = answer.json?.interval_ms ?? this.#intervalMs;
      if (answer.json?.cancel_requested) this.#stopWith("cancelled");
      return true;
    }
    const type = String(answer.problem?.type ?? "");
    if (type.endsWith("/job-ended")) this.#stopWith("ended");
    if (type.endsWith("/producer-fenced")) this.#stopWith("fenced");
    const words = answer.problem?.detail ?? `it answered ${answer.status}`;
    try {
      this.#onFault(`Cannot tell the server of job ${this.id} any more: ${words}`);
    } catch {
      // A listener that breaks is no reason to break the sync.
    }
    return false;
  }

  #stopWith(why: StoppedError["why"]): void {
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
