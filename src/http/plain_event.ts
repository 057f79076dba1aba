/** The events that workers post most, recognised without a schema. */
import { LOG_LEVELS } from "../sync/entry.ts";
import type { WireEvent } from "./event_schemas.ts";
import { MESSAGE_MAX, PERCENT_MAX, SOURCE_MAX, WORDS_MAX } from "../sync/event_limits.ts";

/**
 * The event when it is plainly right: progress or a log line with fields that are one number or one
 * text. Undefined for anything else, right or wrong: EventSchema decides on that, and says why.
 *
 * The schema takes 3 us an event, this less than 0.1; `plain_event.test.ts` holds it to the same
 * answers.
 */
export function plainEvent(value: unknown): WireEvent | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const event = value as Readonly<Record<string, unknown>>;
  const right = event.type === "progress"
    ? isPlainProgress(event)
    : event.type === "log" && isPlainLog(event);
  return right ? event as unknown as WireEvent : undefined; // each of its fields was looked at
}

function isPlainProgress(event: Readonly<Record<string, unknown>>): boolean {
  for (const name in event) {
    const value = event[name];
    switch (name) {
      case "type":
        break;
      case "entities_inserted":
      case "entities_updated":
      case "entities_deleted":
      case "entities_kept":
      case "entities_skipped":
      case "bytes_done":
      case "warnings":
      case "total":
      case "bytes_total":
        if (!(Number.isSafeInteger(value) && value as number >= 0)) return false;
        break;
      case "percent":
        if (!(typeof value === "number" && value >= 0 && value <= PERCENT_MAX)) return false;
        break;
      case "phase":
      case "current":
        if (!(typeof value === "string" && value.length <= WORDS_MAX)) return false;
        break;
      case "delta":
        if (typeof value !== "boolean") return false;
        break;
      default:
        return false;
    }
  }
  return true;
}

function isPlainLog(event: Readonly<Record<string, unknown>>): boolean {
  const { level, message, source } = event;
  if (!(typeof message === "string" && message.length <= MESSAGE_MAX)) return false;
  if (level !== undefined && !(LOG_LEVELS as readonly unknown[]).includes(level)) return false;
  if (source !== undefined && !(typeof source === "string" && source.length <= SOURCE_MAX)) {
    return false;
  }
  for (const name in event) {
    if (name !== "type" && name !== "level" && name !== "message" && name !== "source") {
      return false;
    }
  }
  return true;
}
