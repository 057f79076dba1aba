/**
 * Fills a data directory's log with jobs that are over: each with its totals and its end.
 * Usage: finished_jobs.ts DIRECTORY COUNT
 */
import { join } from "node:path";
import process from "node:process";
import { systemClock } from "../../src/clock.ts";
import { advance, end } from "../../src/jobs/changes.ts";
import { SqliteLog } from "../../src/log/sqlite_log.ts";
import { newJobId, type TenantId } from "../../src/sync/ids.ts";
import { NO_PROGRESS } from "../../src/sync/progress.ts";

const TENANT = "default" as TenantId; // a literal of the form that parseTenantId takes
/** Jobs that share their commits. */
const TOGETHER = 500;

const [directory, count] = process.argv.slice(2);
const clock = systemClock;
const log = new SqliteLog({ path: join(directory, "log.db"), durability: "normal", clock });
for (let made = 0; made < Number(count); made += TOGETHER) {
  const several = Math.min(TOGETHER, Number(count) - made);
  await Promise.all(Array.from({ length: several }, (_, n) => finish(`finished ${made + n}`)));
}
await log.close();

async function finish(name: string): Promise<void> {
  const { job } = await log.create({
    tenant: TENANT,
    id: newJobId(),
    origin: "worker",
    sync: null,
    name,
    tags: [],
    meta: {},
    retryOf: null,
    attempt: 1,
    createdAtMs: clock.now(),
    owner: null,
    leaseUntilMs: null,
    leaseMs: null,
  });
  const progress = { ...NO_PROGRESS, inserted: 12_345 };
  await log.append(job, advance(progress));
  await log.append(job, end({ status: "completed", progress }));
  // As retention leaves it within a minute: else the measured server would have that to do first.
  await log.trim(job, { entriesMax: Infinity, progressMax: 1_000 });
}
