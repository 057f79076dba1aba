/** Problems that name each fault of a request, with its place. */
import type { ZodError } from "zod";
import { CursorError } from "../log/log_errors.ts";
import { type Invalid, Problem, type ProblemExtras } from "./problem.ts";

/** Most faults that an answer names: a body of 1 MiB can have 100,000. */
const ERRORS_MAX = 100;

/** zod's words for a member that is not there, and for a parameter that is given twice. */
const MISSING = /, received undefined$/;
const TWICE = /, received array$/;
export const MISSING_WORDS = "this is missing";

/** @param errors at least one */
export function invalid(errors: readonly Invalid[], extras: ProblemExtras = {}): Problem {
  const [first] = errors;
  const where = first.pointer ?? (first.header ? `header ${first.header}` : `?${first.parameter}`);
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : "";
  const line = extras.line === undefined ? "" : `line ${extras.line}: `;
  const place = where === "" ? "the value" : where;
  const detail = `${line}${place}: ${first.detail}${more}`;
  return new Problem("invalid-request", detail, {
    errors: errors.slice(0, ERRORS_MAX),
    ...extras,
  });
}

/** What to throw where a list has failed: a problem for a cursor that no list gave. */
export function cursorProblem(cause: unknown): unknown {
  if (!(cause instanceof CursorError)) return cause;
  const errors = [{ parameter: "cursor", detail: cause.message }];
  return new Problem("invalid-request", cause.message, { errors });
}

/** @param path of the checked value in the body */
export function invalidJson(
  error: ZodError,
  path: readonly PropertyKey[] = [],
  extras: ProblemExtras = {},
): Problem {
  const parts = partsOf(error).map(({ path: inner, detail }) => ({
    pointer: pointerOf([...path, ...inner]),
    detail,
  }));
  return invalid(parts, extras);
}

/** @param kind which of a request's names were checked */
export function invalidNames(error: ZodError, kind: "parameter" | "header"): Problem {
  return invalid(
    partsOf(error).map(({ path, detail }) => ({
      [kind]: path.map(String).join("."),
      detail: TWICE.test(detail) ? "expected it once" : detail,
    })),
  );
}

/** The path as a JSON pointer (RFC 6901). */
export function pointerOf(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`)
    .join("");
}

function partsOf(error: ZodError): { path: readonly PropertyKey[]; detail: string }[] {
  return error.issues.flatMap((issue) => {
    const { path, message } = issue;
    switch (issue.code) {
      case "unrecognized_keys":
        return issue.keys.map((key) => ({
          path: [...path, key],
          detail: "this is not known here",
        }));
      case "invalid_key": // a name in a record; its own words do not say why
        return issue.issues.map((inner) => ({ path, detail: inner.message }));
      default:
        return [{ path, detail: MISSING.test(message) ? MISSING_WORDS : message }];
    }
  });
}
