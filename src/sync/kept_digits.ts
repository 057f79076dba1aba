/** Numbers of JSON that JavaScript would change. */

/** The members that hold what a worker likes; numbers in all others have their limits. */
const FREE = ['"fields"', '"meta"'];
/** Finds whole numbers of so many digits, or numbers of so long an exponent, that one may be changed. */
const LONG = /\d{16}|[eE]\+?\d{3}/;
/** Such a number from its begin to its end, as JSON has it; no name of a member. */
const LONG_NUMBER =
  /(?<![\d.eE+-])-?(?:[1-9]\d{15,}|(?:0|[1-9]\d*)(?:\.\d+)?[eE]\+?\d{3,})(?![\d.eE]|\s*:)/g;

/**
 * The JSON text; but in one with `fields` or `meta`, a whole number that JavaScript would round, such
 * as an id of 64 bits, and one that it takes for infinite, is a string with all of its digits:
 * browsers would round it, too. What is no JSON stays none.
 *
 * Not by a reviver of JSON.parse, which takes fifty times as long where there are many values.
 */
export function keptDigits(text: string): string {
  if (!FREE.some((name) => text.includes(name)) || !LONG.test(text)) return text;
  let kept = "";
  let copied = 0;
  const strings = new Strings(text);
  for (const { 0: number, index } of text.matchAll(LONG_NUMBER)) {
    if (strings.holds(index) || !isChanged(number)) continue;
    kept += `${text.slice(copied, index)}"${number}"`;
    copied = index + number.length;
  }
  return kept + text.slice(copied);
}

/** Whether the number that JavaScript makes of the text is another one. */
function isChanged(text: string): boolean {
  const value = Number(text);
  if (!Number.isFinite(value)) return true;
  if (String(value) === text || /[.eE]/.test(text)) return false;
  return BigInt(text) !== BigInt(value);
}

/** Where the strings of a JSON text are; to be asked from its begin to its end. */
class Strings {
  readonly #text: string;
  /** The quotes of the first string that does not end before what was asked last. */
  #open: number;
  #close: number;

  constructor(text: string) {
    this.#text = text;
    this.#open = this.#quoteFrom(0);
    this.#close = this.#end();
  }

  /** Whether the place is within a string. */
  holds(place: number): boolean {
    while (this.#close < place) {
      this.#open = this.#quoteFrom(this.#close + 1);
      this.#close = this.#end();
    }
    return this.#open < place;
  }

  #quoteFrom(place: number): number {
    const at = this.#text.indexOf('"', place);
    return at < 0 ? Infinity : at;
  }

  #end(): number {
    let close = this.#open;
    do close = this.#quoteFrom(close + 1); while (this.#isEscaped(close));
    return close;
  }

  /** Whether an odd number of backslashes stands before the place. */
  #isEscaped(place: number): boolean {
    let from = place;
    while (this.#text[from - 1] === "\\") from--;
    return (place - from) % 2 === 1;
  }
}
