/** Text from outside, for people. */

/**
 * One line, safe for a terminal: without control characters (C0, C1, DEL) and without the marks
 * that turn the direction of writing. Tabs and line breaks keep words apart, so they are blanks.
 */
export function clean(text: unknown): string {
  return String(text).replace(/\r\n|[\t\n\r]/g, " ")
    // deno-lint-ignore no-control-regex -- control characters are exactly what is looked for
    .replace(/[\x00-\x1f\x7f-\x9f\p{Bidi_Control}]/gu, "");
}

/** The lines of a text, each safe for a terminal. */
export function cleanLines(text: string): readonly string[] {
  return text.trimEnd().split(/\r?\n|\r/).map(clean);
}
