/** Amounts in the schemas of a configuration. */
import { z } from "zod";
import { durationMs, DURATIONS, formOf } from "./amounts.ts";

/** The schema of a duration such as `15m`, between two others, both included. */
export function duration(least: string, most: string) {
  const expected = `expected a duration such as 90s, 15m, 12h or 1d, from ${least} to ${most}`;
  return z.string(expected).regex(formOf(DURATIONS), { error: expected, abort: true })
    .refine((text) => {
      const ms = durationMs(text);
      return ms >= durationMs(least) && ms <= durationMs(most);
    }, expected);
}

/** The schema of a whole number in a range, with one reason for all faults. */
export function whole(min: number, max: number) {
  const reason = `expected a whole number from ${min} to ${max}`;
  return z.int(reason).min(min, reason).max(max, reason);
}
