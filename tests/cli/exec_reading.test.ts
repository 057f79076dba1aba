import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { Reading } from "../../src/cli/exec/reading.ts";
import { formatOf } from "../../src/sources/formats/formats.ts";
import type { SourceEvent } from "../../src/sources/source.ts";
import { memoryRecords } from "../sources/formats/record_session.ts";

test("Reading counts a record that is too long, and the cut, as warnings", () => {
  const events: SourceEvent[] = [];
  const reading = new Reading({
    format: formatOf("singer"),
    command: ["tap"],
    cwd: "/",
    env: {},
    records: memoryRecords,
    emit: (event) => events.push(event),
  });
  const row = (text: string) =>
    Buffer.from(`{"type":"RECORD","stream":"s","record":{"text":"${text}"}}\n`);

  reading.chunk("stdout", row("short"));
  reading.chunk("stdout", row("x".repeat(1024 * 1024)));
  const { error } = reading.end({ code: 0, signal: null });

  assert.equal(error, undefined);
  const last = events.findLast((event) => event.type === "progress");
  assert.deepEqual([last?.inserted, last?.warnings], [1, 2]);
  const warnings = events.flatMap((event) =>
    event.type === "log" && event.level === "warning" ? [event.message.slice(0, 44)] : []
  );
  assert.deepEqual(warnings, [
    'Not counted: {"type":"RECORD","stream":"s","',
    "A line of more than 1 MiB was cut, and so ar",
  ]);
});
