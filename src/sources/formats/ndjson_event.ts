/** The events that programs print, with the members of docs/workers.md. */
import { cut } from "../../sync/cut.ts";
import { type JobError, LOG_LEVELS } from "../../sync/entry.ts";
import type { JobMeasures } from "../../sync/event.ts";
import type { SourceLog } from "../source.ts";
import { keptDigits } from "../../sync/kept_digits.ts";
import { isObject, type Members, objectIn } from "./json.ts";
import { ENTITY_COUNTS, type EntityCount } from "../../sync/progress.ts";
import { PERCENT_MAX, SOURCE_MAX, TYPES_MAX } from "../../sync/event_limits.ts";

export interface NdjsonProgress extends JobMeasures {
  readonly type: "progress";
  readonly delta: boolean;
  readonly counters: Readonly<Partial<Record<EntityCount | "warnings" | "bytesDone", number>>>;
  readonly encountered: Readonly<Record<string, number>>;
}

export interface NdjsonEnd {
  readonly type: "end";
  readonly status: "completed" | "failed" | "cancelled";
  readonly error?: JobError;
}

export type NdjsonEvent = NdjsonProgress | SourceLog | NdjsonEnd;

/** Why a line with the type of an event is no valid event. */
export class NdjsonFault extends Error {
  override readonly name = "NdjsonFault";
}

const MEASURES = ["total", "bytes_total", "percent", "phase", "current"];
const PRODUCER = ["producer_id", "producer_epoch", "producer_seq"];
const MEMBERS: Readonly<Record<string, readonly string[]>> = {
  progress: [
    ...ENTITY_COUNTS,
    ...ENTITY_COUNTS.map((name) => `entities_${name}`),
    ...MEASURES,
    "delta",
    "entities_encountered",
    "bytes_done",
    "warnings",
  ],
  log: ["level", "message", "source", "time", "fields"],
  phase: ["phase"],
  total: ["total", "bytes_total"],
  end: ["status", "error"],
};
const STATUSES = ["completed", "failed", "cancelled"] as const;

/**
 * Reads one line.
 *
 * @returns undefined when the line is no JSON object with an event's type
 * @throws {NdjsonFault} when it is one, but a member is unknown or has a wrong value
 */
export function parseNdjson(text: string): NdjsonEvent | undefined {
  const members = objectIn(keptDigits(text));
  if (!members || typeof members.type !== "string") return undefined;
  if (!Object.hasOwn(MEMBERS, members.type)) return undefined;
  const known = MEMBERS[members.type];
  for (const name of Object.keys(members)) {
    if (name === "type" || known.includes(name) || PRODUCER.includes(name)) continue;
    throw new NdjsonFault(`an event of type ${members.type} has no "${name}"`);
  }
  switch (members.type) {
    case "log":
      return log(members);
    case "end":
      return end(members);
    default:
      return progress(members);
  }
}

/** The status of an `end` whose other members are invalid. */
export function endIn(text: string): NdjsonEnd | undefined {
  const { type, status: said } = objectIn(text) ?? {};
  const status = STATUSES.find((name) => name === said);
  return type === "end" && status ? { type, status } : undefined;
}

function progress(members: Members): NdjsonProgress {
  const { delta = false, entities_encountered: met = {} } = members;
  if (typeof delta !== "boolean") throw new NdjsonFault(`"delta" is neither true nor false`);
  if (!isObject(met)) throw new NdjsonFault(`"entities_encountered" is no object`);
  if (Object.keys(met).length > TYPES_MAX) {
    throw new NdjsonFault(`"entities_encountered" has more than ${TYPES_MAX} types`);
  }
  const counters: Partial<Record<EntityCount | "warnings" | "bytesDone", number>> = {};
  for (const name of ENTITY_COUNTS) {
    const short = count(members, name);
    counters[name] = count(members, `entities_${name}`) ?? short;
    if (short !== undefined && short !== counters[name]) {
      throw new NdjsonFault(`"${name}" is not "entities_${name}"`);
    }
  }
  counters.warnings = count(members, "warnings");
  counters.bytesDone = count(members, "bytes_done");
  const encountered = Object.entries(met).map(([type]) => [type, count(met, type) ?? 0]);
  return {
    type: "progress",
    delta,
    counters,
    encountered: Object.fromEntries(encountered),
    total: count(members, "total"),
    bytesTotal: count(members, "bytes_total"),
    percent: percentIn(members),
    phase: string(members, "phase"),
    current: string(members, "current"),
  };
}

function log(members: Members): SourceLog {
  const { level = "info", fields } = members;
  const known = LOG_LEVELS.find((name) => name === level);
  if (!known) throw new NdjsonFault(`"level" is none of ${LOG_LEVELS.join(", ")}`);
  const message = string(members, "message");
  if (message === undefined) throw new NdjsonFault(`"message" is missing`);
  if (fields !== undefined && !isObject(fields)) throw new NdjsonFault(`"fields" is no object`);
  const time = string(members, "time");
  const timeMs = time === undefined ? undefined : Date.parse(time);
  if (Number.isNaN(timeMs)) throw new NdjsonFault(`"time" is no date`);
  const source = string(members, "source");
  return {
    type: "log",
    level: known,
    message,
    source: source && cut(source, SOURCE_MAX),
    timeMs,
    fields,
  };
}

function end(members: Members): NdjsonEnd {
  const status = STATUSES.find((name) => name === members.status);
  if (!status) throw new NdjsonFault(`"status" is none of ${STATUSES.join(", ")}`);
  const { error } = members;
  if (error === undefined || error === null) return { type: "end", status };
  if (status === "completed") throw new NdjsonFault(`an end that is completed has no "error"`);
  if (!isObject(error)) throw new NdjsonFault(`"error" is no object`);
  const message = string(error, "message");
  if (message === undefined) throw new NdjsonFault(`"error" has no "message"`);
  return {
    type: "end",
    status,
    error: { code: string(error, "code") ?? "worker_failed", message },
  };
}

function count(members: Members, name: string): number | undefined {
  const value = members[name];
  if (value === undefined) return undefined;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw new NdjsonFault(`"${name}" is no whole number from 0 on`);
}

function percentIn({ percent }: Members): number | undefined {
  if (percent === undefined) return undefined;
  if (typeof percent === "number" && percent >= 0 && percent <= PERCENT_MAX) return percent;
  throw new NdjsonFault(`"percent" is no number from 0 to ${PERCENT_MAX}`);
}

function string(members: Members, name: string): string | undefined {
  const value = members[name];
  if (value === undefined || typeof value === "string") return value;
  throw new NdjsonFault(`"${name}" is no text`);
}
