/** Reads a message of somebody's own progress feed. */
import { cut } from "../../sync/cut.ts";
import type { EndEvent, JobMeasures } from "../../sync/event.ts";
import { MESSAGE_MAX, TYPE_MAX, TYPES_MAX, WORDS_MAX } from "../../sync/event_limits.ts";
import { parsedJson, valueAt } from "../../sync/json.ts";
import type { Counters } from "../../sync/producer.ts";
import type { TerminalStatus } from "../../sync/status.ts";

/** Where values are found in a message: dotted paths, by our name on the wire. */
export type FeedFields = Readonly<Partial<Record<FeedName, string>>>;

/** Names that a feed can be mapped to. */
export const FEED_NAMES = [
  "entities_inserted",
  "entities_updated",
  "entities_deleted",
  "entities_kept",
  "entities_skipped",
  "entities_encountered",
  "bytes_done",
  "bytes_total",
  "total",
  "phase",
  "current",
  "status",
  "is_complete",
  "is_failed",
  "error",
] as const;
export type FeedName = typeof FEED_NAMES[number];

/** Running totals, and the end if the message has one. */
export interface FeedMessage {
  readonly counters: Partial<Counters>;
  readonly measures: JobMeasures;
  readonly end: EndEvent | undefined;
  /** Whether it holds nothing that is known: then it is only a sign of life. */
  readonly empty: boolean;
  /** Whether entity types that no job can have were left out. */
  readonly leftOut: boolean;
}

/** How many characters of a status are read. */
export const STATUS_MAX = 100;

/** Words of common feeds for the ends. */
const ENDS: Readonly<Record<string, TerminalStatus>> = {
  completed: "completed",
  complete: "completed",
  done: "completed",
  finished: "completed",
  success: "completed",
  succeeded: "completed",
  failed: "failed",
  failure: "failed",
  error: "failed",
  cancelled: "cancelled",
  canceled: "cancelled",
};

/**
 * Reads a message; undefined when it is not a JSON object. A value of the wrong kind counts as
 * missing.
 *
 * @param fields paths that differ from our own names; short names (`inserted`) are found as well
 * @param statuses the feed's own words for the ends, in lower case
 */
export function readFeedMessage(
  text: string,
  fields: FeedFields,
  statuses: Readonly<Record<string, TerminalStatus>>,
): FeedMessage | undefined {
  const message = parsedJson(text);
  if (typeof message !== "object" || message === null || Array.isArray(message)) return undefined;
  const value = (name: FeedName): unknown => {
    const path = fields[name];
    if (path !== undefined) return valueAt(message, path.split("."));
    return valueAt(message, [name]) ?? valueAt(message, [name.replace("entities_", "")]);
  };
  const count = (name: FeedName) => countOf(value(name));
  const words = (name: FeedName) => textOf(value(name), WORDS_MAX);
  const { counts, leftOut } = countsOf(value("entities_encountered"));
  return {
    counters: {
      inserted: count("entities_inserted"),
      updated: count("entities_updated"),
      deleted: count("entities_deleted"),
      kept: count("entities_kept"),
      skipped: count("entities_skipped"),
      bytes: count("bytes_done"),
      encountered: counts,
    },
    measures: {
      total: count("total"),
      bytesTotal: count("bytes_total"),
      phase: words("phase"),
      current: words("current"),
    },
    end: endOf(value, statuses),
    empty: FEED_NAMES.every((name) => (value(name) ?? undefined) === undefined),
    leftOut,
  };
}

function endOf(
  value: (name: FeedName) => unknown,
  statuses: Readonly<Record<string, TerminalStatus>>,
): EndEvent | undefined {
  const word = textOf(value("status"), STATUS_MAX)?.toLowerCase();
  const named = word === undefined ? undefined : own(statuses, word) ?? own(ENDS, word);
  const status = value("is_failed") === true
    ? "failed"
    : named ?? (value("is_complete") === true ? "completed" : undefined);
  if (status === undefined) return undefined;
  const message = textOf(value("error"), MESSAGE_MAX);
  const error = status === "completed" || message === undefined
    ? undefined
    : { code: "worker_failed", message };
  return { type: "end", status, error };
}

function own<Value>(record: Readonly<Record<string, Value>>, name: string): Value | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

function countOf(value: unknown): number | undefined {
  return Number.isSafeInteger(value) && Number(value) >= 0 ? Number(value) : undefined;
}

/** Counts by entity type, without types that the API would refuse. */
function countsOf(value: unknown) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { leftOut: false };
  }
  const counts = Object.entries(value).filter(([, count]) => countOf(count) !== undefined);
  const kept = counts.filter(([type]) =>
    type !== "" && type.length <= TYPE_MAX && type !== "__proto__"
  ).slice(0, TYPES_MAX);
  return { counts: Object.fromEntries(kept), leftOut: kept.length < counts.length };
}

function textOf(value: unknown, most: number): string | undefined {
  return typeof value === "string" && value !== "" ? cut(value, most) : undefined;
}
