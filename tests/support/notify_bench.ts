/** A log, a clock of the test's, and what tells the targets of the jobs in it. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { jobJson } from "../../src/http/job_json.ts";
import { Hub } from "../../src/hub/hub.ts";
import { PublishedLog } from "../../src/hub/published_log.ts";
import { Notifications } from "../../src/jobs/notify/notifications.ts";
import type { Target } from "../../src/jobs/notify/target.ts";
import { configuredTargets } from "../../src/jobs/notify/target_config.ts";
import { TARGET_SCHEMA } from "../../src/jobs/notify/target_schema.ts";
import type { EventLog } from "../../src/log/event_log.ts";
import { MemoryLog } from "./memory_log.ts";
import type { JobError } from "../../src/sync/entry.ts";
import { deriveSyncId } from "../../src/sync/ids.ts";
import type { Job, NewJob } from "../../src/sync/job.ts";
import { NO_PROGRESS } from "../../src/sync/progress.ts";
import type { Status } from "../../src/sync/status.ts";
import type { Viewers } from "../../src/stream/viewers.ts";
import { FakeClock } from "./fake_clock.ts";
import { newJob, TENANT } from "./log_contract.ts";
import type { Cleanup } from "./program.ts";
import { tempDirectory } from "./temp.ts";
import { until } from "./until.ts";

export const STALL_AFTER_MS = 60_000;

/** Lets the event loop turn, so that what has been started without a clock or a network is done. */
export async function turns(count = 20): Promise<void> {
  for (let turn = 0; turn < count; turn++) {
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

/** Targets as a configuration file has them. */
export function targetsOf(
  written: readonly object[],
  env: Readonly<Record<string, string>> = {},
  directory = "/",
): readonly Target[] {
  const parsed = written.map((target) => TARGET_SCHEMA.parse(target));
  const { targets, issues } = configuredTargets(parsed, { directory, env });
  assert.deepEqual(issues, []);
  return targets;
}

/** A job of a sync of that name. */
export function jobOf(sync: string, changes: Partial<NewJob> = {}): NewJob {
  return newJob({ sync: { id: deriveSyncId(TENANT, sync), name: sync }, ...changes });
}

export interface End {
  readonly status: Status;
  readonly warnings?: number;
  readonly error?: JobError;
}

/** Creates a job that runs. */
export async function begun(log: EventLog, job: NewJob): Promise<Job> {
  await log.create(job);
  const fact = { kind: "progress", status: "in_progress", progress: NO_PROGRESS } as const;
  return (await log.append(job, () => ({ facts: [fact] }))).job;
}

/** Appends the job's end. */
export async function ended(log: EventLog, job: NewJob, end: End): Promise<Job> {
  const { status, warnings, error } = end;
  const progress = { ...NO_PROGRESS, inserted: 12, warnings };
  const fact = { kind: "progress", status, progress, error } as const;
  return (await log.append(job, () => ({ facts: [fact] }))).job;
}

/**
 * What outlives a process: the log, the queue's file and time. `start` is a process of them; `untold`
 * counts how often one said that somebody was not told.
 */
export function notifyBench(t: Cleanup, written: readonly object[]) {
  const { path: directory, remove } = tempDirectory();
  const clock = new FakeClock();
  const memory = new MemoryLog(clock);
  const faults: unknown[] = [];
  const untold = { count: 0 };
  const running = new Set<Notifications>();
  t.after(async () => {
    for (const each of running) await each.stop(0);
    remove();
    assert.deepEqual(faults, []);
  });
  const path = join(directory, "notify.db");
  const show = (job: Job) =>
    jobJson(job, { viewers: { of: () => 0 } as unknown as Viewers, clock, stallAfterMs: 60_000 });

  /** A process; what was appended to `memory` it has not heard of. */
  async function start(targets: readonly Target[] = targetsOf(written)) {
    const hub = new Hub();
    const log = new PublishedLog(memory, hub, clock);
    const notifications = new Notifications({
      path,
      durability: "normal",
      log,
      hub,
      clock,
      stallAfterMs: STALL_AFTER_MS,
      onFault: (cause) => faults.push(cause),
      onUntold: () => void untold.count++,
      show,
      linkOf: (page) => `http://sync.test/${page}`,
      random: () => 0,
    });
    await notifications.open(targets);
    await notifications.watch();
    notifications.send();
    running.add(notifications);
    return {
      log,
      notifications,
      /** Runs a job from its beginning to its end. */
      async run(job: NewJob, end: End): Promise<Job> {
        await begun(log, job);
        return await ended(log, job, end);
      },
      /** `failed delivered HTTP 200`, oldest first. */
      deliveries: () =>
        notifications.list({ limit: 200 }).items
          .map(({ kind, state, result }) => `${kind} ${state} ${result}`).reverse(),
      /** Looks until so many deliveries are done with. */
      done: (count: number) =>
        until(() =>
          notifications.list({ limit: 200 }).items
            .filter(({ state }) => state !== "waiting").length >= count
        ),
      /** Looks until so many tries have been made and noted. */
      tried: (count: number) =>
        until(() =>
          notifications.list({ limit: 200 }).items
            .reduce((sum, { tries }) => sum + tries, 0) >= count
        ),
      async stop(graceMs = 0): Promise<void> {
        running.delete(notifications);
        await notifications.stop(graceMs);
      },
    };
  }
  return { clock, memory, path, start, show, untold };
}
