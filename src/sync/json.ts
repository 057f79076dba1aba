/** JSON: its text as the contract's examples have it, and what lies in a value. */

/**
 * One line of JSON, spaced `": "` and `", "`: people grep for `"type": "progress"`.
 *
 * A JSON string holds no raw line feed, so each one that indenting adds stands between two tokens.
 */
export function spacedJson(value: unknown): string {
  return JSON.stringify(value, null, 1).replace(/,\n\s*/g, ", ").replace(/\n\s*/g, "");
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
