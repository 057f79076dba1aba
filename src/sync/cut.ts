/** Text that has to be short. */

/** Whether the text has more characters than `most`. A pair of surrogates is one, as in JSON Schema. */
export function isLonger(text: string, most: number): boolean {
  return text.length > most && (text.length > 2 * most || [...text].length > most);
}

/** The text's first characters, `most` of them, without half a surrogate pair at the end. */
export function cut(text: string, most: number): string {
  if (text.length <= most) return text;
  const kept = text.slice(0, most).replace(/[\ud800-\udbff]$/, "");
  return String(JSON.parse(JSON.stringify(kept))); // a copy: a slice keeps the whole text in memory
}

/** As `cut`, but a text that was cut ends with an ellipsis, which counts as one of the characters. */
export function shortened(text: string, most: number): string {
  return text.length <= most ? text : `${cut(text, most - 1)}…`;
}
