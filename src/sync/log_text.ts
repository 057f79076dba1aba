/** Log lines as text: made once, stored, and sent as it is. */
import type { LogEntry, LogFact } from "./entry.ts";
import { isoTime } from "./iso_time.ts";
import { spacedJson } from "./spaced_json.ts";

/** The farthest from 1970 that a Date can be, in milliseconds (ECMA-262, Time Values). */
const TIME_MAX = 8.64e15;

/** What a log line says. */
export interface LogWords {
  readonly message: string;
  readonly source?: string;
  readonly fields?: Readonly<Record<string, unknown>>;
  /** When it was written, or appended where the writer does not say: ISO 8601. */
  readonly time: string;
}

/** Its words as members of a JSON object, spaced, without the braces. */
export function logText({ message, source, fields, timeMs }: LogFact, atMs: number): string {
  const ms = Math.abs(timeMs ?? NaN) <= TIME_MAX ? timeMs as number : atMs; // NaN is never less
  return `"message": ${JSON.stringify(message)}` +
    (source === undefined ? "" : `, "source": ${JSON.stringify(source)}`) +
    (fields === undefined ? "" : `, "fields": ${spacedJson(fields)}`) +
    `, "time": "${isoTime(ms)}"`;
}

/** The other way round: what a stored line says. */
export function logWords({ text }: LogEntry): LogWords {
  return JSON.parse(`{${text}}`);
}
