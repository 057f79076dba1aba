/** Sends the events of a spool to the server, until the end of the job or of its tries. */
import type { Clock } from "../clock.ts";
import { reasonOf } from "../reason.ts";
import { WORKER_LEASE_MS } from "../sync/event_limits.ts";
import {
  attempt,
  codeIn,
  type Endpoint,
  intervalMsIn,
  isOfWhatWasSent,
  JOBS_PATH,
  LIVES_A_LEASE,
  membersOf,
  pauseMs,
  type Unanswered,
} from "./delivery.ts";
import { Pause } from "./pause.ts";
import type { Spool, SpooledRequest } from "./spool.ts";

/** How long events wait at most for others to come along, in milliseconds. */
const GATHER_MS = 1_000;
/** How often a sign of life is sent, in milliseconds. Its answer tells of a cancel. */
const LIFE_MS = { watched: 2_000, unwatched: 8_000, over: 60_000 };
/** Bytes that are worth a request at once. */
const FULL_BYTES = 64 * 1024;
/** Wait after a wrong key or address, in milliseconds: somebody may correct it. */
const SHUT_OUT_MS = 60_000;
/** The result when there is no server; whoever looks for one says why. */
const NOWHERE: Unanswered = { kind: "unanswered", waitMs: 0, reason: "" };
/** How often progress is sent until the server says how often, in milliseconds. */
export const INTERVAL_MS = 5_000;

/**
 * How a delivery has ended:
 * - `delivered`: the server has all of it, the end too; the spool is gone
 * - `refused`: the server will never take it; the spool is gone
 * - `hidden`: the key may not see the job; the spool stays for another key
 * - `left`: not now; the spool stays for another process
 */
export type Told = "delivered" | "refused" | "hidden" | "left";

export interface SpoolDeliveryOptions {
  readonly spool: Spool;
  /**
   * The server to ask, called before each request; undefined when there is none now.
   *
   * @param again whether the server that was given before does not answer
   */
  readonly endpoint: (again: boolean) => Promise<Endpoint | undefined>;
  readonly clock: Clock;
  /** Failures in a row after which the spool is left; unlimited when left out. */
  readonly triesMax?: number;
  /** Whether the job was made with another key than the one that is used now. */
  readonly foreign?: boolean;
  /** The lease: how long the job may be silent, in milliseconds; WORKER_LEASE_MS when left out. */
  readonly leaseMs?: number;
  /** Somebody has asked for the job to be cancelled; may be called more than once. */
  readonly onCancel?: () => void;
  /** Called after each answer: how often to send progress, in milliseconds. */
  readonly onInterval?: (ms: number) => void;
  /** Called, with words for people, when something cannot be sent. */
  readonly onFault?: (message: string) => void;
}

/** Sends one request after the other, each until it is answered. */
export class SpoolDelivery {
  readonly #options: SpoolDeliveryOptions;
  readonly #pause: Pause;
  #intervalMs = INTERVAL_MS;
  #watched = false;
  #sentMs = -Infinity;
  #failures = 0;
  #reason = "";
  /** The last words of `#isShutOut`, which are told once. */
  #shutOut = "";
  /** Whether something else than a synctail server has answered the last request. */
  #strange = false;
  /** What the pause is for: `life` is the next sign of life. */
  #waiting: "life" | "other" = "other";
  /** The job was ended elsewhere: only our end event is still worth sending. */
  #endedElsewhere = false;

  constructor(options: SpoolDeliveryOptions) {
    this.#options = options;
    this.#pause = new Pause(options.clock);
  }

  /** Why the last request has failed, in words; undefined when it was answered or had no server. */
  get reason(): string | undefined {
    return this.#reason || undefined;
  }

  /**
   * Whether a gateway may have refused the events for what is in them: something else than a synctail
   * server has answered, and the server knows the job.
   */
  get gated(): boolean {
    return this.#strange && this.#options.spool.created;
  }

  /** To be called after each `append`: ends the pause if the spool is to be sent at once. */
  nudge(): void {
    const { spool } = this.#options;
    if (this.#failures === 0 && (spool.bytes >= FULL_BYTES || this.#waiting === "life")) {
      this.#pause.cutShort();
    }
  }

  /** Ends the pause, even one after a failure. */
  hurry(): void {
    this.#pause.cutShort();
  }

  /** Delivers until the end of the job, or until soon after the signal. Never rejects. */
  async run(signal: AbortSignal): Promise<Told> {
    const { spool } = this.#options;
    try {
      while (!signal.aborted) {
        await this.#due(signal);
        if (signal.aborted) break;
        const told = await this.#next(signal);
        if (told === undefined) continue;
        if (told === "delivered" || told === "refused") spool.remove();
        return told;
      }
    } catch (cause) {
      // Whoever aborts the delivery may close the spool before this.
      if (!signal.aborted) this.#fault(`its spool cannot be used: ${reasonOf(cause)}`);
    }
    return "left";
  }

  /** Resolves when there is something worth a request. */
  async #due(signal: AbortSignal): Promise<void> {
    const { spool, clock } = this.#options;
    for (;;) {
      const restMs = this.#restMs();
      const waitMs = this.#sentMs + restMs - clock.monotonic();
      if (waitMs <= 0) return;
      this.#waiting = spool.empty ? "life" : "other";
      await this.#pause.take(waitMs, signal);
      this.#waiting = "other";
      if (signal.aborted) return;
    }
  }

  #restMs(): number {
    const { spool, leaseMs = WORKER_LEASE_MS } = this.#options;
    if (!spool.created || spool.ended || spool.singly || spool.bytes >= FULL_BYTES) return 0;
    if (this.#endedElsewhere) return LIFE_MS.over;
    if (!spool.empty) return Math.min(GATHER_MS, this.#intervalMs);
    const lifeMs = this.#watched ? LIFE_MS.watched : LIFE_MS.unwatched;
    return Math.min(lifeMs, leaseMs / LIVES_A_LEASE);
  }

  /** One request; undefined when there are more to come. */
  async #next(signal: AbortSignal): Promise<Told | undefined> {
    const { spool, clock, endpoint, leaseMs, foreign = false } = this.#options;
    const { job } = spool;
    const server = await endpoint(this.#failures > 0);
    // The request would not hear of a signal that has fired while a server was looked for.
    if (signal.aborted) return "left";
    const request = spool.created ? spool.take() : undefined;
    const path = spool.created ? `${JOBS_PATH}/${job.id}/events` : JOBS_PATH;
    // A sign of life appends nothing, so it needs no number.
    const stamp: Record<string, string> = request
      ? { "Producer-Id": job.producer, "Producer-Seq": `${request.number}` }
      : {};
    const body = spool.created ? request?.body : job.body;
    if (server) this.#reason ||= `${server.server} has not answered yet`;
    const answer = server
      ? await attempt({ leaseMs, ...server }, path, body, stamp, signal)
      : NOWHERE;
    this.#sentMs = clock.monotonic();
    this.#strange = isStrange(answer);
    if (answer.kind === "unanswered") return await this.#failed(answer, signal);
    this.#failures = 0;
    this.#reason = "";
    if (answer.kind === "refused") {
      const { status, problem } = answer;
      if (foreign && spool.created && codeIn(problem) === "not-found") {
        this.#fault(this.#reason = `${wordsOf(status, problem)}; another key has made it`);
        return "hidden";
      }
      const final = isOfWhatWasSent(problem, spool.created);
      if (final) return this.#refused(status, problem, request);
      const at = status === 404 ? ` at ${server?.server}${path}` : "";
      return await this.#isShutOut(wordsOf(status, problem, at), signal);
    }
    this.#shutOut = "";
    if (!spool.created) {
      spool.wasCreated();
      this.#sentMs = -Infinity; // its events have waited long enough
      return undefined;
    }
    this.#heard(answer.json);
    if (request) spool.delivered(request);
    return request?.last ? "delivered" : undefined;
  }

  async #failed({ waitMs: afterMs, reason }: Unanswered, signal: AbortSignal) {
    const { triesMax = Infinity, leaseMs } = this.#options;
    this.#reason = reason;
    if (++this.#failures >= triesMax) return "left" as const;
    await this.#pause.take(pauseMs(this.#failures, afterMs, leaseMs), signal);
    this.#sentMs = -Infinity;
    return undefined;
  }

  /** A refusal that is not about what was sent: the events wait for another server or key. */
  async #isShutOut(words: string, signal: AbortSignal) {
    const { spool, triesMax } = this.#options;
    if (this.#shutOut !== words) this.#fault(words);
    this.#shutOut = this.#reason = words;
    if (triesMax !== undefined || spool.ended) return "left" as const;
    this.#failures = 1;
    await this.#pause.take(SHUT_OUT_MS, signal);
    this.#sentMs = -Infinity;
    return undefined;
  }

  #heard(json: unknown): void {
    const { onCancel, onInterval } = this.#options;
    const { viewers, cancel_requested: cancel } = membersOf(json);
    this.#intervalMs = intervalMsIn(json) ?? this.#intervalMs;
    this.#watched = typeof viewers === "number" && viewers > 0;
    onInterval?.(this.#intervalMs);
    if (cancel === true) onCancel?.();
  }

  /** A refusal that would come again. Undefined when there is more to send. */
  #refused(status: number, problem: unknown, request: SpooledRequest | undefined) {
    const { spool, onCancel } = this.#options;
    const { job_status: ended, expected_seq: expected } = membersOf(problem);
    const is = (code: string) => codeIn(problem) === code;
    if (is("job-ended")) {
      // Where the job was given up as lost, the server keeps our end beside it.
      if (request?.last) return "delivered";
      this.#endedElsewhere = true;
      spool.onlyEnd();
      if (ended === "cancelled") onCancel?.();
      return undefined;
    }
    const behind = typeof expected === "number" && request && expected < request.number;
    if (is("producer-out-of-order") && behind) {
      // The server has lost its last requests, as it may in a power cut.
      spool.renumber(expected);
      return undefined;
    }
    const hopeless = !request || status === 404 || is("producer-fenced") ||
      is("producer-out-of-order");
    if (!hopeless && request.events > 1) {
      spool.apart();
      return undefined;
    }
    this.#fault(wordsOf(status, problem));
    if (hopeless || request.last) return "refused";
    spool.refused();
    return undefined;
  }

  #fault(words: string): void {
    const { onFault, spool } = this.#options;
    onFault?.(`Cannot tell the server of job ${spool.job.id}: ${words}`);
  }
}

function isStrange(answer: Awaited<ReturnType<typeof attempt>>): boolean {
  if (answer.kind === "unanswered") return answer.strange === true;
  return answer.kind === "refused" && codeIn(answer.problem) === "";
}

function wordsOf(status: number, problem: unknown, at = ""): string {
  const { detail } = membersOf(problem);
  return `it answers ${status}${at}${typeof detail === "string" ? `: ${detail}` : ""}`;
}
