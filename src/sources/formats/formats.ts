/** The formats by their names. */
import { airbyteFormat } from "./airbyte.ts";
import { baseName, programIndex } from "./flags.ts";
import type { ProgramFormat } from "./format.ts";
import { linesFormat } from "./lines.ts";
import { ndjsonFormat } from "./ndjson.ts";
import { rcloneFormat } from "./rclone.ts";
import { resticFormat } from "./restic.ts";
import { rsyncFormat } from "./rsync.ts";
import { singerFormat } from "./singer.ts";

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

const FORMATS: Readonly<Record<Exclude<FormatName, "lines">, ProgramFormat>> = {
  rclone: rcloneFormat,
  restic: resticFormat,
  rsync: rsyncFormat,
  singer: singerFormat,
  airbyte: airbyteFormat,
  ndjson: ndjsonFormat,
};

/** What can be said about a format. */
export interface FormatOptions {
  /**
   * For `lines`: finds in a line a percent (one group), or what is done and how much there is
   * (two groups).
   */
  readonly percent?: RegExp;
}

/** How a program of that format is understood. */
export function formatOf(name: FormatName, options: FormatOptions = {}): ProgramFormat {
  return name === "lines" ? linesFormat(options.percent) : FORMATS[name];
}

/** Programs that are known by the name of their file. */
const PROGRAMS: readonly FormatName[] = ["rclone", "restic", "rsync"];

/** The format of a well-known program, also behind `nice` and the like; undefined for any other. */
export function detectFormat(command: readonly string[]): FormatName | undefined {
  const program = baseName(command[programIndex(command)] ?? "");
  return PROGRAMS.find((name) => name === program);
}
