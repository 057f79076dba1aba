import assert from "node:assert/strict";
import { join } from "node:path";
import { Dispatcher, type Runnable } from "../../src/jobs/dispatcher.ts";
import { OutsideJobs } from "../../src/jobs/outside_jobs.ts";
import { Syncs } from "../../src/jobs/syncs.ts";
import type { EventLog } from "../../src/log/event_log.ts";
import { MemoryLog } from "../support/memory_log.ts";
import { JobEndedError } from "../../src/log/log_errors.ts";
import { SqliteLog } from "../../src/log/sqlite_log.ts";
import { SourceError, type SourceProgress } from "../../src/sources/source.ts";
import type { WorkerEvent } from "../../src/sync/event.ts";
import { deriveSyncId, type JobKey } from "../../src/sync/ids.ts";
import type { Job } from "../../src/sync/job.ts";
import { type EntityCounts, NO_PROGRESS } from "../../src/sync/progress.ts";
import { isTerminal, STATUSES } from "../../src/sync/status.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { Interleaver } from "../support/interleaver.ts";
import { TENANT } from "../support/log_contract.ts";
import { type Random, rounds, seeded } from "../support/seed.ts";
import { tempDirectory } from "../support/temp.ts";

const PRODUCERS = 20;
const POSTS = 3;
const ENDS = STATUSES.filter(isTerminal);
const COUNTS = ["inserted", "updated", "deleted", "kept", "skipped"] as const;

interface Stage {
  readonly random: Random;
  readonly clock: FakeClock;
  readonly order: Interleaver;
  readonly log: EventLog;
  readonly dispatcher: Dispatcher;
  readonly faults: unknown[];
}

function stage(log: EventLog, clock: FakeClock, random: Random): Stage {
  const order = new Interleaver(random);
  const gated = order.through(log);
  const faults: unknown[] = [];
  const dispatcher = dispatcherOf(gated, clock, "first", faults);
  return { random, clock, order, log: gated, dispatcher, faults };
}

function dispatcherOf(log: EventLog, clock: FakeClock, owner: string, faults: unknown[]) {
  const onFault = (cause: unknown) => void faults.push(cause);
  return new Dispatcher({ log, clock, owner, cancelGraceMs: 1_000, onFault });
}

/** Whatever may come in the way of a job: each happens, or not, at a time of its own. */
function trouble(at: Stage, key: JobKey): Promise<unknown>[] {
  const { random, log, clock, order, dispatcher, faults } = at;
  const maybe = async (share: number, act: () => Promise<unknown>) => {
    if (!random.chance(share)) return;
    for (let pause = random.below(10); pause > 0; pause--) await order.gate();
    await act();
  };
  const restart = async () => {
    const second = dispatcherOf(log, clock, "second", faults);
    await second.open();
    second.watch();
    await second.stop();
  };
  return [
    maybe(0.4, () => dispatcher.cancel(key)),
    maybe(0.2, () => dispatcher.cancel(key)),
    maybe(0.3, restart),
    maybe(0.1, () => dispatcher.stop(random.below(2_000))),
  ];
}

/** Twenty producers at once, any of which may say how the job ends. The answer is the sum of what was taken. */
async function outsideJob(at: Stage): Promise<{ key: JobKey; inserted: number }> {
  const { random, order, clock, log } = at;
  const outside = new OutsideJobs({ log, syncs: new Syncs([], []), clock });
  const { job: key } = await outside.create({ tenant: TENANT, leaseMs: 5_000 });
  const work = random.many(PRODUCERS, async () => {
    const id = `producer ${random.below(1e9)}`;
    let inserted = 0;
    for (let number = 0; number < POSTS; number++) {
      const next = inserted + random.below(5);
      const events: WorkerEvent[] = [
        { type: "progress", delta: false, counters: { inserted: next } },
        { type: "log", line: { kind: "log", level: "info", message: id } },
        ...random.chance(0.03) ? [{ type: "end", status: random.pick(ENDS) } as const] : [],
      ];
      await order.gate();
      try {
        await outside.post(key, { stamp: { id, epoch: 0, number }, offset: 0, events });
        inserted = next;
      } catch (cause) {
        if (!(cause instanceof JobEndedError)) throw cause;
        return inserted;
      }
    }
    return inserted;
  });
  const [sums] = await Promise.all([Promise.all(work), ...trouble(at, key)]);
  return { key, inserted: sums.reduce((sum, each) => sum + each, 0) };
}

/** A run of this server, which completes, fails, or goes on until it is stopped. */
async function ownJob(at: Stage): Promise<{ key: JobKey }> {
  const { random, order, dispatcher } = at;
  const end = random.pick(["completes", "fails", "breaks", "goes on"] as const);
  const sync: Runnable = {
    tenant: TENANT,
    id: deriveSyncId(TENANT, `sync ${random.below(1e9)}`),
    name: "any",
    progressIntervalMs: random.pick([0, 500]),
    source: () => ({
      async *run({ signal }) {
        let inserted = 0;
        for (let n = random.below(8); n > 0 && !signal.aborted; n--) {
          await order.gate();
          yield totals(inserted += random.below(9));
          if (random.chance(0.3)) yield { type: "log", level: "info", message: `${inserted}` };
        }
        if (end === "fails") throw new SourceError("source_unreadable", "It is gone");
        if (end === "breaks") throw new Error("a fault");
        if (end === "completes" || signal.aborted) return;
        await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      },
    }),
  };
  const { job: key } = await dispatcher.start(sync);
  await Promise.all(trouble(at, key));
  if (end === "goes on") await dispatcher.cancel(key);
  await dispatcher.stop();
  return { key };
}

function totals(inserted: number): SourceProgress {
  return { type: "progress", ...NO_PROGRESS, inserted };
}

/** However it came about: one end, at the end; no hole; nothing went back. */
async function assertEndedOnce(log: EventLog, key: JobKey): Promise<Job> {
  const job = await log.get(key);
  assert.ok(job);
  const { entries } = await log.read(key, { after: 0, limit: 1_000, logs: "debug" });
  assert.deepEqual(entries.map(({ seq }) => seq), entries.map((_, index) => index + 1));
  const progress = entries.filter((entry) => entry.kind === "progress");
  const ends = progress.filter(({ status }) => isTerminal(status));
  assert.deepEqual(ends, entries.slice(-1));
  assert.deepEqual([job.status, job.seq], [ends[0].status, entries.length]);
  let before: EntityCounts = NO_PROGRESS;
  for (const { progress: now } of progress) {
    for (const name of COUNTS) assert.ok(now[name] >= before[name], `${name} went back`);
    before = now;
  }
  return job;
}

async function untilOver(at: Stage, log: EventLog, key: JobKey): Promise<void> {
  while (!isTerminal((await log.get(key))?.status ?? "pending")) {
    at.clock.advance(2_000); // the lease runs out
    await at.order.run(Promise.resolve(), () => {});
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

async function interleave(log: EventLog, clock: FakeClock, random: Random): Promise<void> {
  const at = stage(log, clock, random);
  const jump = () => clock.advance(random.below(random.chance(0.2) ? 8_000 : 400));
  const outside = random.chance(0.5);
  if (outside) {
    const { key, inserted } = await at.order.run(outsideJob(at), jump);
    const sweeper = dispatcherOf(log, clock, "first", at.faults);
    await sweeper.open();
    sweeper.watch();
    await untilOver(at, log, key);
    await sweeper.stop();
    assert.equal((await assertEndedOnce(log, key)).progress.inserted, inserted);
  } else {
    const { key } = await at.order.run(ownJob(at), jump);
    await assertEndedOnce(log, key);
  }
  const told = at.faults.filter((fault) => !/a fault|did not stop/.test(`${fault}`));
  assert.deepEqual(told, []);
}

seeded("a job in memory ends once, whatever races for it", async (random) => {
  const clock = new FakeClock();
  for (let round = 0; round < rounds(2_000); round++) {
    await interleave(new MemoryLog(clock), clock, random.fork());
  }
});

seeded("a job in SQLite ends once, whatever races for it", async (random, t) => {
  const { path, remove } = tempDirectory();
  const clock = new FakeClock();
  const log = new SqliteLog({ path: join(path, "log.db"), durability: "normal", clock });
  t.after(async () => {
    await log.close();
    remove();
  });
  for (let round = 0; round < rounds(1_000); round++) await interleave(log, clock, random.fork());
});
