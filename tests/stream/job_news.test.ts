import assert from "node:assert/strict";
import { test } from "node:test";
import type { EventLog } from "../../src/log/event_log.ts";
import { JobFeed, type News } from "../../src/stream/job_feed.ts";
import { JobsStream, type JobsWish } from "../../src/stream/jobs_stream.ts";
import type { JobId } from "../../src/sync/ids.ts";
import { isTerminal, type Status } from "../../src/sync/status.ts";
import { newJob, progress, TENANT } from "../support/log_contract.ts";
import { type Random, rounds, seeded } from "../support/seed.ts";
import { streamBench, StreamReader, turns } from "../support/stream_bench.ts";

/** The object, of which one method gives something else. */
function changed<Whole extends object, Name extends keyof Whole>(
  whole: Whole,
  name: Name,
  method: Whole[Name],
): Whole {
  return new Proxy(whole, {
    get(target, asked) {
      const found = asked === name ? method : Reflect.get(target, asked, target);
      return typeof found === "function" ? found.bind(target) : found;
    },
  });
}

const ofA = { name: "a", matches: ({ tags }) => tags.includes("a") } satisfies Partial<JobsWish>;

test("viewers with one filter share the chunk of what matches it, also once jobs have begun or ended", async () => {
  const { job, add, tell, viewers } = streamBench({ heartbeatMs: 1e9 });
  const [a, b] = [await job({ tags: ["a"] }), await job({ tags: ["b"] })];
  const wish = {
    tenant: TENANT,
    statuses: undefined,
    syncId: undefined,
    jobId: undefined,
    missed: () => false,
    endedMax: Infinity,
    ...ofA,
  };
  const readers = [1, 2].map(() => viewers.subscribeToJobs(wish).getReader());
  for (const reader of readers) for (let chunks = 0; chunks < 3; chunks++) await reader.read();
  const shared: (string | undefined)[] = [];
  const look = async () => {
    await tell();
    const [one, two] = [(await readers[0].read()).value, (await readers[1].read()).value];
    assert.equal(one, two); // the same object
    shared.push(new TextDecoder().decode(one).match(/"inserted": \d+/g)?.join());
  };

  for (let n = 1; n <= 3; n++) {
    await add(b, progress("in_progress", 10 * n));
    await add(a, progress("in_progress", n));
    await look();
  }
  await add(await job({ tags: ["a"] }), progress("in_progress", 5));
  await look();
  await add(a, progress("completed", 6));
  await look();

  assert.deepEqual(shared, [1, 2, 3, 5, 6].map((n) => `"inserted": ${n}`));
  for (const reader of readers) await reader.cancel();
});

/** Filters of every kind. */
const FILTERS: readonly Partial<JobsWish>[] = [
  {},
  { missed: () => false },
  ofA,
  { ...ofA, missed: () => false },
  { statuses: ["in_progress"], missed: () => false },
  { statuses: ["pending", "cancelling"] },
  { ...ofA, statuses: ["in_progress", "completed"] },
  { statuses: ["failed", "completed"], endedMax: 3 },
];

/** The feed, of which a viewer is sure of nothing: it asks for itself about every change. */
const doubted = (feed: JobFeed): JobFeed =>
  changed(feed, "after", function (this: JobFeed, ...given): News | undefined {
    const news = this.after(...given);
    return news && { ...news, unsure: news.items };
  });

/** A log that takes its time to say how a job stands, and at times cannot. */
const troubled = (log: EventLog, random: Random): EventLog =>
  changed(log, "get", async (key) => {
    if (random.chance(0.2)) await turns(1 + random.below(3));
    if (random.chance(0.15)) throw new Error("damaged");
    return await log.get(key);
  });

/** Something happens to a job. */
async function act(random: Random, { log, add }: ReturnType<typeof streamBench>, ids: JobId[]) {
  const id = ids[random.below(ids.length)];
  const now = id && await log.get({ tenant: TENANT, id });
  const tags = [random.pick(["a", "b"])];
  const kind = random.below(24);
  if (kind < 2 || !id) ids.push((await log.create(newJob({ tags }))).job.id);
  else if (kind === 3) await log.remove({ tenant: TENANT, id });
  else if (!now && kind < 12) await log.create(newJob({ id, tags }));
  else if (now && !isTerminal(now.status)) {
    const ends: Status[] = ["completed", "failed", "cancelled"];
    const goes: Status = now.status === "cancelling" ? "cancelling" : "in_progress";
    const status: Status = kind < 6 ? random.pick(ends) : kind < 8 ? "cancelling" : goes;
    await add(now, progress(status, now.progress.inserted + 1));
  }
}

seeded(
  "a viewer of many jobs is told the same as one that asks for itself about every change",
  async (random) => {
    for (let round = rounds(8); round > 0; round--) {
      const bench = streamBench();
      const { log, hub, clock } = bench;
      const feed = new JobFeed({ log: troubled(log, random), hub, clock, onFault: () => {} });
      const ids: JobId[] = [];
      let compared = 0;
      let over = false;
      /** Both read at the same pace, now and then slowly, until they are to leave. */
      const compare = async (filter: Partial<JobsWish>, name: string, reads: number) => {
        const wish: JobsWish = {
          tenant: TENANT,
          statuses: undefined,
          syncId: undefined,
          jobId: undefined,
          matches: () => true,
          missed: () => true,
          endedMax: Infinity,
          ...filter,
          name,
        };
        const readers = [feed, doubted(feed)].map((feed) => {
          const nothing = () => {};
          const stream = new JobsStream({
            ...{ wish, log, feed, retryMs: 3_000 },
            ...{ onEnd: nothing, onFault: (cause: unknown) => assert.fail(String(cause)) },
          });
          return new StreamReader(stream.stream());
        });
        for (let n = 0; n < reads && !over; n++) {
          const [told, own] = await Promise.all(readers.map((reader) => reader.chunk()));
          assert.equal(told, own);
          compared++;
          if (random.chance(0.2)) await turns(random.below(40));
        }
        for (const reader of readers) await reader.cancel();
      };
      for (let n = 0; n < 20; n++) await act(random, bench, ids);
      const comparing: Promise<void>[] = [];
      for (let n = 0; n < 1_500; n++) {
        // At most 8 pairs, so that both of a pair are served in the same turn.
        if (n % 100 === 0 && n < 800) {
          const kind = (n / 100) % FILTERS.length;
          comparing.push(compare(FILTERS[kind], `${kind}`, n % 200 === 0 ? 1_000 : 30));
        }
        await act(random, bench, ids);
        if (random.chance(0.3)) await turns(random.below(4));
        if (random.chance(0.1)) clock.advance(random.below(600));
      }
      over = true;
      const ended = Promise.all(comparing).then(() => true);
      while (!await Promise.race([ended, turns(5)])) {
        const { job } = await log.create(newJob({ tags: ["a"] }));
        for (const status of ["pending", "in_progress", "completed"] as const) {
          if (status !== "pending") await bench.add(job, progress(status, 1));
          await turns(5);
          clock.advance(250);
          await turns(15);
        }
      }
      assert.ok(compared > 100, `${compared} chunks`);
    }
  },
);
