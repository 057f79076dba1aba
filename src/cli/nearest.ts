/** Guesses which known name a wrong one was meant to be. */

/** How many letters may differ from a known name. */
const SLIPS_MAX = 2;

/** The known name with the fewest letters changed, if few enough and at most half of them. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  let best: { readonly name: string; readonly slips: number } | undefined;
  for (const candidate of known) {
    const slips = distance(name, candidate);
    const most = Math.min(SLIPS_MAX, Math.max(name.length, candidate.length) / 2);
    if (slips <= most && (!best || slips < best.slips)) best = { name: candidate, slips };
  }
  return best?.name;
}

/** Letters to add, drop or change to get from one word to the other (Levenshtein). */
function distance(from: string, to: string): number {
  let above = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const line = [row];
    for (let column = 1; column <= to.length; column++) {
      const change = above[column - 1] + (from[row - 1] === to[column - 1] ? 0 : 1);
      line.push(Math.min(change, above[column] + 1, line[column - 1] + 1));
    }
    above = line;
  }
  return above[to.length];
}
