/** JSON with a space after each colon and comma, as the contract's examples have it. */

/**
 * One line of JSON, spaced `": "` and `", "`: people grep for `"type": "progress"`.
 *
 * A JSON string holds no raw line feed, so each one that indenting adds stands between two tokens.
 */
export function spacedJson(value: unknown): string {
  return JSON.stringify(value, null, 1).replace(/,\n\s*/g, ", ").replace(/\n\s*/g, "");
}
