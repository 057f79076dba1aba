/** Rules for settings. They need no zod, as every start checks them and few have a file. */

/** The form of a value, for the schema of the file. */
export type Form =
  | { readonly type: "whole"; readonly least: number; readonly most: number }
  | { readonly type: "text"; readonly least?: number; readonly pattern?: RegExp }
  | { readonly type: "choice"; readonly values: readonly string[] }
  | { readonly type: "boolean" };

export interface Rule<T = unknown> {
  readonly form: Form;
  readonly takes: (value: unknown) => value is T;
  /** The reason when it refuses a value: `expected a whole number from 0 to 9`. */
  readonly expected: string;
}

/** A whole number in a range, its ends included. */
export function whole(least: number, most: number): Rule<number> {
  return {
    form: { type: "whole", least, most },
    takes: (value): value is number =>
      Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most,
    expected: `expected a whole number from ${least} to ${most}`,
  };
}

/** A text that passes `sound`. */
export function textOf(sound: (text: string) => boolean, expected: string): Rule<string> {
  return {
    form: { type: "text" },
    takes: (value): value is string => typeof value === "string" && sound(value),
    expected,
  };
}

/** A text that matches the pattern. */
export function textLike(pattern: RegExp, expected: string): Rule<string> {
  return { ...textOf((text) => pattern.test(text), expected), form: { type: "text", pattern } };
}

export const NOT_EMPTY: Rule<string> = {
  ...textOf((text) => text !== "", "expected at least one character"),
  form: { type: "text", least: 1 },
};

/** A path in UTF-8. Other bytes arrive as U+FFFD, which would be another path. */
export const UTF_8_PATH: Rule<string> = textLike(
  // deno-lint-ignore no-control-regex -- a file can have it in a path
  /^[^\ufffd\u0000]+$/,
  "expected a path of at least one character, all of it UTF-8 and none of it NUL",
);

/** One of several texts. */
export function choice<const T extends string>(values: readonly T[]): Rule<T> {
  return {
    form: { type: "choice", values },
    takes: (value): value is T => values.some((each) => each === value),
    expected: `expected ${values.map((value) => JSON.stringify(value)).join(" or ")}`,
  };
}

export const BOOLEAN: Rule<boolean> = {
  form: { type: "boolean" },
  takes: (value) => typeof value === "boolean",
  expected: "expected true or false",
};
