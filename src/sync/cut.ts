/** Text that has to be short. */

/** The text's first characters, `most` of them, without half a surrogate pair at the end. */
export function cut(text: string, most: number): string {
  return text.length <= most ? text : text.slice(0, most).replace(/[\ud800-\udbff]$/, "");
}
