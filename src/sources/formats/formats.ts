/** The formats by their names. */
import type { ProgramFormat } from "./format.ts";
import { linesFormat } from "./lines.ts";
import { ndjsonFormat } from "./ndjson.ts";

export const FORMAT_NAMES = [
  "rclone",
  "restic",
  "rsync",
  "singer",
  "airbyte",
  "ndjson",
  "lines",
] as const;
export type FormatName = typeof FORMAT_NAMES[number];

/** What can be said about a format. */
export interface FormatOptions {
  /**
   * For `lines`: finds in a line a percent (one group), or what is done and how much there is
   * (two groups).
   */
  readonly percent?: RegExp;
}

export function formatOf(name: FormatName, options: FormatOptions = {}): ProgramFormat {
  switch (name) {
    case "ndjson":
      return ndjsonFormat;
    default:
      return linesFormat(options.percent);
  }
}

/** Programs that are known by the name of their file. */
const PROGRAMS: readonly FormatName[] = ["rclone", "restic", "rsync"];

/** The format of a well-known program; undefined for any other. */
export function detectFormat(command: readonly string[]): FormatName | undefined {
  const [program = ""] = command;
  const base = program.slice(program.lastIndexOf("/") + 1);
  return PROGRAMS.find((name) => name === base);
}
