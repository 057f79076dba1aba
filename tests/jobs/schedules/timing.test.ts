import assert from "node:assert/strict";
import { test } from "node:test";
import { configuredSyncs, SYNC_SCHEMA } from "../../../src/jobs/sync_config.ts";

const RUN = {
  name: "x",
  source: { type: "directory", path: "." },
  destination: { type: "sqlite", path: "x.db" },
};
const DURATION = "expected a duration such as 90s, 15m, 12h or 1d, from 1s to 366d";

function issues(fields: object): string[] {
  const { error } = SYNC_SCHEMA.safeParse({ ...RUN, ...fields });
  return error?.issues.map(({ path, message }) => `${path.join(".")}: ${message}`) ?? [];
}

test("configuredSyncs() takes schedules, retries and expectations in milliseconds", () => {
  const timing = (fields: object) => {
    const [sync] = configuredSyncs([SYNC_SCHEMA.parse({ ...RUN, ...fields })], "/").syncs;
    return [sync.schedule, sync.retries, sync.expect];
  };

  assert.deepEqual(
    timing({ schedule: { every: "15m" }, retries: { max: 3 }, expect: { every: "1d" } }),
    [
      { type: "every", everyMs: 900_000 },
      { max: 3, backoffMs: 30_000, backoffMaxMs: 3_600_000 },
      { everyMs: 86_400_000, graceMs: 0 },
    ],
  );
  assert.deepEqual(
    timing({
      schedule: { cron: "0 3 * * *" },
      retries: { max: 1, backoff: "5", backoff_max: "2h" },
      expect: { every: "24h", grace: "1h" },
    }),
    [
      { type: "cron", cron: "0 3 * * *", timeZone: "UTC" },
      { max: 1, backoffMs: 5_000, backoffMaxMs: 7_200_000 },
      { everyMs: 86_400_000, graceMs: 3_600_000 },
    ],
  );
});

test("the first wait before a try is as written, also above the longest one by default", () => {
  const { syncs } = configuredSyncs([
    SYNC_SCHEMA.parse({ ...RUN, retries: { max: 3, backoff: "2h" } }),
  ], "/");

  assert.deepEqual(syncs[0].retries, { max: 3, backoffMs: 7_200_000, backoffMaxMs: 7_200_000 });
});

test("a schedule is every or cron, and a time zone belongs to cron", () => {
  const of = (schedule: object) => issues({ schedule });

  assert.deepEqual(of({ cron: "0 3 * * *", time_zone: "Europe/Berlin" }), []);
  assert.deepEqual(of({}), ['schedule.every: expected "every" or "cron"']);
  assert.deepEqual(of({ every: "1h", cron: "0 3 * * *" }), [
    'schedule.cron: expected none beside "every"',
  ]);
  assert.deepEqual(of({ every: "1h", time_zone: "UTC" }), [
    'schedule.time_zone: expected it with "cron"',
  ]);
  assert.deepEqual(of({ cron: "0 3 * * *", time_zone: "Europe/Berli" }), [
    "schedule.time_zone: expected a time zone, such as Europe/Berlin",
  ]);
  assert.deepEqual(of({ cron: "0 0 30 2 *" }), ["schedule.cron: expected a date that comes"]);
});

test("durations have a unit and a range", () => {
  for (const every of ["0", "0s", "1w", "-1h", "1.5h", "367d", "999999999999d", ""]) {
    assert.deepEqual(issues({ schedule: { every } }), [`schedule.every: ${DURATION}`], every);
  }
  assert.deepEqual(issues({ expect: { every: "24h", grace: "soon" } }), [
    `expect.grace: ${DURATION.replace("1s", "0s")}`,
  ]);
  assert.deepEqual(issues({ expect: { every: "24h", grace: "0" } }), []);
  assert.match(issues({ retries: { max: 0 } })[0], /^retries.max: .*whole number from 1 to 100$/);
  assert.match(issues({ retries: { max: 1, backoff: "0s" } })[0], /^retries.backoff: .*from 1s/);
});

test("a source that cannot be run has an expectation, but no schedule and no retries", () => {
  const outside = { source: { type: "outside" }, destination: undefined };

  assert.deepEqual(issues({ ...outside, expect: { every: "24h" } }), []);
  assert.deepEqual(issues({ ...outside, schedule: { every: "1h" }, retries: { max: 1 } }), [
    "schedule: expected none: a source of type outside cannot be run",
    "retries: expected none: a source of type outside cannot be run",
  ]);
  assert.deepEqual(issues({ source: { type: "outside" } }), [
    "destination: expected none: its source cannot be run",
  ]);
});
