/** Moments as they are told: ISO 8601 in UTC, to the millisecond. */

/** The last one is kept: what was appended together has one time. */
let last = { ms: NaN, text: "" };

/**
 * @param ms milliseconds since 1970
 * @throws {RangeError} for what is no moment that a Date can hold
 */
export function isoTime(ms: number): string;
export function isoTime(ms: number | null | undefined): string | null;
export function isoTime(ms: number | null | undefined): string | null {
  if (ms === null || ms === undefined) return null;
  if (ms !== last.ms) last = { ms, text: new Date(ms).toISOString() };
  return last.text;
}
