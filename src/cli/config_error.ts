/** Faults of a configuration, in lines for people. */
import type { z } from "zod";
import type { ConfigIssue } from "../jobs/sync_config.ts";
import { clean } from "../sync/clean.ts";
import { shortened } from "../sync/cut.ts";
import { nearest } from "./nearest.ts";

/** Characters of a wrong value that are shown. */
const SHOWN_MAX = 60;
const SECRET_NAME = /key|secret|token|passw|credential|set_env/i;
/** Settings that are named like secrets and are not: their values are shown. */
const NO_SECRET = /^server\.viewers_per_key$|^auth\.ticket_keys\[\d+\]\.(kid|tenant|algorithm)$/;
/** Settings of a target that may hold its secret: their values are not shown. */
const HIDDEN_OF_TARGETS = /^(url|headers|body)/;
/** Up to the last @: in a faulty URL the password may hold a / or a blank. */
const CREDENTIALS_IN_URL = /(:\/{0,2}|\/\/)[^]*@/;
const QUERY_OF_URL = /(\/\/[^?#]*[?#])[^]+(?=")/;

/** A configuration that cannot be used, not even in part. `issues` has a line for each fault. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly issues: readonly string[];

  constructor(issues: readonly string[], options?: ErrorOptions) {
    super(issues.join("\n"), options);
    this.issues = issues;
  }
}

/** Checks `input` and reports all its faults. */
export function check<S extends z.ZodType>(
  schema: S,
  input: unknown,
): { readonly value: z.output<S> } | { readonly issues: readonly ConfigIssue[] } {
  const result = schema.safeParse(input, { error: reasonOf, reportInput: true });
  if (result.success) return { value: result.data };
  return { issues: result.error.issues.flatMap(configIssues) };
}

/** `synctail.json: syncs[0].source.path: got 42: expected a string` */
export function issueLine(origin: string, { path, given, open, reason }: ConfigIssue): string {
  const place = pathText(path);
  const secret = path.some((part) => SECRET_NAME.test(String(part))) ||
    (path[0] === "notify" && HIDDEN_OF_TARGETS.test(String(path[2])));
  const told = given === undefined || typeof given === "object"; // what it is, and nothing in it
  const hidden = secret && !open && !NO_SECRET.test(place) && !told;
  const shown = hidden ? "a secret" : valueText(given);
  return `${origin}: ${place === "" ? "" : `${place}: `}got ${shown}: ${reason}`;
}

/**
 * Makes one fault with its own value of each unknown key, and of a wrong `type`: zod reports both
 * at the object around them.
 */
function configIssues(issue: z.core.$ZodIssue): ConfigIssue[] {
  const { path, input, message } = issue;
  const inside = (key: PropertyKey | undefined) =>
    isRecord(input) && key !== undefined ? input[String(key)] : input;
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => {
        const meant = nearest(inSnakeCase(key), message.split(" "));
        const hint = meant === undefined ? "" : `; did you mean "${meant}"?`;
        return { path: [...path, key], given: inside(key), reason: `no such setting${hint}` };
      });
    case "invalid_union":
    case "custom": // reported for a whole object, with a path into it
      return [{ path, given: inside(path.at(-1)), reason: message }];
    default:
      return [{ path, given: input, reason: message }];
  }
}

/** Words for the faults that zod finds; a schema's own words take precedence. */
function reasonOf(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case "invalid_type":
      return `expected ${TYPES[issue.expected] ?? issue.expected}`;
    case "invalid_value":
      return `expected ${oneOf(issue.values)}`;
    case "invalid_union": // the only union here is discriminated by `type`
      return Array.isArray(issue.options) ? `expected ${oneOf(issue.options)}` : undefined;
    case "unrecognized_keys": // the known names, from which configIssues makes a hint
      return namesIn(issue.inst?._zod.def).join(" ");
    case "invalid_key": // a name in an object of names
      return issue.issues?.[0]?.message;
    case "too_small":
      return `expected ${issue.inclusive ? "at least" : "more than"} ${
        amount(issue.minimum, issue)
      }`;
    case "too_big":
      return `expected ${issue.inclusive ? "at most" : "less than"} ${
        amount(issue.maximum, issue)
      }`;
    default:
      return undefined;
  }
}

/** Names of the members that an object of this definition may have. */
function namesIn(definition: object | undefined): readonly string[] {
  return definition && "shape" in definition ? Object.keys(Object(definition.shape)) : [];
}

/** A name as settings are written: turns dashes and capitals into underscores. */
function inSnakeCase(name: string): string {
  return name.replaceAll("-", "_").replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

const TYPES: Readonly<Record<string, string>> = {
  string: "a string",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "an object",
};

/** What the limits of texts and lists count; those of numbers count nothing. */
const COUNTED: Readonly<Record<string, string>> = { string: "character", array: "item" };

/** `1 character`, `20 items`, `0` */
function amount(limit: number | bigint, { origin }: { readonly origin: string }): string {
  const noun = COUNTED[origin];
  return noun === undefined ? `${limit}` : `${limit} ${noun}${limit === 1 ? "" : "s"}`;
}

function oneOf(values: readonly unknown[]): string {
  return values.map((value) => JSON.stringify(value)).join(" or ");
}

function pathText(path: readonly PropertyKey[]): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else text += `${text === "" ? "" : "."}${clean(String(part))}`;
  }
  return text;
}

/** The value as it is shown. Lists and objects are never shown: secrets could be in them. */
function valueText(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (isRecord(value)) return "an object";
  const text = JSON.stringify(value)
    .replace(CREDENTIALS_IN_URL, "$1***@")
    .replace(QUERY_OF_URL, "$1***");
  return shortened(text, SHOWN_MAX);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
