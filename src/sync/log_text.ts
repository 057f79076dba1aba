/** Log lines as text: made once, stored, and sent as it is. */
import type { LogEntry, LogFact } from "./entry.ts";
import { isoTime } from "./iso_time.ts";
import { spacedJson } from "./json.ts";

/** The years 0000 to 9999, in milliseconds since 1970: RFC 3339 knows no others. */
const TIME_MIN = -62_167_219_200_000;
const TIME_MAX = 253_402_300_799_999;

/** What a log line says. */
export interface LogWords {
  readonly message: string;
  readonly source?: string;
  readonly fields?: Readonly<Record<string, unknown>>;
  /** When it was written, or appended where the writer does not say: ISO 8601. */
  readonly time: string;
}

/** A line's time as text: `atMs` where the writer gives none that RFC 3339 can hold. */
export function lineTime(timeMs: number | undefined, atMs: number): string {
  const said = timeMs ?? NaN; // NaN fails both comparisons
  return isoTime(said >= TIME_MIN && said <= TIME_MAX ? said : atMs);
}

/**
 * The line's words as members of a JSON object, spaced, without the braces.
 *
 * @param atMs when it was appended
 */
export function logText({ message, source, fields, timeMs }: LogFact, atMs: number): string {
  return `"message": ${JSON.stringify(message)}` +
    (source === undefined ? "" : `, "source": ${JSON.stringify(source)}`) +
    (fields === undefined ? "" : `, "fields": ${spacedJson(fields)}`) +
    `, "time": "${lineTime(timeMs, atMs)}"`;
}

/** Reads what `logText` has written. */
export function logWords({ text }: LogEntry): LogWords {
  return JSON.parse(`{${text}}`);
}
