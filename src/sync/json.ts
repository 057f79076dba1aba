/** JSON: its text as the contract's examples have it, and what lies in a value. */

/**
 * One line of JSON, spaced `": "` and `", "`: people grep for `"type": "progress"`.
 *
 * A JSON string holds no raw line feed, so each one that indenting adds stands between two tokens.
 */
export function spacedJson(value: unknown): string {
  return JSON.stringify(value, null, 1).replace(/,\n\s*/g, ", ").replace(/\n\s*/g, "");
}

/** The members that hold what a worker likes; numbers in all others have their limits. */
const FREE = ['"fields"', '"meta"'];
/** Finds whole numbers of so many digits, or numbers of so long an exponent, that one may be changed. */
const LONG = /\d{16}|[eE]\+?\d{3}/;

/** Whether `parsedExactly` may have another value for the text than JSON.parse. */
export function mayChangeNumber(text: string): boolean {
  return FREE.some((name) => text.includes(name)) && LONG.test(text);
}

/**
 * The value of a JSON text. In one with `fields` or `meta` a whole number that JavaScript would round,
 * such as an id of 64 bits, and one that it takes for infinite, is a text with all of its digits:
 * browsers would round it, too.
 *
 * @throws {SyntaxError} as JSON.parse
 */
export function parsedExactly(text: string): unknown {
  return JSON.parse(text, mayChangeNumber(text) ? keptDigits : undefined);
}

function keptDigits(_name: string, value: unknown, context?: { readonly source: string }): unknown {
  if (typeof value !== "number" || Number.isSafeInteger(value) || !context) return value;
  const { source } = context;
  if (!Number.isFinite(value)) return source;
  if (String(value) === source || !/^-?\d+$/.test(source)) return value;
  return BigInt(source) === BigInt(value) ? value : source;
}

/** The value of a JSON text; undefined for any other text. */
export function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Whether a JSON value is an object, and no array. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value at a path of members; undefined where there is none, also for what objects inherit. */
export function valueAt(value: unknown, path: readonly string[]): unknown {
  let found = value;
  for (const name of path) {
    if (typeof found !== "object" || found === null || !Object.hasOwn(found, name)) {
      return undefined;
    }
    found = (found as Record<string, unknown>)[name]; // an object, as has just been seen
  }
  return found;
}
