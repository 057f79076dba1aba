/** Text from outside, for people. */

/**
 * Safe for a terminal: without control characters (C0, C1, DEL) and without the marks that turn
 * the direction of writing.
 */
export function clean(text: unknown): string {
  // deno-lint-ignore no-control-regex -- control characters are exactly what is looked for
  return String(text).replace(/[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "");
}
