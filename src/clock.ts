/** Time, passed in: tests advance a clock of their own instead of waiting. */

/** Reads the time and sets timers. All values are in milliseconds. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Milliseconds since an arbitrary start; never goes back. For measuring durations. */
  monotonic(): number;
  /** Calls `run` once after `ms`; the returned function calls it off. */
  after(ms: number, run: () => void): () => void;
}

/** The longest wait of a runtime's timer, in milliseconds (24.8 days): a longer one fires at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** The machine's own time. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, run) {
    const timer = (leftMs: number): ReturnType<typeof setTimeout> =>
      leftMs <= TIMER_MS_MAX
        ? setTimeout(run, leftMs)
        : setTimeout(() => set = timer(leftMs - TIMER_MS_MAX), TIMER_MS_MAX);
    let set = timer(ms);
    return () => clearTimeout(set);
  },
};

/** How far the wall clock has moved against the monotonic one: it was set, or the machine slept. */
export class WallShift {
  readonly #clock: Clock;
  #aheadMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#aheadMs = clock.now() - clock.monotonic();
  }

  /** Shift since the last `mark`, in milliseconds; negative when the wall clock was set back. */
  get ms(): number {
    return this.#clock.now() - this.#clock.monotonic() - this.#aheadMs;
  }

  /** Starts counting anew. @param ms the shift as `ms` has returned it */
  mark(ms: number): void {
    this.#aheadMs += ms;
  }
}

/**
 * How long to wait after so many failures in a row, in milliseconds: twice as long each time, from
 * the first wait to the last.
 */
export function backoffMs(
  failures: number,
  { first, last }: { readonly first: number; readonly last: number },
): number {
  return Math.min(first * 2 ** (failures - 1), last);
}

/** Resolves after `ms`, or at once when the signal fires; never rejects. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted || ms <= 0) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      callOff();
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const callOff = clock.after(ms, done);
    signal?.addEventListener("abort", done);
  });
}

/**
 * Resolves when the work is done, or after `ms` if that comes first.
 *
 * @throws what the work throws in that time
 */
export async function atMost(clock: Clock, ms: number, work: Promise<unknown>): Promise<void> {
  const over = new AbortController();
  await Promise.race([work, sleep(clock, ms, over.signal)]).finally(() => over.abort());
}
