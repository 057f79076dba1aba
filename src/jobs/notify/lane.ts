/** Sends to one target: one message at a time, again until it is delivered, refused or given up. */
import { isDeepStrictEqual } from "node:util";
import { backoffMs, type Clock } from "../../clock.ts";
import type { Logger } from "../../logger.ts";
import { attempt, RETRY_AFTER_MAX_MS } from "./attempt.ts";
import type { DeliveryRow } from "./delivery_row.ts";
import type { DeliveryStore } from "./delivery_store.ts";
import { type Message, unpacked } from "./message.ts";
import { requestFor } from "./request.ts";
import type { Target } from "./target.ts";

/** The wait after a failure, doubled with each one up to the last, in milliseconds. */
const BACKOFF_MS = { first: 5_000, last: 600_000 };

export interface LaneOptions {
  readonly target: Target;
  readonly store: DeliveryStore;
  readonly clock: Clock;
  readonly linkOf: (message: Message) => string | undefined;
  /** A number from 0 to 1, so that waits do not end together with others'. */
  readonly random: () => number;
  readonly logger: Logger;
  readonly onFault: (cause: unknown) => void;
  /** Called when messages were refused or given up: nobody is told of what they say. */
  readonly onUntold: () => void;
}

/**
 * After a failure the target rests, and then gets whatever is due. So a message that the target
 * fails over does not block others, and a target that is down is asked once in a while, not once
 * for each message.
 */
export class Lane {
  readonly #options: LaneOptions;
  readonly #stopping = new AbortController();
  #woken = false;
  #failures = 0;
  /** By the monotonic clock. */
  #restUntilMs = 0;
  #callOff: (() => void) | undefined;
  #sending: Promise<void> | undefined;

  constructor(options: LaneOptions) {
    this.#options = options;
  }

  /** The target's name. */
  get name(): string {
    return this.#options.target.name;
  }

  /** Whether it leads to exactly that target, which may be a copy that was read anew. */
  leadsTo(target: Target): boolean {
    return isDeepStrictEqual(target, this.#options.target);
  }

  /** To be called when there may be something to send. */
  wake(): void {
    this.#woken = true;
    if (this.#sending || this.#stopping.signal.aborted) return;
    this.#callOff?.();
    this.#callOff = undefined;
    const restMs = this.#restMs();
    if (restMs > 0) return this.#wait(restMs); // the store need not be asked
    this.#sending = this.#send().catch((cause) => {
      this.#options.onFault(cause);
      this.#wait(BACKOFF_MS.last); // the queue cannot be read or written
    }).finally(() => {
      this.#sending = undefined;
      if (this.#woken) this.wake();
    });
  }

  /** Resolves when nothing is due any more. */
  async idle(): Promise<void> {
    while (this.#sending) await this.#sending;
  }

  /** Sends nothing more; a request under way is called off and its message stays in the queue. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#callOff?.();
    await this.#sending;
  }

  async #send(): Promise<void> {
    const { store, target, clock, logger, onUntold } = this.#options;
    while (!this.#stopping.signal.aborted) {
      this.#woken = false;
      if (giveUpOld(store, logger) > 0) onUntold();
      // A check's state is that of its last ping, which must be about what happened last.
      const row = store.next(target.name, target.type === "healthchecks");
      if (!row) return;
      const waitMs = Math.max(dueInMs(row, clock.now()), this.#restMs());
      if (waitMs > 0) return this.#wait(waitMs);
      await this.#try(row);
    }
  }

  async #try(row: DeliveryRow): Promise<void> {
    const { target, store, clock, linkOf, random, logger, onUntold } = this.#options;
    const message = unpacked(row.message);
    const delivery = { id: row.id, message, link: linkOf(message), nowMs: clock.now() };
    const request = requestFor(target, delivery);
    const outcome = await attempt(request, clock, this.#stopping.signal);
    const { kind, result, retryAfterMs, aboveRate } = outcome;
    const about = { target: target.name, kind: row.kind, id: row.id, result };
    switch (kind) {
      case "called-off":
        return;
      case "delivered":
        this.#failures = 0;
        store.done(row.pk, "delivered", result);
        return logger.debug("{target} was told ({kind}, {id})", about);
      case "refused":
        this.#failures = 0; // it answers, and it will take others
        store.done(row.pk, "refused", result);
        onUntold();
        return logger.error("{target} refuses to be told ({kind}, {id}): {result}", about);
      case "failed": {
        const jitter = 1 + random() / 4;
        this.#failures++;
        const restMs = retryAfterMs ?? backoffMs(this.#failures, BACKOFF_MS) * jitter;
        this.#restUntilMs = clock.monotonic() + restMs;
        store.tried(row.pk, result, this.#againAtMs(row, jitter));
        if (aboveRate) this.#overtake();
        const words = "{target} could not be told ({kind}, {id}): {result}; it is tried again";
        return logger.warning(words, about);
      }
      default:
        kind satisfies never;
    }
  }

  /** After an outage hundreds of pings may wait, and a check takes five a minute: it would lag behind. */
  #overtake(): void {
    const { target, store, logger } = this.#options;
    const count = store.overtake(target.name);
    if (count === 0) return;
    const noun = count === 1 ? "ping" : "pings";
    const words = `{target}: {count} ${noun} given up: a later one says how the check stands`;
    logger.warning(words, { target: target.name, count });
  }

  #againAtMs({ tries }: DeliveryRow, jitter: number): number {
    const waitMs = Math.max(backoffMs(tries + 1, BACKOFF_MS) * jitter, this.#restMs());
    return Math.round(this.#options.clock.now() + waitMs);
  }

  /** How long the target still rests, in milliseconds; 0 or less when it does not. */
  #restMs(): number {
    return this.#restUntilMs - this.#options.clock.monotonic();
  }

  #wait(ms: number): void {
    if (this.#stopping.signal.aborted) return;
    // The clock may be set meanwhile.
    const waitMs = Math.min(ms, 2 * BACKOFF_MS.last);
    this.#callOff = this.#options.clock.after(waitMs, () => this.wake());
  }
}

/**
 * Gives up what has waited for too long, for any target, and logs how many.
 *
 * @returns how many
 */
export function giveUpOld(store: DeliveryStore, logger: Logger): number {
  const count = store.expire();
  const noun = count === 1 ? "notification" : "notifications";
  if (count > 0) logger.error(`{count} ${noun} waited for too long: given up`, { count });
  return count;
}

/**
 * Milliseconds until it is due. A wait longer than any possible one means that the clock was put
 * back: then it is due now.
 */
function dueInMs({ dueAtMs }: DeliveryRow, nowMs: number): number {
  const waitMs = dueAtMs - nowMs;
  return waitMs > RETRY_AFTER_MAX_MS ? 0 : waitMs;
}
