import assert from "node:assert/strict";
import { test } from "node:test";
import {
  cronFault,
  dueSlots,
  firstSlot,
  outlookText,
  type Schedule,
  scheduleText,
  slotAfter,
  zoneFault,
} from "../../../src/jobs/schedules/slots.ts";

const QUARTER: Schedule = { type: "every", everyMs: 900_000 };

function berlin(cron: string): Schedule {
  return { type: "cron", cron, timeZone: "Europe/Berlin" };
}

/** The next slots after a moment, all of them in UTC. */
function after(schedule: Schedule, from: string, count: number): string[] {
  const slots: string[] = [];
  let atMs: number | undefined = Date.parse(from);
  while (slots.length < count) {
    atMs = slotAfter(schedule, atMs);
    if (atMs === undefined) break;
    slots.push(new Date(atMs).toISOString().slice(5, 16).replace("T", " "));
  }
  return slots;
}

test("slotAfter() makes up for an hour that the zone leaves out, once", () => {
  const nightly = berlin("30 2 * * *");

  assert.deepEqual(after(nightly, "2026-03-28T00:00:00Z", 3), [
    "03-28 01:30",
    "03-29 01:00",
    "03-30 00:30",
  ]);
});

test("slotAfter() has a fixed hour once where the zone has it twice, a wildcard's twice", () => {
  const from = "2026-10-24T20:00:00Z";

  assert.deepEqual(after(berlin("30 2 * * *"), from, 2), ["10-25 00:30", "10-26 01:30"]);
  assert.deepEqual(after(berlin("30 2,4 * * *"), from, 2), ["10-25 00:30", "10-25 03:30"]);
  assert.deepEqual(after(berlin("30 * * * *"), "2026-10-25T00:00:00Z", 3), [
    "10-25 00:30",
    "10-25 01:30",
    "10-25 02:30",
  ]);
});

test("firstSlot() of every is at once without a run before, and then counts from it", () => {
  assert.equal(firstSlot(QUARTER, { sinceMs: 5_000 }), 5_000);
  assert.equal(firstSlot(QUARTER, { sinceMs: 5_000, handledMs: 5_010 }), 905_010);
  // A schedule of today does not want what another one of yesterday would have had.
  assert.equal(firstSlot(QUARTER, { sinceMs: 5_000_000, handledMs: 5_010 }), 5_000_000);
});

test("firstSlot() of a cron line is after it was put in force", () => {
  const noon = berlin("0 12 * * *");
  const sinceMs = Date.parse("2026-03-02T20:00:00Z");
  const handledMs = Date.parse("2026-03-02T02:00:00Z");

  assert.equal(firstSlot(noon, { sinceMs, handledMs }), Date.parse("2026-03-03T11:00:00Z"));
});

test("dueSlots() counts what has come, and tells whether the last one is on time", () => {
  const at = (nowMs: number) => dueSlots(QUARTER, { sinceMs: 0, handledMs: 0 }, nowMs);

  assert.equal(at(899_999), undefined);
  assert.deepEqual(at(900_000), { firstMs: 900_000, lastMs: 900_000, count: 1, onTime: true });
  assert.deepEqual(at(960_000), { firstMs: 900_000, lastMs: 900_000, count: 1, onTime: true });
  assert.deepEqual(at(960_001), { firstMs: 900_000, lastMs: 900_000, count: 1, onTime: false });
  assert.deepEqual(at(2_800_000), {
    firstMs: 900_000,
    lastMs: 2_700_000,
    count: 3,
    onTime: false,
  });
});

test("dueSlots() counts a cron line's slots, and no more than a thousand", () => {
  const sinceMs = Date.parse("2026-03-02T00:00:30Z");
  const minutes = berlin("* * * * *");
  const at = (text: string) => dueSlots(minutes, { sinceMs }, Date.parse(text));
  const firstMs = Date.parse("2026-03-02T00:01:00Z");

  assert.deepEqual(at("2026-03-02T00:03:20Z"), {
    firstMs,
    lastMs: Date.parse("2026-03-02T00:03:00Z"),
    count: 3,
    onTime: true,
  });
  assert.deepEqual(at("2027-03-02T00:03:20Z"), {
    firstMs,
    lastMs: Date.parse("2027-03-02T00:03:00Z"),
    count: 1_000,
    onTime: false,
  });
  for (const text of ["2027-03-02T00:03:00.000Z", "2027-03-02T00:03:59.999Z"]) {
    assert.equal(at(text)?.lastMs, Date.parse("2027-03-02T00:03:00Z"));
  }
});

test("cronFault() says what is wrong with a cron line", () => {
  for (const text of ["0 3 * * *", "*/5 8-18 * * mon-fri", "@daily", "0 0 29 2 *"]) {
    assert.equal(cronFault(text), undefined, text);
  }
  const expected =
    "expected five fields: minute 0-59, hour 0-23, day 1-31, month 1-12, day of the week 0-7";
  const wrong = ["", "daily", "0 3 * *", "0 0 3 * * *", "2026-11-26T03:00:00", "61 3 * * *"];
  for (const text of [...wrong, "0 0 * 13 *", "0 0 32 * *"]) {
    assert.equal(cronFault(text), expected, text);
  }
  assert.equal(cronFault("0 0 30 2 *"), "expected a date that comes");
});

test("zoneFault() knows zones by their names", () => {
  assert.deepEqual([zoneFault("Europe/Berlin"), zoneFault("UTC")], [undefined, undefined]);
  assert.equal(zoneFault("Europe/Berli"), "expected a time zone, such as Europe/Berlin");
});

test("outlookText() and scheduleText() say a schedule in words, by the clocks of its zone", () => {
  const nowMs = Date.parse("2026-10-24T12:00:00Z");

  assert.equal(scheduleText(berlin("0 3 * * *")), "0 3 * * * Europe/Berlin");
  assert.equal(
    outlookText(berlin("0 3 * * *"), nowMs),
    "0 3 * * *; next: 2026-10-25 03:00, 2026-10-26 03:00, 2026-10-27 03:00 Europe/Berlin",
  );
  assert.equal(outlookText(QUARTER, nowMs), "every 15m, counted from the start of its last run");
});
