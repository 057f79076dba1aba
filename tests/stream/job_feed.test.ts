import assert from "node:assert/strict";
import { test } from "node:test";
import { Hub } from "../../src/hub/hub.ts";
import { freshJob } from "../../src/log/fold.ts";
import type { EventLog } from "../../src/log/event_log.ts";
import { CHANGES_BYTES_MAX, CHANGES_MAX, FEED_MS, JobFeed } from "../../src/stream/job_feed.ts";
import type { ChangedJob, JobsFilter, NewsItem } from "../../src/stream/job_news.ts";
import type { TenantId } from "../../src/sync/ids.ts";
import type { Job } from "../../src/sync/job.ts";
import { NO_PROGRESS } from "../../src/sync/progress.ts";
import type { Status } from "../../src/sync/status.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { newJob } from "../support/log_contract.ts";
import { ALL, turns } from "../support/stream_bench.ts";

/** A feed that somebody watches until he leaves, over jobs that are as the test has them. */
function bench(get: EventLog["get"]) {
  const clock = new FakeClock();
  const hub = new Hub();
  const feed = new JobFeed({
    log: { get } as EventLog,
    hub,
    clock,
    onFault: (cause) => assert.fail(String(cause)),
  });
  const leave = feed.watch({ serve() {} });
  return { clock, hub, feed, leave };
}

/** Progress whose frame takes a little more than a fortieth of what is kept of all frames. */
const LONG = { ...NO_PROGRESS, encountered: { ["x".repeat(CHANGES_BYTES_MAX / 40)]: 1 } };

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

  const early = feed.after(0, ALL)?.items.map(({ change }) => change.key.id);
  read[1].resolve();
  await turns(2);
  const late = feed.after(0, ALL)?.items.map(({ change }) => change.key.id);
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

  const news = feed.after(seen, ALL)?.items.map(({ change }) => [change.key.id, change.job]);
  assert.deepEqual(news, [[job.id, undefined]]);
});

test("fewer changes are kept the longer their frames are, but all that one look finds", async () => {
  const jobs = new Map<string, Job>();
  const { clock, hub, feed } = bench(({ id }) => Promise.resolve(jobs.get(id)));
  const look = async (count: number) => {
    const before = feed.last;
    for (let n = 0; n < count; n++) {
      const job = { ...freshJob(newJob({ meta: { text: "x" } })), progress: LONG };
      jobs.set(job.id, job);
      hub.wake(job);
    }
    clock.advance(FEED_MS);
    while (feed.last < before + count || clock.waiting > 0) await turns(1);
  };

  await look(100);
  const whole = feed.after(0, ALL)?.items;
  await look(1);
  const kept = [0, 60, 61, 100].map((seen) => feed.after(seen, ALL)?.items.length);
  await look(1);
  const later = [61, 62, 63].map((seen) => feed.after(seen, ALL)?.items.length);

  assert.equal(whole?.length, 100);
  assert.deepEqual(kept, [undefined, undefined, 40, 1]); // a frame has some bytes more
  assert.deepEqual(later, [undefined, 40, 39]);
  assert.ok(whole.every(({ change: { job } }) => job && !("meta" in job || "progress" in job)));
});

test("what a job was at its last change but one takes no room, and its number stays", async () => {
  const jobs = [1, 2].map(() => ({ ...freshJob(newJob()), progress: LONG }));
  const { clock, hub, feed } = bench(({ id }) =>
    Promise.resolve(jobs.find((job) => job.id === id))
  );
  const look = async (job: Job) => {
    hub.wake(job);
    clock.advance(FEED_MS);
    await turns(5);
  };
  await look(jobs[0]);
  for (let n = 0; n < 60; n++) {
    jobs[1] = { ...jobs[1], seq: n + 1 };
    await look(jobs[1]);
  }
  const all = feed.after(0, ALL)?.items.map(({ change: { job } }) => job?.seq);
  const others = Array.from({ length: 40 }, () => ({ ...freshJob(newJob()), progress: LONG }));
  jobs.push(...others);
  for (const job of others) hub.wake(job);
  await look(others[0]);
  await look(jobs[1]); // it is told anew, as the oldest are let go of before

  assert.deepEqual(all, [0, 60]);
  const kept = [61, 62, 101].map((seen) => feed.after(seen, ALL)?.items.length);
  assert.deepEqual([feed.last, kept], [102, [undefined, 40, 1]]);
});

test("who comes when all others have left finds what they were told gone, and its room", async () => {
  const jobs = new Map<string, Job>();
  const { clock, hub, feed, leave } = bench(({ id }) => Promise.resolve(jobs.get(id)));
  const look = async (count: number) => {
    for (let n = 0; n < count; n++) {
      const job = { ...freshJob(newJob()), progress: LONG };
      jobs.set(job.id, job);
      hub.wake(job);
    }
    clock.advance(FEED_MS);
    await turns(5);
  };
  await look(50);
  leave();

  const again = feed.watch({ serve() {} });
  for (let n = 0; n < 3; n++) await look(1);

  assert.equal(feed.after(50, ALL)?.items.length, 3);
  again();
});

test("a job that goes on is told of once, also behind changes that are no longer kept", async () => {
  const jobs = Array.from({ length: 2 * CHANGES_MAX }, () => freshJob(newJob()));
  const now = new Map(jobs.map((job) => [job.id, job]));
  const { clock, hub, feed } = bench(({ id }) => Promise.resolve(now.get(id)));
  for (const job of jobs) hub.wake(job);
  clock.advance(FEED_MS);
  while (clock.waiting > 0 || feed.last === 0) await turns(1);
  const seen = feed.last - 2; // all but these two
  const [still, going] = jobs.slice(-2);

  now.set(going.id, { ...going, seq: 7 });
  hub.wake(going);
  clock.advance(FEED_MS);
  await turns(5);

  const news = feed.after(seen, ALL)?.items.map(({ change: { job } }) => [job?.id, job?.seq]);
  assert.deepEqual(news, [[still.id, still.seq], [going.id, 7]]);
});

test("viewers of two tenants with one filter are each told of the jobs of their own tenant", async () => {
  const other = "other" as TenantId;
  const jobs = [freshJob(newJob()), freshJob(newJob({ tenant: other }))];
  const { clock, hub, feed } = bench(({ id }) =>
    Promise.resolve(jobs.find((job) => job.id === id))
  );
  for (const job of jobs) hub.wake(job);
  clock.advance(FEED_MS);
  await turns(5);

  const told = [ALL, { ...ALL, tenant: other }].map((filter) =>
    feed.after(0, filter)?.items.map(({ change }) => change.key.id)
  );

  assert.deepEqual(told, jobs.map(({ id }) => [id]));
});

test("a viewer that has seen the changes before need not ask about jobs that only went on", async () => {
  let now = [["a"], ["b"], ["a"]].map((tags) => freshJob(newJob({ tags })));
  const { clock, hub, feed } = bench(({ id }) => Promise.resolve(now.find((job) => job.id === id)));
  const look = async (statuses: readonly Status[]) => {
    const seen = feed.last;
    now = now.map((job, n) => ({ ...job, seq: job.seq + 1, status: statuses[n] }));
    for (const job of now) hub.wake(job);
    clock.advance(FEED_MS);
    await turns(5);
    const places = (items: readonly NewsItem[] | undefined) =>
      items?.map(({ change: { key } }) => now.findIndex(({ id }) => id === key.id));
    const asked = (from: number, filter: JobsFilter) => places(feed.after(from, filter)?.unsure);
    const ofA = { ...ALL, name: "a", matches: ({ tags }: ChangedJob) => tags.includes("a") };
    told.push(places(feed.after(seen, ofA)?.items));
    return [asked(seen, ALL), asked(seen, ofA), asked(seen - 1, ALL)];
  };
  const told: unknown[] = [];

  const first = await look(["pending", "pending", "pending"]);
  const second = await look(["in_progress", "in_progress", "pending"]);
  const third = await look(["in_progress", "completed", "cancelling"]);

  assert.deepEqual(first, [[0, 1, 2], [0, 1, 2], undefined]);
  assert.deepEqual(second, [[], [], [2]]);
  assert.deepEqual(third, [[1], [], [1, 2]]);
  assert.deepEqual(told, [[0, 1, 2], [0, 2], [0, 2]]);
});
