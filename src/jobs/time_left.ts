/** Estimates how long a job still takes. */
import type { Progress } from "../sync/progress.ts";

/** Rates measured over less than this many milliseconds are not used. */
const SPAN_MS_MIN = 3_000;

/**
 * Seconds left at the present rate, by bytes when they are known, else by the total. Undefined
 * without a total or a rate, in a job's first moments, and beyond the total.
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
