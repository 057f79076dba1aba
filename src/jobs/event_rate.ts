/** How many events a second the workers of one job may post. */
import type { Clock } from "../clock.ts";
import { type JobKey, type JobKeyText, keyText } from "../sync/ids.ts";

/** What a job may be over its rate by, in seconds of that rate: the longest that is waited for. */
const DEBT_S_MAX = 60;
/** Jobs that are looked at before those that owe nothing are forgotten. */
const JOBS_MAX = 10_000;

/**
 * A job may post as long as it owes nothing; a request is taken whole, and what it takes beyond
 * the rate is owed and paid off with time.
 */
export class EventRate {
  readonly #clock: Clock;
  readonly #perS: number;
  /** When each job will have paid off what it has taken. */
  readonly #paidAtMs = new Map<JobKeyText, number>();

  /** @param perS events a second; 0 for no limit */
  constructor(clock: Clock, perS: number) {
    this.#clock = clock;
    this.#perS = perS;
  }

  /** Seconds until the job may post again; 0 when it may now. */
  waitS(key: JobKey): number {
    const paidAtMs = this.#paidAtMs.get(keyText(key)) ?? -Infinity;
    // A second's worth may be taken at once.
    const overMs = paidAtMs - this.#clock.monotonic() - 1000;
    return overMs <= 0 ? 0 : Math.ceil(overMs / 1000);
  }

  /** Charges the job for events that it has posted. */
  charge(key: JobKey, events: number): void {
    if (this.#perS === 0 || events === 0) return;
    const now = this.#clock.monotonic();
    if (this.#paidAtMs.size > JOBS_MAX) this.#forget(now);
    const text = keyText(key);
    const from = Math.max(now, this.#paidAtMs.get(text) ?? 0);
    const paidAtMs = from + (events * 1000) / this.#perS;
    this.#paidAtMs.set(text, Math.min(paidAtMs, now + DEBT_S_MAX * 1000));
  }

  #forget(now: number): void {
    for (const [text, paidAtMs] of this.#paidAtMs) {
      if (paidAtMs <= now) this.#paidAtMs.delete(text);
    }
  }
}
