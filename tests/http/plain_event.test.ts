import assert from "node:assert/strict";
import { test } from "node:test";
import { EventSchema } from "../../src/http/event_schemas.ts";
import { plainEvent } from "../../src/http/plain_event.ts";

const LONG = "x".repeat(1_001);
/** Values that some field takes and others do not. */
const VALUES = [
  ...[0, 1, -0, -1, 0.5, 100, 100.5, Number.MAX_SAFE_INTEGER, 2 ** 53, Infinity],
  ...["", "a", "info", "loud", "progress", LONG.slice(1), LONG, "x".repeat(200), "x".repeat(201)],
  ...["x".repeat(64 * 1024), "x".repeat(64 * 1024 + 1), true, false, null, {}, [], { a: 1 }],
];
const FIELDS = [
  ...["inserted", "updated", "deleted", "kept", "skipped"].flatMap((name) => [
    name,
    `entities_${name}`,
  ]),
  ...["type", "delta", "entities_encountered", "bytes_done", "warnings", "total", "bytes_total"],
  ...["percent", "phase", "current", "level", "message", "source", "time", "fields", "status"],
  ...["error", "producer_id", "producer_epoch", "producer_seq", "unknown", "__proto__"],
];
const STARTS = [
  { type: "progress" },
  { type: "progress", entities_inserted: 3, entities_updated: 4, current: "a", percent: 5 },
  { type: "log", message: "m" },
  { type: "log", message: "m", level: "info", source: "s" },
  { type: "phase", phase: "p" },
  { type: "total", total: 1 },
  { type: "end", status: "completed" },
];

test("plainEvent() takes no event that the schema refuses, and reads the same from the others", () => {
  let plain = 0;
  for (const start of STARTS) {
    for (const field of FIELDS) {
      for (const value of VALUES) {
        const event = JSON.parse(JSON.stringify({ ...start }));
        Object.defineProperty(event, field, { value, enumerable: true, configurable: true });
        const taken = plainEvent(event);
        if (taken === undefined) continue;
        plain++;
        const read = EventSchema.safeParse(event);
        assert.ok(read.success, `${field} ${JSON.stringify(value)?.slice(0, 50)}`);
        assert.deepEqual({ ...taken }, { ...read.data });
      }
    }
  }
  assert.ok(plain > 100, `${plain} were plain`);
});

test("plainEvent() leaves to the schema what is no object", () => {
  for (const value of [undefined, null, 1, "progress", [], [{ type: "progress" }]]) {
    assert.equal(plainEvent(value), undefined);
  }
});
