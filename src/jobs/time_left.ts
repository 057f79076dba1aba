/** How long a job still takes, as far as that can be told. */
import type { Progress } from "../sync/progress.ts";

/** From a rate of less than this many milliseconds nothing is concluded. */
const SPAN_MS_MIN = 3_000;

/**
 * Seconds at the rate of now, by bytes where they are known, else by the total. Undefined where nobody
 * knows: without a total or a rate, in a job's first moments, and beyond the total.
 *
 * @param spanMs how long the rates have been measured
 */
export function secondsLeft(
  p: Pick<Progress, "total" | "bytesDone" | "bytesTotal" | "ratePerS" | "bytesPerS">,
  done: number,
  spanMs: number,
): number | undefined {
  if (spanMs < SPAN_MS_MIN) return undefined;
  const left = p.bytesTotal && p.bytesPerS
    ? (p.bytesTotal - (p.bytesDone ?? 0)) / p.bytesPerS
    : p.total && p.ratePerS
    ? (p.total - done) / p.ratePerS
    : undefined;
  return left === undefined || left < 0 ? undefined : Math.round(left);
}
