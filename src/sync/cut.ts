/** Text that has to be short. */

/** The text's first characters, `most` of them, without half a surrogate pair at the end. */
export function cut(text: string, most: number): string {
  return text.length <= most ? text : text.slice(0, most).replace(/[\ud800-\udbff]$/, "");
}

/** As `cut`, but a text that was cut ends with an ellipsis, which counts as one of the characters. */
export function shortened(text: string, most: number): string {
  return text.length <= most ? text : `${cut(text, most - 1)}…`;
}
