import assert from "node:assert/strict";
import { test } from "node:test";
import { JobEvents } from "../../src/cli/exec/job_events.ts";
import { EventSchema } from "../../src/http/event_schemas.ts";
import { NO_PROGRESS } from "../../src/sync/progress.ts";

/** Objects so many levels deep. */
const deep = (levels: number): Record<string, unknown> =>
  levels === 0 ? {} : { a: deep(levels - 1) };

for (
  const [name, fields] of Object.entries({
    "deep": deep(30),
    "with a long name": { ["x".repeat(200)]: 1 },
    "long": { a: "x".repeat(100_000) },
    "with what objects inherit": JSON.parse('{"__proto__": {"a": 1}, "b": [{"__proto__": 2}]}'),
  })
) {
  test(`JobEvents makes lines that the server takes of fields that are ${name}`, () => {
    const text = new JobEvents().log({ type: "log", level: "info", message: "x", fields }, 0);

    const read = EventSchema.safeParse(JSON.parse(text));
    assert.deepEqual(read.error?.issues, undefined);
    assert.equal(/"__proto__"/.test(text), false);
  });
}

test("JobEvents counts a type that is named as what objects inherit", () => {
  const encountered = JSON.parse('{"__proto__": 2, "toString": 3, "": 4}');

  const text = new JobEvents().progress({ type: "progress", ...NO_PROGRESS, encountered });

  assert.deepEqual(JSON.parse(text).entities_encountered, { "(__proto__)": 2, toString: 3 });
});
