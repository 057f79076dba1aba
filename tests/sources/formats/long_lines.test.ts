import assert from "node:assert/strict";
import { test } from "node:test";
import { formatOf } from "../../../src/sources/formats/formats.ts";
import { LINE_BYTES_MAX } from "../../../src/sources/formats/format.ts";
import { LongLines } from "../../../src/sources/formats/long_lines.ts";
import { RUN, told } from "./reading.ts";

/** What is told of lines of stdout that were cut. */
function cut(format: "lines" | "rclone", ...lines: readonly string[]) {
  const reader = formatOf(format).reader(RUN);
  const long = new LongLines();
  const { events } = reader.end({ code: 0, signal: null });
  const { last, lines: said } = told([
    ...lines.flatMap((line) => long.told(reader.line(line, "stdout"), true)),
    ...long.told(events),
  ]);
  return [last.warnings ?? 0, said.filter((line) => line.startsWith("warning: A line of more"))];
}

test("LongLines tells once of lines that were cut, and of none that says nothing", () => {
  const drawn = "0 B / 0 B, -, 0 B/s, ETA -".repeat(LINE_BYTES_MAX / 26);
  const words = "warning: A line of more than 1 MiB was cut, and so are others like it";

  assert.deepEqual(cut("lines", "x", "y"), [1, [words]]);
  assert.deepEqual(cut("rclone", drawn), [0, []]);
  assert.deepEqual(cut("rclone", drawn, "x"), [1, [words]]);
});
