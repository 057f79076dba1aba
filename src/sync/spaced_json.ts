/** JSON with a space after each colon and comma, as the contract's examples have it. */

/**
 * One line of JSON, spaced `": "` and `", "`: people grep for `"type": "progress"`.
 *
 * A raw line feed never stands inside a JSON string, so every one that indenting puts in marks
 * a place between tokens.
 */
export function spacedJson(value: unknown): string {
  return JSON.stringify(value, null, 1).replace(/,\n\s*/g, ", ").replace(/\n\s*/g, "");
}
