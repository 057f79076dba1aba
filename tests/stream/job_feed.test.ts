import assert from "node:assert/strict";
import { test } from "node:test";
import { Hub } from "../../src/hub/hub.ts";
import { freshJob } from "../../src/log/fold.ts";
import type { EventLog } from "../../src/log/event_log.ts";
import { CHANGES_MAX, FEED_MS, JobFeed } from "../../src/stream/job_feed.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { newJob, TENANT } from "../support/log_contract.ts";
import { turns } from "../support/stream_bench.ts";

/** A feed that somebody watches, over jobs that are as the test has them. */
function bench(get: EventLog["get"]) {
  const clock = new FakeClock();
  const hub = new Hub();
  const feed = new JobFeed({
    log: { get } as EventLog,
    hub,
    clock,
    onFault: (cause) => assert.fail(String(cause)),
  });
  feed.watch({ serve() {} });
  return { clock, hub, feed };
}

test("who looks while changes are being read misses none of those that are read then", async () => {
  const jobs = [1, 2, 3].map(() => freshJob(newJob()));
  const read = jobs.map(() => Promise.withResolvers<void>());
  const { clock, hub, feed } = bench(async ({ id }) => {
    const place = jobs.findIndex((job) => job.id === id);
    await read[place].promise;
    return jobs[place];
  });
  for (const job of jobs) hub.wake(job);
  clock.advance(FEED_MS);
  read[0].resolve();
  await turns(2);

  const early = feed.after(0, TENANT)?.changes.map(({ key }) => key.id);
  read[1].resolve();
  await turns(2);
  const late = feed.after(0, TENANT)?.changes.map(({ key }) => key.id);
  read[2].resolve();

  assert.deepEqual([early, late], [[jobs[0].id], [jobs[0].id, jobs[1].id]]);
});

test("the removal of a job is told however many others have changed since it did", async () => {
  const job = freshJob(newJob());
  let removed = false;
  const { clock, hub, feed } = bench(({ id }) =>
    Promise.resolve(id !== job.id ? freshJob(newJob()) : removed ? undefined : job)
  );
  const look = async () => {
    const done = feed.last;
    clock.advance(FEED_MS);
    while (feed.last === done || clock.waiting > 0) await turns(1);
  };
  hub.wake(job);
  await look();
  for (let n = 1; n < 2 * CHANGES_MAX; n++) hub.wake(newJob());
  await look();
  const seen = feed.last;

  removed = true;
  hub.wake(job);
  clock.advance(FEED_MS);
  await turns(5);

  const news = feed.after(seen, TENANT)?.changes.map(({ key, job }) => [key.id, job]);
  assert.deepEqual(news, [[job.id, undefined]]);
});
