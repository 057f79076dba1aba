/** One line of a file of records: what became of which record. */
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
  // In JSON line ends stand between things only: within texts they are escaped.
  const record = payload.replace(/[\r\n]+/g, " ");
  return `${head}, "hash": ${JSON.stringify(hash)}, "record": ${record}}\n`;
}

/** @returns undefined for a line that is none of ours; the payload is not taken out */
export function parseJsonlLine(text: string): RecordChange | undefined {
  if (!text.startsWith(START)) return undefined;
  let line: Record<string, unknown>;
  try {
    line = JSON.parse(text);
  } catch {
    return undefined; // Whoever asks says where the line is.
  }
  const { op, type, key, hash } = line;
  if (typeof type !== "string" || typeof key !== "string") return undefined;
  if (op === "deleted") return { op, record: { type, key } };
  if (op !== "inserted" && op !== "updated" || typeof hash !== "string") return undefined;
  return { op, record: { type, key, hash, payload: "" } };
}

/** Whether a text without a line end may be the beginning of one of ours, or never written blocks. */
export function isTorn(text: string): boolean {
  return text.startsWith(START) || START.startsWith(text) || /^\0*$/.test(text);
}
