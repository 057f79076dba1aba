/** One line of a file of records: a change of one record. */
import type { RecordChange } from "./record_changes.ts";

const START = '{"op": "';

/**
 * `{"op": "inserted", "type": "users", "key": "7", "hash": "…", "record": {…}}` with its line end.
 * A deletion has neither hash nor record.
 */
export function jsonlLine(change: RecordChange): string {
  const { type, key } = change.record;
  const head = `${START}${change.op}", "type": ${JSON.stringify(type)}, "key": ${
    JSON.stringify(key)
  }`;
  if (change.op === "deleted") return `${head}}\n`;
  const { hash, payload } = change.record;
  // In JSON line ends only stand between tokens: in strings they are escaped.
  const record = payload.replace(/[\r\n]+/g, " ");
  return `${head}, "hash": ${JSON.stringify(hash)}, "record": ${record}}\n`;
}

/** Reads a line of `jsonlLine`, without the payload; undefined for any other line. */
export function parseJsonlLine(text: string): RecordChange | undefined {
  if (!text.startsWith(START)) return undefined;
  let line: Record<string, unknown>;
  try {
    line = JSON.parse(text);
  } catch {
    return undefined; // The caller tells where the line is.
  }
  const { op, type, key, hash } = line;
  if (typeof type !== "string" || typeof key !== "string") return undefined;
  if (op === "deleted") return { op, record: { type, key } };
  if (op !== "inserted" && op !== "updated" || typeof hash !== "string") return undefined;
  return { op, record: { type, key, hash, payload: "" } };
}

/** Whether a text without a line end may be the start of such a line, or unwritten blocks (NUL). */
export function isTorn(text: string): boolean {
  return text.startsWith(START) || START.startsWith(text) || /^\0*$/.test(text);
}
