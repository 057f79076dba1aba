/** An event log as the first schema had it. */
import { openVersioned } from "../../src/log/migrate.ts";
import { APPLICATION_ID, MIGRATIONS } from "../../src/log/sqlite_schema.ts";
import type { LogFact, ProgressFact } from "../../src/sync/entry.ts";
import type { JobKey } from "../../src/sync/ids.ts";
import { NO_PROGRESS } from "../../src/sync/progress.ts";
import { newJob } from "./log_contract.ts";

type Said = Pick<LogFact, "message" | "source" | "timeMs" | "fields">;

/**
 * Creates it, with one job of a process that is gone; the answer is that job.
 *
 * @param said what the job's log lines say, the first at seq 2
 * @param told what its first entry tells
 */
export function schemaOneLog(
  file: string,
  said: readonly Said[] = [{ message: "x" }],
  told: Omit<ProgressFact, "kind"> = { status: "in_progress", progress: NO_PROGRESS },
): JobKey {
  const first = openVersioned(file, {
    applicationId: APPLICATION_ID,
    migrations: MIGRATIONS.slice(0, 1),
    what: "the event log",
  });
  const { tenant, id, origin, sync, name, tags, meta } = newJob();
  const fixed = { origin, sync, name, tags, meta, retryOf: null, attempt: 1, createdAtMs: 500 };
  const state = {
    progress: NO_PROGRESS,
    startedAtMs: 700,
    updatedAtMs: 900,
    endedAtMs: null,
    error: null,
  };
  first.prepare(
    `INSERT INTO jobs (tenant, id, epoch, sync_id, fixed, status, seq, progress_seq, trimmed_seq,
       owner, lease_until_ms, state) VALUES (?, ?, 'e', ?, ?, 'in_progress', ?, 1, 0, 'p', 9, ?)`,
  ).run(
    tenant,
    id,
    sync?.id ?? null,
    JSON.stringify(fixed),
    said.length + 1,
    JSON.stringify(state),
  );
  const insert = first.prepare("INSERT INTO entries VALUES (1, ?, 900, ?, ?)");
  insert.run(1, 1, JSON.stringify(told));
  for (const [n, words] of said.entries()) insert.run(2 + n, 11, JSON.stringify(words));
  first.close();
  return { tenant, id };
}
