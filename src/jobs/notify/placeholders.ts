/** The placeholders of a template, in double braces: their names and values. */
import { textOf, titleOf } from "./words.ts";
import type { Message } from "./message.ts";
import { isoTime } from "../../sync/iso_time.ts";
import { parsedJson, valueAt } from "../../sync/json.ts";

const PLACEHOLDER = /\{\{\s*([^{}]*?)\s*\}\}/g;

/** Names of the message's own values. */
const MESSAGE_NAMES = [
  "kind",
  "title",
  "text",
  "time",
  "tenant",
  "sync",
  "sync_id",
  "detail",
  "link",
  "id",
  "secret",
] as const;

/** Names of a job's members, as in the API. */
export const JOB_NAMES = [
  "id",
  "sync_id",
  "sync",
  "name",
  "status",
  "seq",
  "entities_inserted",
  "entities_updated",
  "entities_deleted",
  "entities_kept",
  "entities_skipped",
  "entities_encountered",
  "total",
  "percent",
  "bytes_done",
  "bytes_total",
  "rate_per_s",
  "bytes_per_s",
  "eta_s",
  "phase",
  "current",
  "warnings",
  "paced",
  "tags",
  "meta",
  "retry_of",
  "attempt",
  "origin",
  "lease_s",
  "stalled",
  "viewers",
  "created_at",
  "started_at",
  "updated_at",
  "ended_at",
  "error",
  "late_end",
] as const;

/** Those that are never a number or a truth, which alone are JSON without quotes. */
const QUOTED = new RegExp(
  "^(kind|title|text|time|sync_id|detail|link|id|job\\.(id|sync_id|status|entities_encountered|" +
    "tags|meta|retry_of|origin|\\w+_at|error|error\\.message|late_end.*))$",
);

/** What placeholders are filled from. */
export interface Values {
  /** The delivery's id. */
  readonly id: string;
  readonly message: Message;
  readonly link: string | undefined;
  /** When it is sent, in milliseconds since 1970. */
  readonly nowMs: number;
  readonly secret: string;
}

/** The names in a template that are not known. */
export function unknownNamesIn(template: string): string[] {
  return [...template.matchAll(PLACEHOLDER)].map(([, name]) => name).filter((name) => {
    const [first, second] = name.split(".");
    if (first === "job") return !JOB_NAMES.some((known) => known === second);
    return second !== undefined || !MESSAGE_NAMES.some((known) => known === first);
  });
}

/** Whether a body with these headers is JSON; that is what it is called where they do not say. */
export function isJsonBody(headers: Readonly<Record<string, string>>): boolean {
  const type = Object.entries(headers).find(([name]) => name.toLowerCase() === "content-type");
  return !type || /json/i.test(type[1]);
}

/** Whether the template may be JSON once it is filled in; texts and lists have to be in quotes. */
export function isJsonOnceFilled(template: string): boolean {
  const sample = template.replace(PLACEHOLDER, (_, name: string) => QUOTED.test(name) ? "a" : "0");
  return parsedJson(sample) !== undefined;
}

/** The template with every placeholder filled in; an unknown value is the empty text. */
export function filled(template: string, values: Values, escape: (text: string) => string): string {
  return template.replace(PLACEHOLDER, (_, name: string) => escape(valueOf(name, values)));
}

/**
 * The JSON template with every placeholder filled in, so that it is JSON whatever the values are: in
 * quotes they are escaped, elsewhere what is no JSON of its own becomes a string, and nothing null.
 */
export function filledJson(template: string, values: Values): string {
  return template.replace(PLACEHOLDER, (_, name: string, at: number) => {
    const value = valueOf(name, values);
    const string = JSON.stringify(value);
    if (isInString(template.slice(0, at))) return string.slice(1, -1);
    if (value === "") return "null";
    return parsedJson(value) === undefined ? string : value;
  });
}

/** Whether a JSON text that goes on behind this one is inside of a string there. */
function isInString(before: string): boolean {
  return before.replace(/\\./g, "").split('"').length % 2 === 0;
}

function valueOf(name: string, { id, message, link, nowMs, secret }: Values): string {
  const [first, ...rest] = name.split(".");
  if (first === "job") return textFor(valueAt(message.job, rest));
  switch (first as typeof MESSAGE_NAMES[number]) {
    case "kind":
      return message.kind;
    case "title":
      return titleOf(message);
    case "text":
      return textOf(message, nowMs);
    case "time":
      return isoTime(message.atMs);
    case "tenant":
      return message.tenant;
    case "sync":
      return message.sync?.name ?? "";
    case "sync_id":
      return message.sync?.id ?? "";
    case "detail":
      return message.detail;
    case "link":
      return link ?? "";
    case "id":
      return id;
    case "secret":
      return secret;
    default:
      return "";
  }
}

/** A value as text: lists and objects as their JSON, null and undefined as the empty text. */
function textFor(value: unknown): string {
  if (value === undefined || value === null) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
