/** What every EventLog must hold; each implementation runs the whole of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../../src/clock.ts";
import {
  CursorError,
  type EventLog,
  JobEndedError,
  UnknownJobError,
} from "../../src/log/event_log.ts";
import type { Fact } from "../../src/sync/entry.ts";
import { deriveSyncId, newJobId, type TenantId } from "../../src/sync/ids.ts";
import type { NewJob } from "../../src/sync/job.ts";
import { NO_PROGRESS } from "../../src/sync/progress.ts";
import type { Status } from "../../src/sync/status.ts";

export const TENANT = "default" as TenantId;

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
    assert.deepEqual([job.status, job.seq, job.trimmedSeq], ["pending", 0, 0]);
    assert.notEqual(job.epoch, other.job.epoch);
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

  check("read() gives entries back as they were appended", async (log) => {
    const { job } = await log.create(newJob());
    const facts: Fact[] = [
      progress("in_progress", 3),
      { kind: "log", level: "error", message: "ü\n\u0000", source: "s", fields: { a: [1, null] } },
      { ...progress("failed", 4), error: { code: "broken", message: "it broke" } } as Fact,
    ];

    await log.append(job, () => ({ facts }));

    const { entries } = await log.read(job, { after: 0, limit: 10, logs: "debug" });
    assert.deepEqual(entries, [
      { ...facts[0], seq: 1, atMs: 1_000, changesStatus: true },
      { ...facts[1], seq: 2, atMs: 1_000 },
      { ...facts[2], seq: 3, atMs: 1_000, changesStatus: true },
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
    const failed = await log.list({ tenant: TENANT, limit: 3, status: "failed" });
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

    const lapsed = await log.lapsed(6_001);
    const others = await log.ownedByOthers("process-a");

    assert.deepEqual(lapsed.map(({ id }) => id), [ours.id, worker.id]);
    assert.deepEqual(others.map(({ id }) => id), [theirs.id]);
  });
}
