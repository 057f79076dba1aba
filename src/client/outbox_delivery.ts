/** Sends the events of an outbox to the server, until the end of the job. */
import { WORKER_LEASE_MS } from "../sync/event_limits.ts";
import {
  type Answer,
  codeIn,
  deliver,
  type Endpoint,
  intervalMsIn,
  JOBS_PATH,
  LIVES_A_LEASE,
  unusable,
} from "./delivery.ts";
import type { NewJob } from "./new_job.ts";
import type { Outbox, WireEvent } from "./outbox.ts";

/** How long a log line waits at most for others to come along, in milliseconds. */
const LINE_MS = 1_000;
/** How often a sign of life is sent, in milliseconds. Its answer tells of a cancel. */
const LIFE_MS = 8_000;
/** How often progress is sent until the server says how often, in milliseconds. */
const INTERVAL_MS = 250;

/**
 * Why the work is to stop:
 * - `cancelled`: somebody has asked for it
 * - `ended`: the job was ended elsewhere
 * - `fenced`: another producer has taken this one's name
 */
export type StopReason = "cancelled" | "ended" | "fenced";

export interface OutboxDeliveryOptions {
  readonly outbox: Outbox;
  readonly endpoint: Endpoint;
  readonly jobId: string;
  /** The request that creates the job; undefined when somebody else creates and ends it. */
  readonly created: NewJob | undefined;
  /** May be called more than once. */
  readonly onStop: (why: StopReason) => void;
  /** Called, with words for people, when something cannot be sent. */
  readonly onFault: (message: string) => void;
}

/** Sends one request after the other, each until it is answered. */
export class OutboxDelivery {
  readonly #options: OutboxDeliveryOptions;
  readonly #over = new AbortController();
  readonly #producer = crypto.randomUUID();
  /** The Producer-Seq of the request that is being sent or comes next. */
  #number = 0;
  #intervalMs = INTERVAL_MS;
  #sentMs = -Infinity;
  #wake: (() => void) | undefined;
  #armedMs = 0;
  #delivered = false;
  /** Whether `onFault` was called: for an event left out, and for a server that does not answer. */
  #leftOut = false;
  #silent = false;

  constructor(options: OutboxDeliveryOptions) {
    this.#options = options;
  }

  /** Fires when delivering is over: done, refused, or given up. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  /** Whether the server has all of it, the end too. */
  get delivered(): boolean {
    return this.#delivered;
  }

  /** To be called after each change of the outbox: a request may be due sooner now. */
  nudge(): void {
    if (this.#wake && this.#restMs() < this.#armedMs) this.#wake();
  }

  /** Reports that the server does not answer, once until it answers again. */
  silence(reason: string): void {
    if (this.#silent) return;
    this.#silent = true;
    const { jobId, onFault } = this.#options;
    onFault(
      `Cannot tell the server of job ${jobId}: ${reason}; it is tried again until that works`,
    );
  }

  /** Delivers until the end; never rejects. */
  async run(): Promise<void> {
    const { outbox, endpoint, created, jobId, onFault } = this.#options;
    const reason = unusable(endpoint);
    if (reason !== undefined) {
      this.#over.abort();
      await undefined; // the constructor of the producer returns before `onFault` is called
      return onFault(`Cannot tell a server of job ${jobId}: ${reason}`);
    }
    const known = created === undefined || await this.#create(created.body);
    if (created !== undefined) outbox.totals.begin();
    while (known && !this.#over.signal.aborted) {
      await this.#due();
      const batch = outbox.take(created !== undefined);
      const told = await this.#tell(batch.events);
      this.#sentMs = endpoint.clock.monotonic();
      if (!told) break;
      if (batch.last) {
        this.#delivered = true;
        break;
      }
    }
    this.#over.abort();
  }

  /** Resolves when there is something worth a request. */
  async #due(): Promise<void> {
    const { clock } = this.#options.endpoint;
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

  /** Milliseconds from the last request to the next, by what the outbox holds now. */
  #restMs(): number {
    const { outbox, endpoint } = this.#options;
    if (outbox.ended) return 0;
    const lifeMs = Math.min(LIFE_MS, (endpoint.leaseMs ?? WORKER_LEASE_MS) / LIVES_A_LEASE);
    if (outbox.empty) return lifeMs;
    return Math.min(lifeMs, this.#intervalMs, outbox.hasLines ? LINE_MS : Infinity);
  }

  async #create(body: string): Promise<boolean> {
    const answer = await this.#post(JOBS_PATH, body, {});
    return answer.kind === "done" || this.#giveUp(answer);
  }

  /**
   * Sends events; false when nothing more can be sent.
   *
   * Events that the server refuses together are sent in halves, until the one that it refuses is
   * found and left out. The end is not left out: refused, it ends the delivery.
   */
  async #tell(events: readonly WireEvent[]): Promise<boolean> {
    const path = `${JOBS_PATH}/${this.#options.jobId}/events`;
    // A sign of life appends nothing, so it needs no number.
    const stamp: Record<string, string> = events.length === 0
      ? {}
      : { "Producer-Id": this.#producer, "Producer-Seq": `${this.#number}` };
    const body = events.length === 0 ? undefined : `[${events.map(({ text }) => text).join(",")}]`;
    const answer = await this.#post(path, body, stamp);
    if (answer.kind === "done") {
      if (events.length > 0) this.#number++;
      return true;
    }
    if (this.#isBehind(answer)) {
      // The server has lost some totals too, so the newest are sent with the rest.
      const others = events.filter(({ type }) => type !== "progress");
      return await this.#tell([this.#progress(), ...others]);
    }
    if (!isOfEvents(answer)) return this.#giveUp(answer);
    if (events.length > 1) {
      const half = events.length >> 1;
      return await this.#tell(events.slice(0, half)) && await this.#tell(events.slice(half));
    }
    const [event] = events;
    if (event === undefined || event.type === "end") return this.#giveUp(answer);
    this.#leaveOut(event, wordsOf(answer));
    const { totals } = this.#options.outbox;
    if (event.type !== "progress" || !totals.leaveOutTypes()) return true;
    return await this.#tell([this.#progress()]);
  }

  #progress(): WireEvent {
    return { type: "progress", text: this.#options.outbox.totals.take() };
  }

  /**
   * Whether the server has lost our last requests, as in a power cut. Then its count is taken over.
   */
  #isBehind(answer: Answer): boolean {
    if (answer.kind !== "refused" || answer.status !== 409) return false;
    const expected = answer.problem?.expected_seq;
    if (!Number.isSafeInteger(expected) || expected >= this.#number) return false;
    this.#number = expected;
    return true;
  }

  async #post(path: string, body: string | undefined, stamp: Record<string, string>) {
    const { endpoint } = this.#options;
    const silence = (reason: string) => this.silence(reason);
    const answer = await deliver(endpoint, path, body, stamp, this.#over.signal, silence);
    this.#silent = false;
    if (answer.kind === "done") {
      this.#intervalMs = intervalMsIn(answer.json) ?? this.#intervalMs;
      if (answer.json?.cancel_requested) this.#options.onStop("cancelled");
    }
    return answer;
  }

  #leaveOut({ type }: WireEvent, words: string): void {
    if (this.#leftOut) return;
    this.#leftOut = true;
    const what = type === "log" ? "a log line" : "progress";
    this.#options.onFault(
      `Cannot tell the server all of job ${this.#options.jobId}: ${what}: ${words}`,
    );
  }

  #giveUp(answer: Answer): false {
    if (answer.kind !== "refused") return false;
    const code = codeIn(answer.problem);
    if (code === "job-ended") this.#options.onStop("ended");
    if (code === "producer-fenced") this.#options.onStop("fenced");
    const { jobId } = this.#options;
    this.#options.onFault(`Cannot tell the server of job ${jobId} any more: ${wordsOf(answer)}`);
    return false;
  }
}

/** A refusal that would come again. */
type Refusal = Extract<Answer, { readonly kind: "refused" }>;

/** Whether an event was refused, so that the server may accept others. */
function isOfEvents(answer: Answer): answer is Refusal {
  return answer.kind === "refused" &&
    ["invalid-request", "body-too-large"].includes(codeIn(answer.problem));
}

function wordsOf({ problem, status }: Refusal): string {
  return problem?.detail ?? `it answered ${status}`;
}
