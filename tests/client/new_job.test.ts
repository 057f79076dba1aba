import assert from "node:assert/strict";
import { test } from "node:test";
import { type JobDescription, newJob } from "../../src/client/new_job.ts";

/** What a server is told of a job that is described so. */
function told(described: JobDescription) {
  const { body, leaseMs } = newJob("an id", described);
  return { ...JSON.parse(body), leaseMs };
}

test("newJob() tells all that a job is described by, and how long it may be silent", () => {
  const alike = {
    sync: "users",
    name: "nightly",
    tags: ["a", "b"],
    meta: { host: "h" },
    total: 0,
    attempt: 2,
  };
  const retryOf = "770e8400-e29b-41d4-a716-446655440002";

  const all = told({ ...alike, bytesTotal: 7, leaseS: 60, retryOf });

  const named = { bytes_total: 7, lease_s: 60, retry_of: retryOf };
  assert.deepEqual(all, { id: "an id", ...alike, ...named, leaseMs: 60_000 });
});

test("newJob() leaves out what was not said, and a job may be silent for 15 minutes then", () => {
  assert.deepEqual(told({}), { id: "an id", leaseMs: 900_000 });
});

test("newJob() makes numbers that a server takes of those that it does not, or leaves them out", () => {
  const { attempt, lease_s, leaseMs } = told({ attempt: 2.9, leaseS: 0.2 });
  const most = told({ attempt: 1e9, leaseS: 1e9 });
  const none = told({ attempt: NaN, leaseS: Infinity, total: 1.5, bytesTotal: -1 });

  assert.deepEqual([attempt, lease_s, leaseMs], [2, 1, 1_000]);
  assert.deepEqual([most.attempt, most.lease_s, most.leaseMs], [1_000_000, 604_800, 604_800_000]);
  assert.deepEqual(none, { id: "an id", leaseMs: 900_000 });
});

test("newJob() takes one tag for a list of one, whatever the types say", () => {
  const tags = "nightly" as unknown as readonly string[]; // as a caller without types gives it

  assert.deepEqual(told({ tags }).tags, ["nightly"]);
});
