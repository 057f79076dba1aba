/** Times as text: ISO 8601 in UTC, to the millisecond. */

/** The last text is kept: entries of one append have the same time. */
let last = { ms: NaN, text: "" };

/**
 * The time as text; null for none.
 *
 * @param ms milliseconds since 1970
 * @throws {RangeError} for a number that a Date cannot hold
 */
export function isoTime(ms: number): string;
export function isoTime(ms: number | null | undefined): string | null;
export function isoTime(ms: number | null | undefined): string | null {
  if (ms === null || ms === undefined) return null;
  if (ms !== last.ms) last = { ms, text: new Date(ms).toISOString() };
  return last.text;
}
