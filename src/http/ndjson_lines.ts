/** Lines of NDJSON in a piece of a request's body. */
import { keptDigits } from "../sync/kept_digits.ts";
import { mayNameProto, parseJson, splitLines } from "./body.ts";
import { Problem } from "./problem.ts";

/** A line of NDJSON; as bytes where its piece of the body is not UTF-8. */
export type Line = string | Uint8Array;

const BLANK = /^[ \t\r]*$/;

const utf8 = new TextDecoder("utf-8", { fatal: true });
const lenient = new TextDecoder();
const encoder = new TextEncoder();

/** The lines, decoded together if they are UTF-8: one by one that takes as long as parsing. */
export function linesIn(piece: Uint8Array): readonly Line[] {
  try {
    return utf8.decode(piece).split("\n");
  } catch {
    return splitLines(piece); // Reading them one by one tells which line is at fault.
  }
}

export function isBlank(line: Line): boolean {
  const text = typeof line === "string" ? line : lenient.decode(line);
  return !text.startsWith("{") && BLANK.test(text);
}

/** What the line says. @param number of the line @throws {Problem} */
export function parsedLine(line: Line, number: number): unknown {
  const isText = typeof line === "string";
  try {
    if (isText && !mayNameProto(line)) return JSON.parse(keptDigits(line));
  } catch {
    // Parsed again below, for the error's words.
  }
  try {
    return parseJson(isText ? encoder.encode(line) : line);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    const detail = `Line ${number} cannot be read: ${cause.message}`;
    throw new Problem("invalid-request", detail, { line: number });
  }
}
