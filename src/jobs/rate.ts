/** Limits how much a second a name may take: events of a job, requests of a key. */
import type { Clock } from "../clock.ts";

/** The largest debt, in seconds of the rate: the longest wait. */
const DEBT_S_MAX = 60;
/** How many names are kept before those without a debt are forgotten. */
const NAMES_MAX = 10_000;

/**
 * A name may take while it owes no more than a second's worth. What it takes is given whole; it
 * pays that off with time. Names do not affect one another.
 */
export class Rate {
  readonly #clock: Clock;
  readonly #perS: number;
  /** When each name will have paid off what it has taken; by the monotonic clock. */
  readonly #paidAtMs = new Map<string, number>();

  /** @param perS how much a second; 0 for no limit */
  constructor(clock: Clock, perS: number) {
    this.#clock = clock;
    this.#perS = perS;
  }

  /** Seconds until the name may take more; 0 when it may now. */
  waitS(name: string): number {
    if (this.#perS === 0) return 0;
    const paidAtMs = this.#paidAtMs.get(name) ?? -Infinity;
    // A second's worth may be taken at once.
    const overMs = paidAtMs - this.#clock.monotonic() - 1000;
    return overMs <= 0 ? 0 : Math.ceil(overMs / 1000);
  }

  /** Charges the name for what it has taken. */
  charge(name: string, amount: number): void {
    if (this.#perS === 0 || amount === 0) return;
    const now = this.#clock.monotonic();
    if (this.#paidAtMs.size > NAMES_MAX) this.#forget(now);
    const from = Math.max(now, this.#paidAtMs.get(name) ?? 0);
    const paidAtMs = from + (amount * 1000) / this.#perS;
    this.#paidAtMs.set(name, Math.min(paidAtMs, now + DEBT_S_MAX * 1000));
  }

  #forget(now: number): void {
    for (const [name, paidAtMs] of this.#paidAtMs) {
      if (paidAtMs <= now) this.#paidAtMs.delete(name);
    }
  }
}
