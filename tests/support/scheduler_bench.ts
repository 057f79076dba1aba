/** A server's jobs and schedules without the server, in a time that the test lets pass. */
import { join } from "node:path";
import { Dispatcher, type Runnable } from "../../src/jobs/dispatcher.ts";
import type { Occurrence } from "../../src/jobs/occurrence.ts";
import { Remembered } from "../../src/jobs/schedules/remembered.ts";
import { Scheduler } from "../../src/jobs/schedules/scheduler.ts";
import { type ConfiguredSync, configuredSyncs, SYNC_SCHEMA } from "../../src/jobs/sync_config.ts";
import { Syncs } from "../../src/jobs/syncs.ts";
import { MemoryLog } from "./memory_log.ts";
import { type JobSource, SourceError } from "../../src/sources/source.ts";
import { deriveSyncId } from "../../src/sync/ids.ts";
import type { Job } from "../../src/sync/job.ts";
import { FakeClock } from "./fake_clock.ts";
import { newJob, TENANT } from "./log_contract.ts";
import type { Cleanup } from "./program.ts";
import { tempDirectory } from "./temp.ts";

/** How a run ends, or that it does not until it is stopped. */
export type Work = "completes" | "fails" | "endless";

/** How long a worker may be silent. */
const LEASE_MS = 900_000;

/** A clock that tells the longest timer. */
export class WatchedClock extends FakeClock {
  longestMs = 0;

  override after(ms: number, run: () => void): () => void {
    this.longestMs = Math.max(this.longestMs, ms);
    return super.after(ms, run);
  }
}

/** Syncs whose work the test decides on. */
class TestSyncs extends Syncs {
  readonly #work: () => Work;

  constructor(syncs: readonly ConfiguredSync[], work: () => Work) {
    super(syncs, []);
    this.#work = work;
  }

  override runnable(sync: ConfiguredSync): Runnable | undefined {
    const { tenant, id, name, progressIntervalMs } = sync;
    if (sync.source.type !== "directory") return undefined;
    return { tenant, id, name, progressIntervalMs, source: () => ({ run: runOf(this.#work()) }) };
  }
}

function runOf(work: Work): JobSource["run"] {
  // deno-lint-ignore require-yield -- how it ends is all that matters
  return async function* ({ signal }) {
    if (work === "fails") throw new SourceError("source_unreadable", "It is gone");
    if (work === "completes" || signal.aborted) return;
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  };
}

/** Syncs as a file configures them. */
export function syncsOf(...syncs: object[]): readonly ConfiguredSync[] {
  const written = syncs.map((sync, index) =>
    SYNC_SCHEMA.parse({
      name: "docs",
      source: { type: "directory", path: "tree" },
      ...!("source" in sync) && { destination: { type: "sqlite", path: `${index}.db` } },
      ...sync,
    })
  );
  return configuredSyncs(written, "/").syncs;
}

/** One process after the other on one log and one file; at first none. */
export function schedulerBench(t: Cleanup, ...configured: object[]) {
  const { path, remove } = tempDirectory();
  t.after(remove);
  const clock = new WatchedClock();
  const log = new MemoryLog(clock);
  const occurrences: Occurrence[] = [];
  const faults: unknown[] = [];
  const onFault = (cause: unknown) => void faults.push(cause);
  let syncs = syncsOf(...configured);
  let processes = 0;
  const bench = {
    clock,
    log,
    occurrences,
    faults,
    work: "completes" as Work,
    /** Takes an occurrence in. */
    tell: (occurrence: Occurrence) => void occurrences.push(occurrence),
    /** Starts a process; `file` is where it remembers. */
    async boot(file = "schedules.json") {
      const running = new TestSyncs(syncs, () => bench.work);
      const owner = `process-${++processes}`;
      const dispatcher = new Dispatcher({ log, clock, owner, cancelGraceMs: 1_000, onFault });
      if (processes === 1) await dispatcher.open();
      if (processes === 1) dispatcher.watch();
      const scheduler = new Scheduler({
        log,
        clock,
        syncs: running,
        dispatcher,
        remembered: new Remembered(join(path, file), onFault),
        onOccurrence: (occurrence) => bench.tell(occurrence),
        onFault,
      });
      await scheduler.start();
      await settled();
      return {
        dispatcher,
        scheduler,
        standing: (index = 0) => scheduler.standing(syncs[index]),
        runByHand: async (notes = {}) => {
          const runnable = running.runnable(syncs[0]);
          if (!runnable) throw new Error("It cannot be run");
          const { job } = await dispatcher.start(runnable, notes);
          await settled();
          return job;
        },
        async reload(...others: object[]) {
          running.replace(syncs = syncsOf(...others));
          scheduler.look();
          await settled();
        },
        async stop() {
          await scheduler.stop();
          await dispatcher.stop();
        },
      };
    },
    /** Lets time pass in steps, with the work that falls due done in between. */
    async pass(text: string) {
      const [, amount, unit] = /^(\d+)([smhd])$/.exec(text) ?? [];
      let left = Number(amount) * ({ s: 1, m: 60, h: 3_600, d: 86_400 }[unit] ?? NaN);
      for (; left > 0; left -= 10) {
        clock.advance(Math.min(left, 10) * 1_000);
        await settled();
      }
    },
    /** All jobs of the tenant, oldest first. */
    async jobs(): Promise<readonly Job[]> {
      return (await log.list({ tenant: TENANT, limit: 200 })).items.toReversed();
    },
    /** When each job was created, as `03-29 01:30:00`. */
    async times(): Promise<readonly string[]> {
      return (await bench.jobs()).map(({ createdAtMs }) => utc(createdAtMs));
    },
    /** A worker elsewhere begins a run of the sync. */
    async workerStarts(name = "docs"): Promise<Job> {
      const sync = { id: deriveSyncId(TENANT, name), name };
      const createdAtMs = clock.now();
      const lease = { leaseMs: LEASE_MS, leaseUntilMs: createdAtMs + LEASE_MS };
      const { job } = await log.create(
        newJob({ origin: "worker", owner: null, sync, createdAtMs, ...lease }),
      );
      return job;
    },
  };
  clock.set(Date.UTC(2026, 2, 2));
  return bench;
}

/** `03-29 01:30:00` */
export function utc(atMs: number): string {
  return new Date(atMs).toISOString().slice(5, 19).replace("T", " ");
}

/** What a log in memory has begun is done. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}
