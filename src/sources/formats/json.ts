/** JSON that a program prints: anything may be missing or of another type. */

/** JSON that is nested deeper is not read: recursion over it would overflow the stack. */
const DEPTH_MAX = 200;

export type Members = Readonly<Record<string, unknown>>;

/** Of ECMAScript 2026; both runtimes have it, and TypeScript does not know it yet. */
declare global {
  interface JSON {
    rawJSON(text: string): object;
    isRawJSON(value: unknown): boolean;
  }
}

/** Finds numbers of so many digits, or so long an exponent, that JavaScript may round them. */
const LONG = /[\d.]{16}|\d[eE][+-]?\d{3}/;
/** JavaScript keeps any number of so many digits. */
const DIGITS_EXACT = 15;

/** As objectIn; but a number that JavaScript would round is kept as its text (`JSON.rawJSON`). */
export function recordIn(line: string): Members | undefined {
  return objectIn(line, LONG.test(line) ? exactly : undefined);
}

function exactly(_name: string, value: unknown, context?: { readonly source: string }): unknown {
  if (typeof value !== "number" || !context || String(value) === context.source) return value;
  const { source } = context;
  const digits = source.replace(/[eE].*/, "").replace(/\D/g, "").replace(/^0+/, "");
  const lost = digits.length > DIGITS_EXACT || !Number.isFinite(value) ||
    (value === 0 && digits !== "");
  return lost ? JSON.rawJSON(source) : value;
}

/** The JSON object in a line; undefined when it is something else, or cut off. */
export function objectIn(
  line: string,
  reviver?: (name: string, value: unknown) => unknown,
): Members | undefined {
  const text = line.trimStart();
  if (!text.startsWith("{") || tooDeep(text)) return undefined;
  try {
    const value: unknown = JSON.parse(text, reviver);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined; // the caller shows the line as it is
  }
}

function tooDeep(text: string): boolean {
  if (text.length < 2 * DEPTH_MAX) return false;
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === "\\") at++;
    else if (character === '"') inString = !inString;
    else if (!inString && (character === "{" || character === "[")) {
      if (++depth > DEPTH_MAX) return true;
    } else if (!inString && (character === "}" || character === "]")) depth--;
  }
  return false;
}

/** Whether the value is a JSON object: no array, and no number that `recordIn` has kept as text. */
export function isObject(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    !JSON.isRawJSON(value);
}

/** A text; undefined for anything else, and for an empty one. */
export function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** A whole number from 0 on; undefined for anything else. */
export function countOf(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

/** The same text for the same value: members in the order of their names, without blanks. */
export function stableJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(stableJson).join(",")}]`;
  if (!isObject(value)) return JSON.stringify(value) ?? "null";
  const members = Object.keys(value).sort()
    .map((name) => `${JSON.stringify(name)}:${stableJson(value[name])}`);
  return `{${members.join(",")}}`;
}
