/** What every EventLog must hold; each implementation runs the whole of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../../src/clock.ts";
import {
  type EventLog,
  type LapsedPage,
  type PruneQuery,
  RECENT_STRETCH,
} from "../../src/log/event_log.ts";
import { CursorError, JobEndedError, UnknownJobError } from "../../src/log/log_errors.ts";
import type { Fact } from "../../src/sync/entry.ts";
import { deriveSyncId, type JobId, newEpoch, newJobId, type TenantId } from "../../src/sync/ids.ts";
import type { NewJob, SyncRef } from "../../src/sync/job.ts";
import { newProducer } from "../../src/sync/producer.ts";
import { logWords } from "../../src/sync/log_text.ts";
import { NO_PROGRESS } from "../../src/sync/progress.ts";
import type { Status } from "../../src/sync/status.ts";

export const TENANT = "default" as TenantId;

/** The ids of all lapsed jobs, page by page. */
export async function allLapsed(log: EventLog, nowMs: number): Promise<string[]> {
  const found: string[] = [];
  for (let after: number | null = 0; after !== null;) {
    const page: LapsedPage = await log.lapsed(nowMs, after);
    assert.ok(page.items.length <= 100);
    found.push(...page.items.map(({ id }) => id));
    after = page.next;
  }
  return found;
}

/** A clock whose `now` the test sets; nothing in a log may wait. */
export function stillClock(nowMs = 1_000): Clock & { nowMs: number } {
  return {
    nowMs,
    now() {
      return this.nowMs;
    },
    monotonic() {
      return this.nowMs;
    },
    after() {
      throw new Error("An EventLog must not wait");
    },
  };
}

export function newJob(changes: Partial<NewJob> = {}): NewJob {
  return {
    tenant: TENANT,
    id: newJobId(),
    origin: "source",
    sync: { id: deriveSyncId(TENANT, "docs"), name: "docs" },
    name: null,
    tags: ["nightly"],
    meta: { run: 7 },
    retryOf: null,
    attempt: 1,
    createdAtMs: 500,
    owner: "process-a",
    leaseUntilMs: 30_500,
    leaseMs: null,
    ...changes,
  };
}

export function progress(status: Status, inserted: number): Fact {
  return { kind: "progress", status, progress: { ...NO_PROGRESS, inserted } };
}

export function line(
  message: string,
  level: "debug" | "info" | "warning" | "error" = "info",
): Fact {
  return { kind: "log", level, message };
}

/** @param open a fresh empty log on the clock, and how to let go of it */
export function logContract(
  name: string,
  open: (clock: Clock) => { log: EventLog; close: () => Promise<void> },
): void {
  const check = (
    promise: string,
    run: (log: EventLog, clock: { nowMs: number }) => Promise<void>,
  ) =>
    test(`${name} ${promise}`, async () => {
      const clock = stillClock();
      const { log, close } = open(clock);
      try {
        await run(log, clock);
      } finally {
        await close();
      }
    });

  check("create() gives a pending job at seq 0 with an epoch of its own", async (log) => {
    const wanted = newJob();

    const { outcome, job } = await log.create(wanted);
    const other = await log.create(newJob());

    assert.equal(outcome, "created");
    assert.deepEqual({ ...job, ...wanted }, job);
    assert.deepEqual([job.status, job.seq, job.trimmed], ["pending", 0, [0, 0, 0, 0]]);
    assert.notEqual(job.epoch, other.job.epoch);
    assert.deepEqual(await log.get(wanted), job);
  });

  check("create({leaseUntilMs}) asks for the lease's end when the job is stored", async (log) => {
    const wanted = newJob();

    const { job } = await log.create(wanted, { leaseUntilMs: () => 75_000 });

    assert.equal(job.leaseUntilMs, 75_000);
    assert.deepEqual(await log.get(wanted), job);
  });

  check("create() of the same id answers the first job and changes nothing", async (log) => {
    const first = await log.create(newJob({ name: "first" }));

    const again = await log.create(newJob({ id: first.job.id, name: "second" }));

    assert.equal(again.outcome, "exists");
    assert.deepEqual(again.job, first.job);
  });

  check("create() keeps jobs of two tenants with one id apart", async (log) => {
    const id = newJobId();
    await log.create(newJob({ id, name: "a" }));
    const other = "other" as TenantId;

    const created = await log.create(newJob({ id, tenant: other, name: "b" }));
    await log.append({ tenant: other, id }, () => ({ facts: [progress("in_progress", 5)] }));

    assert.equal(created.outcome, "created");
    assert.equal((await log.get({ tenant: TENANT, id }))?.seq, 0);
    assert.equal((await log.get({ tenant: other, id }))?.seq, 1);
  });

  check("create({oneActive}) refuses while a job of that sync is not over", async (log) => {
    const first = await log.create(newJob(), { oneActive: true });

    const busy = await log.create(newJob(), { oneActive: true });
    await log.append(first.job, () => ({ facts: [progress("failed", 0)] }));
    const after = await log.create(newJob(), { oneActive: true });

    assert.deepEqual([busy.outcome, busy.job.id], ["busy", first.job.id]);
    assert.equal(after.outcome, "created");
  });

  check("create({openMax}) refuses where as many of the tenant are on their way", async (log) => {
    const create = (job: NewJob) => log.create(job, { openMax: 2 });
    const first = await create(newJob());
    const known = newJob();
    await create(known);

    await assert.rejects(create(newJob()), { name: "TooManyJobsError" });
    const again = await create(known);
    const other = await create(newJob({ tenant: "other" as TenantId }));
    await log.append(first.job, () => ({ facts: [progress("completed", 0)] }));
    const after = await create(newJob());

    const outcomes = [again, other, after].map(({ outcome }) => outcome);
    assert.deepEqual(outcomes, ["exists", "created", "created"]);
  });

  check("create({oneActive}) of an id that is known is that job, whatever runs", async (log) => {
    const asked = newJob();
    await log.create(asked);
    await log.append(asked, () => ({ facts: [progress("failed", 0)] }));
    await log.create(newJob(), { oneActive: true });

    const { outcome, job } = await log.create(asked, { oneActive: true });

    assert.deepEqual([outcome, job.id, job.status], ["exists", asked.id, "failed"]);
  });

  check("create({oneActive}) knows of an end that is written at the same moment", async (log) => {
    const first = await log.create(newJob(), { oneActive: true });

    const [, after] = await Promise.all([
      log.append(first.job, () => ({ facts: [progress("failed", 0)] })),
      log.create(newJob(), { oneActive: true }),
    ]);

    assert.equal(after.outcome, "created");
  });

  check("create({oneActive}) lets one of many that ask at once through", async (log) => {
    const asked = Array.from({ length: 10 }, () => log.create(newJob(), { oneActive: true }));

    const outcomes = (await Promise.all(asked)).map(({ outcome }) => outcome);

    assert.equal(outcomes.filter((outcome) => outcome === "created").length, 1);
  });

  check(
    "append() numbers entries from 1 without holes and folds them into the job",
    async (log, clock) => {
      const { job } = await log.create(newJob());
      clock.nowMs = 2_000;

      const first = await log.append(
        job,
        () => ({ facts: [progress("in_progress", 1), line("a")] }),
      );
      clock.nowMs = 3_000;
      const second = await log.append(job, () => ({ facts: [progress("completed", 9)] }));

      assert.deepEqual([first.firstSeq, first.lastSeq], [1, 2]);
      assert.deepEqual([second.firstSeq, second.lastSeq], [3, 3]);
      const { status, seq, progressSeq, startedAtMs, endedAtMs, leaseUntilMs } = second.job;
      assert.deepEqual(
        { status, seq, progressSeq, startedAtMs, endedAtMs, leaseUntilMs },
        {
          status: "completed",
          seq: 3,
          progressSeq: 3,
          startedAtMs: 2_000,
          endedAtMs: 3_000,
          leaseUntilMs: null,
        },
      );
      assert.equal(second.job.progress.inserted, 9);
      assert.deepEqual(await log.get(job), second.job);
    },
  );

  check("append() decides on the state that every append before it has left", async (log) => {
    const { job } = await log.create(newJob());

    await Promise.all(Array.from({ length: 50 }, () =>
      log.append(job, (now) => ({
        facts: [progress("in_progress", now.progress.inserted + 1)],
      }))));

    assert.equal((await log.get(job))?.progress.inserted, 50);
    const { entries } = await log.read(job, { after: 0, limit: 100 });
    assert.deepEqual(entries.map(({ seq }) => seq), Array.from({ length: 50 }, (_, i) => i + 1));
  });

  check("append() refuses what follows a terminal entry, and only that", async (log) => {
    const { job } = await log.create(newJob());
    await log.append(job, () => ({ facts: [progress("completed", 1)] }));

    await assert.rejects(
      log.append(job, () => ({ facts: [line("late")] })),
      (error) => error instanceof JobEndedError && error.job.status === "completed",
    );
    const nothing = await log.append(job, () => ({ facts: [] }));

    assert.ok(nothing.firstSeq > nothing.lastSeq);
    assert.equal((await log.get(job))?.seq, 1);
  });

  check("append() writes nothing of a change that holds more than the end", async (log) => {
    const { job } = await log.create(newJob());

    await assert.rejects(
      log.append(job, () => ({ facts: [progress("completed", 1), line("late")] })),
      JobEndedError,
    );

    assert.equal((await log.get(job))?.seq, 0);
    assert.deepEqual((await log.read(job, { after: 0, limit: 10 })).entries, []);
  });

  check("append() passes a refusal on and leaves the other appends alone", async (log) => {
    const { job } = await log.create(newJob());
    const refusal = new RangeError("no");

    const results = await Promise.allSettled([
      log.append(job, () => ({ facts: [progress("in_progress", 1)] })),
      log.append(job, () => {
        throw refusal;
      }),
      log.append(job, () => ({ facts: [progress("in_progress", 2)] })),
    ]);

    assert.deepEqual(results.map(({ status }) => status), ["fulfilled", "rejected", "fulfilled"]);
    assert.equal(results[1].status === "rejected" && results[1].reason, refusal);
    assert.equal((await log.get(job))?.seq, 2);
  });

  check("append() and read() of a job that is not there say so", async (log) => {
    const key = { tenant: TENANT, id: newJobId() };

    await assert.rejects(log.append(key, () => ({ facts: [] })), UnknownJobError);
    await assert.rejects(log.read(key, { after: 0, limit: 1 }), UnknownJobError);
    assert.equal(await log.get(key), undefined);
  });

  check(
    "read() finds nothing of a job whose lease alone was renewed, and then what comes",
    async (log) => {
      const { job } = await log.create(newJob());
      await log.append(job, () => ({ facts: [], leaseUntilMs: 60_000 }));

      const none = await log.read(job, { after: 0, limit: 9, logs: "debug" });
      await log.append(job, () => ({ facts: [line("x")] }));
      const one = await log.read(job, { after: 0, limit: 9, logs: "debug" });

      assert.deepEqual([none.entries, none.through], [[], 0]);
      assert.deepEqual(one.entries.map(({ seq }) => seq), [1]);
    },
  );

  check("read() gives entries back as they were appended", async (log) => {
    const { job } = await log.create(newJob());
    const said = { message: "ü\n\u0000", source: "s", fields: { a: [1, null] } };
    const facts: Fact[] = [
      progress("in_progress", 3),
      { kind: "log", level: "error", timeMs: 7, ...said },
      { kind: "log", level: "info", message: "" },
      { ...progress("failed", 4), error: { code: "broken", message: "it broke" } } as Fact,
    ];

    await log.append(job, () => ({ facts }));

    const { entries } = await log.read(job, { after: 0, limit: 10, logs: "debug" });
    const lines = entries.filter((entry) => entry.kind === "log");
    assert.deepEqual(entries.filter((entry) => entry.kind === "progress"), [
      { ...facts[0], seq: 1, atMs: 1_000, changesStatus: true },
      { ...facts[3], seq: 4, atMs: 1_000, changesStatus: true },
    ]);
    assert.deepEqual(lines.map(({ seq, level, atMs }) => [seq, level, atMs]), [
      [2, "error", 1_000],
      [3, "info", 1_000],
    ]);
    assert.deepEqual(lines.map(logWords), [
      { ...said, time: "1970-01-01T00:00:00.007Z" },
      { message: "", time: "1970-01-01T00:00:01.000Z" },
    ]);
  });

  check("read() leaves log lines out unless their level is asked for", async (log) => {
    const { job } = await log.create(newJob());
    const facts = [line("d", "debug"), progress("in_progress", 1), line("w", "warning"), line("i")];
    await log.append(job, () => ({ facts }));

    const without = await log.read(job, { after: 0, limit: 10 });
    const warnings = await log.read(job, { after: 0, limit: 10, logs: "warning" });
    const all = await log.read(job, { after: 1, limit: 10, logs: "debug" });

    assert.deepEqual(without.entries.map(({ seq }) => seq), [2]);
    assert.equal(without.through, 4);
    assert.deepEqual(warnings.entries.map(({ seq }) => seq), [2, 3]);
    assert.deepEqual(all.entries.map(({ seq }) => seq), [2, 3, 4]);
  });

  check("read() pages: through is where the next page starts", async (log) => {
    const { job } = await log.create(newJob());
    const facts = Array.from({ length: 7 }, (_, i) => progress("in_progress", i));
    await log.append(job, () => ({ facts }));

    const pages = [];
    for (let after = 0, more = true; more;) {
      const page = await log.read(job, { after, limit: 3 });
      pages.push(page.entries.map(({ seq }) => seq));
      ({ more, through: after } = page);
    }

    assert.deepEqual(pages, [[1, 2, 3], [4, 5, 6], [7]]);
  });

  check(
    "read({mergeBelow}) keeps changes of status and log lines, drops superseded progress",
    async (log) => {
      const { job } = await log.create(newJob());
      const facts = [
        progress("in_progress", 1),
        progress("in_progress", 2),
        line("kept"),
        progress("cancelling", 3),
        progress("cancelling", 4),
        progress("cancelling", 5),
      ];
      await log.append(job, () => ({ facts }));

      const page = await log.read(job, { after: 0, limit: 10, logs: "info", mergeBelow: 6 });

      assert.deepEqual(page.entries.map(({ seq }) => seq), [1, 3, 4, 6]);
    },
  );

  check("firstSeq() is the oldest entry held, or the next to come", async (log) => {
    const { job } = await log.create(newJob());

    const empty = await log.firstSeq(job);
    await log.append(job, () => ({ facts: [line("a"), line("b")] }));

    assert.deepEqual([empty, await log.firstSeq(job)], [1, 1]);
  });

  check(
    "list() shows each job once, also when others are removed between two pages",
    async (log) => {
      const keys = [];
      for (let n = 0; n < 4; n++) keys.push((await log.create(newJob())).job);

      const first = await log.list({ tenant: TENANT, limit: 2 });
      await log.remove(keys[0]);
      const second = await log.list({ tenant: TENANT, limit: 2, cursor: first.nextCursor ?? "" });

      const ids = [...first.items, ...second.items].map(({ id }) => id);
      assert.deepEqual(ids, [keys[3].id, keys[2].id, keys[1].id]);
    },
  );

  check("list() pages newest first, within a tenant, by status and by sync", async (log) => {
    const other = deriveSyncId(TENANT, "other");
    const ids = [];
    for (let n = 0; n < 5; n++) {
      const { job } = await log.create(
        newJob(n === 3 ? { sync: { id: other, name: "other" } } : {}),
      );
      ids.unshift(job.id);
    }
    await log.create(newJob({ tenant: "elsewhere" as TenantId }));
    const last = { tenant: TENANT, id: ids[4] };
    await log.append(last, () => ({ facts: [progress("failed", 0)] }));

    const first = await log.list({ tenant: TENANT, limit: 3 });
    const second = await log.list({ tenant: TENANT, limit: 3, cursor: first.nextCursor ?? "" });
    const failed = await log.list({ tenant: TENANT, limit: 3, statuses: ["failed"] });
    const ofOther = await log.list({ tenant: TENANT, limit: 3, syncId: other });

    assert.deepEqual([...first.items, ...second.items].map(({ id }) => id), ids);
    assert.equal(second.nextCursor, null);
    assert.deepEqual(failed.items.map(({ id }) => id), [ids[4]]);
    assert.deepEqual(ofOther.items.map(({ id }) => id), [ids[1]]);
    await assert.rejects(log.list({ tenant: TENANT, limit: 3, cursor: "nonsense" }), CursorError);
  });

  check("lapsed() and ownedByOthers() find jobs that are not over", async (log) => {
    const { job: ours } = await log.create(newJob({ leaseUntilMs: 5_000 }));
    const { job: theirs } = await log.create(newJob({ owner: "process-b", leaseUntilMs: 9_000 }));
    const { job: worker } = await log.create(newJob({ owner: null, leaseUntilMs: null }));
    const { job: over } = await log.create(newJob({ owner: "process-b", leaseUntilMs: 1 }));
    await log.append(over, () => ({ facts: [progress("failed", 0)] }));
    await log.append(worker, () => ({ facts: [], leaseUntilMs: 6_000 }));

    const { items: lapsed, next } = await log.lapsed(6_001);
    const others = await log.ownedByOthers("process-a");

    assert.deepEqual([lapsed.map(({ id }) => id), next], [[ours.id, worker.id], null]);
    assert.deepEqual(others.map(({ id }) => id), [theirs.id]);
  });

  check("lapsed() finds all of many, page by page", async (log) => {
    const jobs = await Promise.all(
      Array.from({ length: 250 }, (_, n) => log.create(newJob({ leaseUntilMs: 1 + n % 2 }))),
    );
    assert.deepEqual(
      await allLapsed(log, 2),
      jobs.filter((_, n) => n % 2 === 0).map(({ job }) => job.id),
    );
  });

  check(
    "recent() finds all tenants' jobs that are on their way or ended since",
    async (log, clock) => {
      const jobs = [];
      for (const tenant of [TENANT, "other" as TenantId, TENANT, TENANT]) {
        jobs.push((await log.create(newJob({ tenant }))).job);
      }
      const [before, since, after, active] = jobs;
      for (const [nowMs, job] of [[1_999, before], [2_000, since], [2_001, after]] as const) {
        clock.nowMs = nowMs;
        await log.append(job, () => ({ facts: [progress("failed", 0)] }));
      }

      const { items, next } = await log.recent({ endedSinceMs: 2_000 });

      assert.deepEqual(items.map(({ id }) => id), [since.id, after.id, active.id]);
      assert.equal(next, null);
    },
  );

  check("recent() comes to the end by pages, none of which leaves out a job", async (log) => {
    const ids: string[] = [];
    for (let left = RECENT_STRETCH + 1; left > 0; left--) {
      ids.push(newJobId());
    }
    await Promise.all(ids.map((id) => log.create(newJob({ id: id as JobId }))));

    const first = await log.recent({ endedSinceMs: 0 });
    const second = await log.recent({ endedSinceMs: 0, after: first.next ?? 0 });

    assert.deepEqual([first.items.length, second.items.length], [RECENT_STRETCH, 1]);
    assert.deepEqual([...first.items, ...second.items].map(({ id }) => id), ids);
    assert.equal(second.next, null);
  });

  check("create({progress}) starts with these totals", async (log) => {
    const { job } = await log.create(newJob(), { progress: { ...NO_PROGRESS, total: 5 } });

    assert.deepEqual([job.progress.total, job.seq], [5, 0]);
    assert.equal((await log.get(job))?.progress.total, 5);
  });

  check("create() registers the syncs of workers' jobs, once and by tenant", async (log) => {
    const ref = (name: string) => ({ id: deriveSyncId(TENANT, name), name });
    const other = "other" as TenantId;
    for (const name of ["e", "b", "d", "a", "c", "a"]) {
      await log.create(newJob({ origin: "worker", sync: ref(name) }));
    }
    await log.create(newJob({ origin: "source", sync: ref("configured") }));
    await log.create(newJob({ origin: "worker", sync: null }));
    await log.create(newJob({ origin: "worker", sync: ref("theirs"), tenant: other }));

    assert.deepEqual(await log.registeredSyncs(TENANT), ["a", "b", "c", "d", "e"].map(ref));
    assert.deepEqual(await log.registeredSyncs(other), [ref("theirs")]);
  });

  check(
    "registeredSyncs() gives only those of an id or a name where one is asked for",
    async (log) => {
      const ref = (name: string, id = deriveSyncId(TENANT, name)) => ({ id, name });
      const own = ref("b", deriveSyncId(TENANT, "once called otherwise"));
      for (const sync of [ref("a"), ref("b"), own]) {
        await log.create(newJob({ origin: "worker", sync }));
      }

      assert.deepEqual(await log.registeredSyncs(TENANT, { id: own.id }), [own]);
      assert.deepEqual(await log.registeredSyncs(TENANT, { name: "a" }), [ref("a")]);
      assert.equal((await log.registeredSyncs(TENANT, { name: "b" })).length, 2);
      assert.deepEqual(await log.registeredSyncs(TENANT, { name: "c" }), []);
      assert.deepEqual(await log.registeredSyncs("other" as TenantId, { id: own.id }), []);
    },
  );

  check("registeredSyncs() gives them in parts, in the order of names and ids", async (log) => {
    const ref = (name: string, id = deriveSyncId(TENANT, name)) => ({ id, name });
    const namesakes = ["x", "y"].map((was) => ref("b", deriveSyncId(TENANT, was)));
    for (const sync of [ref("c"), ...namesakes, ref("a"), ref("d")]) {
      await log.create(newJob({ origin: "worker", sync }));
    }
    const all = await log.registeredSyncs(TENANT);

    const parts: (typeof all)[] = [];
    for (let after: SyncRef | undefined; parts.length < 4; after = parts.at(-1)?.at(-1)) {
      parts.push(await log.registeredSyncs(TENANT, { after, limit: 2 }));
    }

    assert.deepEqual(all.map(({ name }) => name), ["a", "b", "b", "c", "d"]);
    assert.ok(all[1].id < all[2].id);
    assert.deepEqual(parts, [all.slice(0, 2), all.slice(2, 4), all.slice(4), []]);
  });

  check("forgetSyncs() forgets the syncs of one tenant that no job is left of", async (log) => {
    const ref = (name: string) => ({ id: deriveSyncId(TENANT, name), name });
    const other = "other" as TenantId;
    const worker = { origin: "worker" } as const;
    const { job } = await log.create(newJob({ ...worker, sync: ref("gone") }));
    await log.create(newJob({ ...worker, sync: ref("kept") }));
    const { job: theirs } = await log.create(newJob({ ...worker, sync: ref("a"), tenant: other }));
    await log.remove(job);
    await log.remove(theirs);

    await log.forgetSyncs(TENANT);

    assert.deepEqual(await log.registeredSyncs(TENANT), [ref("kept")]);
    assert.deepEqual(await log.registeredSyncs(other), [ref("a")]);
  });

  check("append() keeps a producer of which nothing else is told", async (log) => {
    const { job } = await log.create(newJob());
    const producer = { ...newProducer("w1", 2), requests: [] };
    await log.append(job, () => ({ facts: [], producer }));
    const seen: unknown[] = [];

    await log.append(job, (_, producerOf) => {
      seen.push(producerOf("w1"));
      return { facts: [] };
    });

    assert.deepEqual(seen, [producer]);
  });

  check(
    "append() keeps producers with their job and shows them to the next decision",
    async (log) => {
      const { job } = await log.create(newJob());
      const { job: another } = await log.create(newJob());
      const producer = { ...newProducer("w1", 2), requests: [] };

      const appended = await log.append(job, () => ({ facts: [line("x")], producer }));
      const seen: unknown[] = [];
      for (const key of [job, another]) {
        await log.append(key, (_, producerOf) => {
          seen.push(producerOf("w1"), producerOf("w2"));
          return { facts: [] };
        });
      }

      assert.deepEqual(appended.producer, producer);
      assert.deepEqual(seen, [producer, undefined, undefined, undefined]);
    },
  );

  check("append() keeps a late end beside a job that is over", async (log) => {
    const { job } = await log.create(newJob());
    await log.append(job, () => ({ facts: [progress("failed", 1)] }));
    const lateEnd = { status: "completed", error: null, atMs: 7 } as const;

    await log.append(job, () => ({ facts: [], lateEnd }));

    assert.deepEqual((await log.get(job))?.lateEnd, lateEnd);
  });

  check("append() notes when anything was last heard", async (log, clock) => {
    const { job } = await log.create(newJob());
    clock.nowMs = 5_000;
    await log.append(job, () => ({ facts: [line("x")] }));

    const { heardAtMs, updatedAtMs } = await log.get(job) ?? {};

    assert.deepEqual([heardAtMs, updatedAtMs], [5_000, job.createdAtMs]);
  });

  check("read({only: logs}) leaves progress out", async (log) => {
    const { job } = await log.create(newJob());
    const facts = [progress("in_progress", 1), line("a"), line("b", "error"), line("c", "debug")];
    await log.append(job, () => ({ facts }));

    const read = async (level: "debug" | "warning") => {
      const query = { after: 0, limit: 9, logs: level, only: "logs" } as const;
      return (await log.read(job, query)).entries.map(({ seq }) => seq);
    };

    assert.deepEqual([await read("debug"), await read("warning")], [[2, 3, 4], [3]]);
  });

  check("beforeLastLogs() is the position before the last lines of a level", async (log) => {
    const { job } = await log.create(newJob());
    const facts = [line("1"), progress("in_progress", 1), line("3", "error"), line("4", "debug")];
    await log.append(job, () => ({ facts }));

    const found = await Promise.all([
      log.beforeLastLogs(job, "debug", 1, 4),
      log.beforeLastLogs(job, "info", 2, 4),
      log.beforeLastLogs(job, "error", 9, 4),
      log.beforeLastLogs(job, "debug", 0, 4),
      log.beforeLastLogs(job, "debug", 1, 3),
      log.beforeLastLogs(job, "debug", 1, 2),
    ]);

    assert.deepEqual(found, [3, 0, 0, 4, 2, 0]);
  });

  check("newestProgress() is the last one between two positions", async (log) => {
    const { job } = await log.create(newJob());
    const facts = [1, 2, 3, 4].map((count) => progress("in_progress", count));
    await log.append(job, () => ({ facts: [...facts, line("6"), progress("completed", 5)] }));
    const seqOf = async (after: number, through: number) => {
      const found = await log.newestProgress(job, after, through);
      return found && [found.seq, found.progress.inserted];
    };

    assert.deepEqual(await seqOf(0, 6), [4, 4]);
    assert.deepEqual(await seqOf(1, 3), [3, 3]);
    assert.deepEqual(await seqOf(2, 3), [3, 3]);
    assert.equal(await seqOf(4, 6), undefined);
    assert.equal(await seqOf(0, 1), undefined);
  });

  check("beforeLastLogs() finds any number of lines, alone or side by side", async (log) => {
    const { job } = await log.create(newJob());
    const pair = [line("warned", "warning"), line("x")]; // of two levels, so side by side in no row
    for (let n = 0; n < 150; n++) await log.append(job, () => ({ facts: pair }));
    await log.append(job, () => ({ facts: Array.from({ length: 150 }, () => line("y")) }));

    const counts = [1, 149, 150, 151, 250, 251, 350, 450, 451];
    const found = await Promise.all(
      counts.map((count) => log.beforeLastLogs(job, "info", count, 450)),
    );
    const warned = await Promise.all(
      [1, 100, 101, 150, 151].map((count) => log.beforeLastLogs(job, "warning", count, 450)),
    );

    assert.deepEqual(found, [449, 301, 300, 299, 200, 199, 100, 0, 0]);
    assert.deepEqual(warned, [298, 100, 98, 0, 0]);
  });

  check(
    "trim() takes superseded progress first, then the oldest lines, and notes their levels",
    async (log) => {
      const { job } = await log.create(newJob());
      const facts = [
        progress("in_progress", 1),
        line("2", "error"),
        progress("in_progress", 3),
        line("4", "debug"),
        line("5"),
        progress("in_progress", 6),
        line("7"),
      ];
      await log.append(job, () => ({ facts }));
      const left = async (entriesMax: number) => {
        while (await log.trim(job, { entriesMax }));
        const { entries } = await log.read(job, { after: 0, limit: 99, logs: "debug" });
        const { held, trimmed } = await log.get(job) ?? {};
        assert.equal(held, entries.length);
        return [entries.map(({ seq }) => seq), trimmed];
      };

      assert.deepEqual(await left(6), [[1, 2, 4, 5, 6, 7], [0, 0, 0, 0]]);
      assert.deepEqual(await left(4), [[1, 5, 6, 7], [4, 0, 0, 2]]);
      assert.deepEqual(await left(1), [[1, 6], [4, 7, 0, 2]]);
      await log.append(job, () => ({ facts: [progress("completed", 9)] }));
      assert.equal((await log.get(job))?.seq, 8);
    },
  );

  check("trim() takes no more lines than it has to beside superseded progress", async (log) => {
    const { job } = await log.create(newJob());
    const facts = [progress("in_progress", 1), line("2"), progress("in_progress", 3), line("4")];
    await log.append(job, () => ({ facts: [...facts, line("5"), progress("in_progress", 6)] }));

    while (await log.trim(job, { entriesMax: 4 }));

    const { entries } = await log.read(job, { after: 0, limit: 99, logs: "debug" });
    assert.deepEqual(entries.map(({ seq }) => seq), [1, 4, 5, 6]);
  });

  check("trim({progressMax}) spreads what stays of the superseded progress", async (log) => {
    const { job } = await log.create(newJob());
    const facts = Array.from({ length: 9_000 }, (_, n) => progress("in_progress", n));
    await log.append(job, () => ({ facts: [...facts, line("x"), progress("completed", 9_000)] }));
    assert.equal((await log.prunable({ untrimmed: true })).length, 1);

    while (await log.trim(job, { entriesMax: 100_000, progressMax: 10 }));

    const { entries } = await log.read(job, { after: 0, limit: 99, logs: "debug" });
    const seqs = entries.map(({ seq }) => seq);
    assert.equal((await log.get(job))?.held, entries.length);
    assert.ok(seqs.length <= 13 && seqs.length >= 12, `${seqs}`);
    assert.deepEqual([seqs[0], ...seqs.slice(-2)], [1, 9_001, 9_002]);
    const steps = seqs.slice(1, -2).map((seq, place) => seq - seqs[place]);
    assert.ok(steps.every((step) => step > 800 && step < 1_000), `${steps}`);
    assert.deepEqual(await log.prunable({ untrimmed: true }), []);
    assert.deepEqual((await log.get(job))?.trimmed, [0, 0, 0, 0]);
  });

  check("remove() leaves nothing of a job, and the others alone", async (log) => {
    const { job } = await log.create(newJob());
    const { job: other } = await log.create(newJob());
    const facts = Array.from({ length: 5_000 }, (_, n) => line(`${n}`));
    for (const key of [job, other]) await log.append(key, () => ({ facts }));

    const removed = [await log.remove(job), await log.remove(job)];

    assert.deepEqual(removed, [true, false]);
    assert.equal(await log.get(job), undefined);
    await assert.rejects(log.append(job, () => ({ facts: [] })), UnknownJobError);
    assert.equal((await log.get(other))?.held, 5_000);
    const { job: again } = await log.create(newJob({ id: job.id }));
    assert.deepEqual((await log.read(again, { after: 0, limit: 9, logs: "debug" })).entries, []);
  });

  check("remove() tells once that there is no such job any more, and of no other", async (log) => {
    const { job } = await log.create(newJob());
    const told: string[] = [];

    await log.remove(job, newEpoch(), () => told.push("another"));
    await log.remove(job, job.epoch, () => told.push("this one"));
    await log.remove(job, undefined, () => told.push("again"));

    assert.deepEqual(told, ["this one"]);
  });

  check("remove() of a job of an epoch leaves another that has its id since", async (log) => {
    const { job } = await log.create(newJob());
    await log.append(job, () => ({ facts: [progress("completed", 1)] }));
    const [seen] = await log.prunable({ endedBeforeMs: Infinity });
    await log.remove(job);
    const { job: again } = await log.create(newJob({ id: job.id }));

    const removed = [await log.remove(seen, seen.epoch), await log.remove(again, again.epoch)];

    assert.deepEqual(removed, [false, true]);
  });

  check("counts() tells jobs by status, of all tenants", async (log) => {
    const [first] = await Promise.all([1, 2, 3].map(() => log.create(newJob())));
    await log.create(newJob({ tenant: "other" as TenantId }));
    await log.append(first.job, () => ({ facts: [progress("failed", 0)] }));

    assert.deepEqual([...await log.counts()].sort(), [["failed", 1], ["pending", 3]]);
  });

  check("prunable() finds the old, the long and the untrimmed", async (log, clock) => {
    const [old, fresh, long] = await Promise.all(
      [1, 2, 3].map(async () => (await log.create(newJob())).job),
    );
    clock.nowMs = 10_000;
    await log.append(old, () => ({ facts: [progress("completed", 1)] }));
    clock.nowMs = 20_000;
    await log.append(fresh, () => ({ facts: [progress("failed", 1)] }));
    await log.append(long, () => ({ facts: [line("1"), line("2"), line("3")] }));
    const ids = async (query: PruneQuery) => (await log.prunable(query)).map(({ id }) => id);

    assert.deepEqual(await ids({ endedBeforeMs: 15_000 }), [old.id]);
    assert.deepEqual(await ids({ endedBeforeMs: Infinity }), [old.id, fresh.id]);
    assert.deepEqual(await ids({ endedBeforeMs: 20_000, endedSinceMs: 10_000 }), [old.id]);
    assert.deepEqual(await ids({ endedBeforeMs: Infinity, endedSinceMs: 10_001 }), [fresh.id]);
    assert.deepEqual(await ids({ entriesAbove: 2 }), [long.id]);
    assert.deepEqual(await ids({ entriesAbove: Infinity }), []);
    assert.deepEqual(await ids({ untrimmed: true }), [old.id, fresh.id]);
    assert.ok(await log.bytes() > 0);
  });

  check(
    "prunable() finds those first that ended first, or hold most, however many there are",
    async (log, clock) => {
      const jobs = await Promise.all(
        Array.from({ length: 240 }, async () => (await log.create(newJob())).job),
      );
      const [running, over] = [jobs.slice(0, 120), jobs.slice(120)];
      for (const [n, job] of running.entries()) {
        const facts = Array.from({ length: n < 119 ? 2 : 3 }, () => line("x"));
        await log.append(job, () => ({ facts }));
      }
      for (const [n, job] of over.entries()) {
        clock.nowMs = n < 119 ? 20_000 : 30_000;
        await log.append(job, () => ({ facts: [progress("completed", 1)] }));
      }
      clock.nowMs = 40_000;
      const early = (await log.create(newJob())).job;
      clock.nowMs = 10_000;
      await log.append(early, () => ({ facts: [progress("failed", 1)] }));
      const first = async (query: PruneQuery) => (await log.prunable(query))[0]?.id;

      assert.equal(await first({ endedBeforeMs: 20_000 }), early.id);
      assert.equal(await first({ endedBeforeMs: Infinity }), early.id);
      assert.equal(await first({ entriesAbove: 1 }), running[119].id);
      assert.equal((await log.prunable({ endedBeforeMs: Infinity })).length, 100);
    },
  );
}
