import assert from "node:assert/strict";
import { test } from "node:test";
import type { EventLog } from "../../src/log/event_log.ts";
import { JobFeed } from "../../src/stream/job_feed.ts";
import type { News } from "../../src/stream/job_news.ts";
import { JobPages, type JobsWish } from "../../src/stream/job_pages.ts";
import { JobsStream } from "../../src/stream/jobs_stream.ts";
import { type JobId, newJobId, type TenantId } from "../../src/sync/ids.ts";
import { NO_PROGRESS } from "../../src/sync/progress.ts";
import { isTerminal, type Status } from "../../src/sync/status.ts";
import { newJob, progress, TENANT } from "../support/log_contract.ts";
import { type Random, rounds, seeded } from "../support/seed.ts";
import { ALL, type Seen, streamBench, StreamReader, turns } from "../support/stream_bench.ts";

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

const OTHER = "other" as TenantId;

const ofA = { name: "a", matches: ({ tags }) => tags.includes("a") } satisfies Partial<JobsWish>;

test("viewers with one filter share the chunk of what matches it, also once jobs have begun or ended", async () => {
  const { job, add, tell, viewers } = streamBench({ heartbeatMs: 1e9 });
  const [a, b] = [await job({ tags: ["a"] }), await job({ tags: ["b"] })];
  const wish: JobsWish = { ...ALL, ...ofA, missed: () => false };
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

test("viewers of any filters share a long frame, and have the short ones around it in their order", async () => {
  const { job, add, tell, viewers } = streamBench({ heartbeatMs: 1e9 });
  const jobs = [await job(), await job(), await job(), await job()];
  const readers = ["one", "two"].map((name) =>
    viewers.subscribeToJobs({ ...ALL, name, endedMax: 0 }).getReader()
  );
  for (const reader of readers) for (let chunks = 0; chunks < 2; chunks++) await reader.read();
  const long = { ...NO_PROGRESS, encountered: { ["x".repeat(10_000)]: 1 } };

  for (const [n, each] of jobs.entries()) {
    const fact = { kind: "progress", status: "in_progress", progress: long } as const;
    await add(each, n === 2 ? fact : progress("in_progress", n));
  }
  const asked = readers.map(async (reader) => [
    (await reader.read()).value,
    (await reader.read()).value,
    (await reader.read()).value,
  ]);
  await tell();
  const [one, two] = await Promise.all(asked);

  const ids = one.map((chunk) =>
    [...new TextDecoder().decode(chunk).matchAll(/"job_id": "([^"]+)/g)].map(([, id]) => id)
  );
  assert.deepEqual(ids, [[jobs[0].id, jobs[1].id], [jobs[2].id], [jobs[3].id]]);
  assert.deepEqual(one, two);
  assert.equal(one[1], two[1]); // the same object
  assert.notEqual(one[0], two[0]);
  for (const reader of readers) await reader.cancel();
});

test("viewers of many filters share their chunks, in whatever order they are served", async () => {
  const { job, add, tell, viewers } = streamBench({ heartbeatMs: 1e9 });
  const names = Array.from({ length: 200 }, (_, n) => `${n}`);
  const jobs = [];
  for (const name of [...names, ...names]) jobs.push(await job({ tags: [name] }));
  const readers = [...names, ...names].map((name) =>
    viewers.subscribeToJobs({
      ...{ ...ALL, name, endedMax: 0, missed: () => false },
      matches: ({ tags }) => tags.includes(name),
    }).getReader()
  );
  // Connected, and two pages: of each, one job matches.
  for (const reader of readers) for (let chunks = 0; chunks < 3; chunks++) await reader.read();
  let reads = readers.map((reader) => reader.read());
  const chunks = new Set<Uint8Array | undefined>();

  for (let n = 1; n <= 2; n++) {
    const next = reads.map((read, place) => read.then(() => readers[place].read()));
    for (const each of jobs) await add(each, progress("in_progress", n));
    await tell();
    for (const read of reads) chunks.add((await read).value);
    reads = next;
  }

  assert.equal(chunks.size, 2 * names.length);
  for (const reader of readers) await reader.cancel();
});

/** A log of which every listing waits until it is let go, or fails. */
function heldLists(log: EventLog) {
  const held: PromiseWithResolvers<void>[] = [];
  const list: EventLog["list"] = async (query) => {
    const listing = Promise.withResolvers<void>();
    held.push(listing);
    const page = await log.list(query);
    await listing.promise;
    return page;
  };
  return { held, log: changed(log, "list", list) };
}

/** A bench on which the test lets listings go. */
function heldBench() {
  let held: PromiseWithResolvers<void>[] = [];
  const bench = streamBench({
    between: (log) => {
      const lists = heldLists(log);
      held = lists.held;
      return lists.log;
    },
  });
  return { ...bench, held };
}

test("viewers that come together share a listing of the jobs, and its chunk", async () => {
  const { job, viewers, held } = heldBench();
  for (let n = 0; n < 3; n++) await job();
  const readers = Array.from({ length: 20 }, () => viewers.subscribeToJobs(ALL).getReader());
  for (const reader of readers) await reader.read();

  const pages = readers.map((reader) => reader.read());
  await turns(5);
  const begun = held.length;
  held[0].resolve();
  await turns(5);
  held[1].resolve();
  const chunks = (await Promise.all(pages)).map(({ value }) => value);

  assert.deepEqual([begun, held.length], [1, 2]); // the first viewer's, and all others'
  assert.equal(new TextDecoder().decode(chunks[1]).split("\n\n").length, 3 + 1);
  assert.equal(new Set(chunks.slice(1)).size, 1); // the same object
  for (const reader of readers) await reader.cancel();
});

test("viewers that come together share the chunk that ends the snapshot, too", async () => {
  const { job, viewers, held } = heldBench();
  await job();
  const wish = { ...ALL, endedMax: 0 };
  const readers = [1, 2, 3].map(() => viewers.subscribeToJobs(wish).getReader());
  for (const reader of readers) await reader.read();

  const pages = readers.map((reader) => reader.read());
  for (const n of [0, 1]) {
    await turns(5);
    held[n].resolve();
  }
  const [, one, two] = (await Promise.all(pages)).map(({ value }) => value);

  assert.equal(one, two); // the same object
  assert.match(
    new TextDecoder().decode(one),
    /"pending".+\n\ndata: .+"snapshot_complete": true}\n\n$/,
  );
  for (const reader of readers) await reader.cancel();
});

test("who asks for a page in the moment that its listing ends waits for the next with all others", async () => {
  const { log } = streamBench();
  let listings = 0;
  const counted = changed(log, "list", (query) => {
    listings++;
    return log.list(query);
  });
  const pages = new JobPages(counted);
  const ask = () => pages.of(ALL, { statuses: ["pending"], left: 1, cursor: undefined }, false);

  const first = ask();
  const again = first.then(ask);
  const second = ask();

  assert.equal(await again, await second);
  assert.equal(listings, 2);
  void ask();
  assert.equal(listings, 3); // at once: nothing is kept of a listing that has ended
});

test("a viewer is shown what was there when it came, also while others are being shown the jobs", async () => {
  const { job, viewers, held } = heldBench();
  const readers: StreamReader[] = [];
  const ids: string[] = [];
  const pages: Promise<Seen[]>[] = [];

  for (let n = 0; n < 4; n++) {
    ids.push((await job()).id);
    const reader = new StreamReader(viewers.subscribeToJobs(ALL));
    readers.push(reader);
    await reader.chunk();
    pages.push(reader.next());
    await turns(5);
    held[n - 1]?.resolve(); // the listing that came before this viewer
    await turns(5);
  }
  held[3].resolve();

  for (const [n, page] of (await Promise.all(pages)).entries()) {
    assert.deepEqual(page.map(({ data }) => data.job_id), ids.slice(0, n + 1).toReversed());
  }
  for (const reader of readers) await reader.cancel();
});

test("a listing that fails breaks off who waited for it, and nobody who came later", async () => {
  const { job, viewers, faults, held } = heldBench();
  const { id } = await job();
  const [early, late] = [1, 2].map(() => new StreamReader(viewers.subscribeToJobs(ALL)));
  for (const reader of [early, late]) await reader.chunk();
  const [earlier, later] = [early.next(), late.next()];
  await turns(5);

  held[0].reject(new Error("disk on fire"));
  await turns(5);
  held[1].resolve();

  assert.deepEqual((await earlier).map(({ data }) => data.code), ["stream_fault"]);
  assert.deepEqual((await later).map(({ data }) => data.job_id), [id]);
  assert.equal(faults.length, 1);
  await assert.rejects(early.next());
  await late.cancel();
});

test("who was shown a job that cannot be looked up just then is told once how it stands", async () => {
  let fails = false;
  const { job, add, tell, openJobs, faults } = streamBench({
    heartbeatMs: 1e9,
    between: (log) =>
      changed(log, "get", (key) => {
        return fails ? Promise.reject(new Error("disk on fire")) : log.get(key);
      }),
  });
  const running = await job();
  const early = openJobs();
  for (let chunks = 0; chunks < 3; chunks++) await early.chunk();
  await add(running, progress("in_progress", 1));
  await tell();
  const late = openJobs();
  await late.chunk();
  await add(running, progress("in_progress", 2));
  const shown = [...await late.next(), ...await late.next()];
  const told = late.next();
  await turns(1);
  fails = true;
  await tell();
  fails = false;
  await tell();
  await add(running, progress("in_progress", 3));
  await tell();

  const counts = [...shown, ...await told].map(({ data }) => data.inserted);
  assert.deepEqual(counts, [2, undefined, 3]);
  assert.equal(faults.length, 1);
  for (const reader of [early, late]) await reader.cancel();
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

test("viewers that come together are each shown what they ask for", async () => {
  const { job, add, viewers } = streamBench();
  for (let n = 0; n < 500; n++) {
    const tenant = n % 5 === 0 ? OTHER : TENANT;
    const made = await job({ tenant, tags: [n % 2 === 0 ? "a" : "b"] });
    const status = (["pending", "in_progress", "completed"] as const)[n % 3];
    if (status !== "pending") await add(made, progress(status, n));
  }
  const wishes = [...FILTERS, ...[0, 1, 2].map((endedMax) => ({ endedMax })), { tenant: OTHER }]
    .map((filter, n): JobsWish => ({
      ...ALL,
      ...filter,
      name: n < FILTERS.length ? `${n}` : "all",
    }));
  const shown = async (wish: JobsWish) => {
    const reader = new StreamReader(viewers.subscribeToJobs(wish));
    let text = "";
    while (!text.includes("snapshot_complete")) text += await reader.chunk();
    await reader.cancel();
    return text;
  };

  const alone = [];
  for (const wish of wishes) alone.push(await shown(wish));
  const together = Array.from({ length: 6 }, async (_, n) => {
    await turns(n); // so that some are at their second page when others are at the first
    return await Promise.all(wishes.map(shown));
  });

  for (const each of await Promise.all(together)) assert.deepEqual(each, alone);
  assert.equal(new Set(alone).size, 10); // two pairs differ only in what they are told of removals
});

/** The feed, of which a viewer is sure of nothing: it asks for itself about every change. */
const doubted = (feed: JobFeed): JobFeed =>
  changed(feed, "after", function (this: JobFeed, number, { tenant }): News | undefined {
    const news = this.after(number, { ...ALL, tenant, name: "doubted" });
    return news && { ...news, unsure: news.items };
  });

/** A log that takes its time to say how a job stands, and at times cannot. */
const troubled = (log: EventLog, random: Random): EventLog =>
  changed(log, "get", async (key) => {
    if (random.chance(0.2)) await turns(1 + random.below(3));
    if (random.chance(0.15)) throw new Error("damaged");
    return await log.get(key);
  });

/**
 * A job that is made anew under its id has the tags of before. With others, who asks for itself about
 * the former one, which the feed may tell late, would take the new one, shown meanwhile, for gone.
 */
const tagged = (id: JobId) => newJob({ id, tags: [id.charCodeAt(0) % 2 === 0 ? "a" : "b"] });

/** Something happens to a job. */
async function act(random: Random, { log, add }: ReturnType<typeof streamBench>, ids: JobId[]) {
  const id = ids[random.below(ids.length)];
  const now = id && await log.get({ tenant: TENANT, id });
  const kind = random.below(24);
  if (kind < 2 || !id) ids.push((await log.create(tagged(newJobId()))).job.id);
  else if (kind === 3) await log.remove({ tenant: TENANT, id });
  else if (!now && kind < 12) await log.create(tagged(id));
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
        const wish: JobsWish = { ...ALL, ...filter, name };
        const readers = [feed, doubted(feed)].map((feed) => {
          const nothing = () => {};
          const stream = new JobsStream({
            ...{ wish, pages: new JobPages(log), feed, retryMs: 3_000 },
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
