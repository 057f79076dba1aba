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

/** All but `lines`, which is made with its pattern. */
const FORMATS = {
  rclone: rcloneFormat,
  restic: resticFormat,
  rsync: rsyncFormat,
  singer: singerFormat,
  airbyte: airbyteFormat,
  ndjson: ndjsonFormat,
} satisfies Readonly<Record<string, ProgramFormat>>;

export type FormatName = keyof typeof FORMATS | "lines";

/** In the order in which people are told of them. */
export const FORMAT_NAMES: readonly FormatName[] = [
  ...Object.keys(FORMATS) as (keyof typeof FORMATS)[], // its own
  "lines",
];

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

/** The format of a well-known program, also behind `nice` and the like; undefined for any other. */
export function detectFormat(command: readonly string[]): FormatName | undefined {
  const program = baseName(command[programIndex(command)] ?? "");
  return FORMAT_NAMES.find((name) => name === program && formatOf(name).ofProgram);
}
