import assert from "node:assert/strict";
import { test } from "node:test";
import { FeedChannel } from "../../src/jobs/feed_channel.ts";
import { OutsideJobs } from "../../src/jobs/outside_jobs.ts";
import { Syncs } from "../../src/jobs/syncs.ts";
import { StorageFullError } from "../../src/log/event_log.ts";
import { MemoryLog } from "../support/memory_log.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { TENANT } from "../support/log_contract.ts";

test("an end that waits behind totals which are refused is appended all the same", async () => {
  const clock = new FakeClock();
  const log = new MemoryLog(clock);
  const append = log.append.bind(log);
  const full = new StorageFullError();
  let refuse = false;
  log.append = (key, decide) => {
    if (!refuse) return append(key, decide);
    refuse = false;
    return Promise.reject(full);
  };
  const faults: unknown[] = [];
  const channel = new FeedChannel({
    outside: new OutsideJobs({ log, syncs: new Syncs([], []), clock }),
    tenant: TENANT,
    sync: "legacy",
    leaseMs: 60_000,
    name: "users",
    onFault: (cause) => faults.push(cause),
  });
  channel.take({ counters: { inserted: 1 }, measures: {}, end: undefined });
  await channel.settled();
  refuse = true;

  channel.take({ counters: { inserted: 2 }, measures: {}, end: undefined });
  channel.take({
    counters: { inserted: 3 },
    measures: {},
    end: { type: "end", status: "completed" },
  });
  await channel.settled();

  const [job] = (await log.list({ tenant: TENANT, limit: 10 })).items;
  assert.deepEqual([job.status, job.progress.inserted, faults], ["completed", 3, [full]]);
});
