import assert from "node:assert/strict";
import { test } from "node:test";
import { JobEvents } from "../../src/cli/exec/job_events.ts";
import { EventSchema } from "../../src/http/event_schemas.ts";
import { Totals } from "../../src/sources/formats/totals.ts";
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

/** What the server reads of it; it takes all of it. */
// deno-lint-ignore no-explicit-any -- tests look into events freely
function taken(text: string): any {
  const { data, error } = EventSchema.safeParse(JSON.parse(text));
  assert.deepEqual([error?.issues, typeof data], [undefined, "object"]);
  return JSON.parse(text);
}

test("JobEvents leaves out of totals what the server does not take, and never goes back", () => {
  const events = new JobEvents();
  const odd = {
    ...{ type: "progress", ...NO_PROGRESS, total: -1, bytesTotal: 0.5, percent: 101 } as const,
    ...{ phase: "x".repeat(2_000), current: "y".repeat(2_000) },
    encountered: Object.fromEntries(Array.from({ length: 1_500 }, (_, n) => [`t${n}`, 1])),
  };

  const first = taken(events.progress({ ...odd, inserted: 5, bytesDone: 7 }));
  const second = taken(events.progress({ ...odd, inserted: 4, bytesDone: 6, percent: 100 }));

  const { total, bytes_total, percent, phase, current, entities_encountered } = first;
  assert.deepEqual([total, bytes_total, percent], [undefined, undefined, undefined]);
  assert.deepEqual([phase.length, current.length], [1_000, 1_000]);
  assert.equal(Object.keys(entities_encountered).length, 1_000);
  assert.deepEqual([second.entities_inserted, second.bytes_done, second.percent], [5, 7, 100]);
});

test("JobEvents tells of each entity that a run's totals have met, however many types there are", () => {
  const totals = new Totals();
  for (let n = 0; n < 1_100; n++) totals.meet(`t${n}`);

  const { entities_encountered } = taken(new JobEvents().progress(totals.progress()));

  const counts: number[] = Object.values(entities_encountered);
  assert.deepEqual([counts.length, entities_encountered.other], [1_000, 101]);
  assert.equal(counts.reduce((sum, count) => sum + count), 1_100);
});

test("JobEvents makes lines and ends that the server takes of whatever a program says", () => {
  const events = new JobEvents();
  const long = "x".repeat(100_000);
  const line = { type: "log", level: "info", message: long, source: long } as const;

  const [first, last] = ["0000-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"];
  const at = (timeMs: number) => taken(events.log({ ...line, timeMs }, 0));

  const late = at(Date.parse(last) + 1);
  const early = at(Date.parse(first) - 1);
  const failed = taken(events.end("failed", { code: long, message: long }));
  const nameless = taken(events.end("failed", { code: "", message: "m" }));
  const done = taken(events.end("completed", { code: "c", message: "m" }));

  assert.deepEqual([late.message.length, late.source.length], [65_536, 200]);
  const nowText = "1970-01-01T00:00:00.000Z";
  assert.deepEqual([late.time, early.time], [nowText, nowText]);
  for (const time of [first, last]) assert.equal(at(Date.parse(time)).time, time);
  assert.deepEqual([failed.error.code.length, failed.error.message.length], [100, 65_536]);
  assert.deepEqual(nameless.error, { code: "program_failed", message: "m" });
  assert.equal(done.error, undefined);
});

test("JobEvents cuts no character in two", () => {
  const events = new JobEvents();
  const long = `x${"😀".repeat(50_000)}`;
  const line = { type: "log", level: "info", message: long, source: long } as const;
  const progress = { type: "progress", ...NO_PROGRESS, phase: long, current: long } as const;

  const { message, source } = taken(events.log(line, 0));
  const { phase, current } = taken(events.progress(progress));
  const { error } = taken(events.end("failed", { code: long, message: long }));

  for (const text of [message, source, phase, current, error.code, error.message]) {
    assert.ok(text.isWellFormed() && text.endsWith("😀"));
  }
});
