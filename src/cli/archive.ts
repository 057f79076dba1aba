/** `prune` and `export`: remove or print jobs, through a server or without one. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { LOG_FILE } from "../log/data_directory.ts";
import { logToStderr } from "../logger.ts";
import { clean } from "../sync/clean.ts";
import { DEFAULT_TENANT, parseJobId } from "../sync/ids.ts";
import { durationMs, DURATIONS, strictFormOf } from "../jobs/amounts.ts";
import { NO_AUTH } from "./auth_config.ts";
import { type Client, type JobAnswer, jobsOf, removeJob, sendTo } from "./client.ts";
import {
  type Connection,
  givenKey,
  localServer,
  namedServer,
  runningServer,
  variablesFor,
} from "./connect.ts";
import { ExitCode, RefusedError, UsageError } from "./exit.ts";
import { tenantFrom } from "./keys.ts";
import { nearest } from "./nearest.ts";
import type { Flags } from "./flags.ts";
import { openData } from "./open_data.ts";
import { print, printed, printError, printJson } from "./output.ts";
import { SilentError } from "./patience.ts";
import { resolveSettings } from "./resolve_settings.ts";

/** How many jobs are removed at a time: the server shares a commit among them. */
const AT_ONCE = 8;
const NEWLINE = 10;

/** Removes jobs that are over for longer than `--older-than`. */
export async function prune(flags: Flags): Promise<number> {
  const age = String(flags.olderThan);
  if (!strictFormOf(DURATIONS).test(age)) {
    throw new UsageError(
      `--older-than: got "${clean(age)}": expected a duration with its unit, such as 30d or 12h; ` +
        "0 for all",
    );
  }
  const beforeMs = Date.now() - durationMs(age);
  const { client, close } = await connected("prune", flags);
  try {
    let removed = 0;
    const due: JobAnswer[] = [];
    const removeDue = async () => {
      const jobs = due.splice(0);
      const outcomes = await Promise.allSettled(
        jobs.map((job) => flags.dryRun ? undefined : removeJob(client, job.id)),
      );
      // What is gone is told of, also where another could not be removed.
      for (const [at, { id, status, ended_at }] of jobs.entries()) {
        if (outcomes[at].status === "rejected") continue;
        removed++;
        if (flags.json) printJson({ id, status, ended_at });
      }
      for (const outcome of outcomes) {
        if (outcome.status === "rejected" && !isGone(outcome.reason)) throw outcome.reason;
      }
    };
    for await (const job of jobsOf(client, filterOf(flags))) {
      if (job.ended_at === null || Date.parse(job.ended_at) > beforeMs) continue;
      due.push(job);
      if (due.length === AT_ONCE) await removeDue();
    }
    await removeDue();
    if (removed === 0) await requireSync(client, flags, "prune");
    const done = flags.dryRun ? "would be removed" : "removed";
    printError(`${removed === 1 ? "1 job" : `${removed} jobs`} ${done}\n`);
    return ExitCode.ok;
  } finally {
    await close();
  }
}

/** Prints jobs and their logs as NDJSON: a line of type `job`, then one for each entry. */
export async function exportJobs(job: string | undefined, flags: Flags): Promise<number> {
  const id = job === undefined ? undefined : parseJobId(job);
  if (job !== undefined && !id) {
    throw new UsageError(`Cannot export job "${clean(job)}": a job's id is a UUID`);
  }
  if (id && (flags.sync !== undefined || flags.status !== undefined)) {
    throw new UsageError(`Cannot export job "${id}": expected no --sync and --status beside it`);
  }
  const { client, close } = await connected("export", flags);
  try {
    if (id) {
      const whole = await exportOne(client, await jobOf(client, id));
      return whole ? ExitCode.ok : ExitCode.failed;
    }
    let exported = 0;
    for await (const each of jobsOf(client, filterOf(flags))) {
      try {
        await exportOne(client, each);
        exported++;
      } catch (cause) {
        if (!isGone(cause)) throw cause;
      }
    }
    if (exported === 0) {
      await requireSync(client, flags, "export");
      printError("No job matches.\n");
    }
    return ExitCode.ok;
  } finally {
    await close();
  }
}

/**
 * When no job was found: refuses a --sync that names neither a sync nor any job's sync.
 *
 * @throws {UsageError}
 */
async function requireSync(client: Client, { sync }: Flags, what: string): Promise<void> {
  if (typeof sync !== "string") return;
  // A sync that is no longer configured still has its jobs.
  for await (const _job of jobsOf(client, { sync })) return;
  const syncsOf = async (query: string): Promise<{ id: string; name: string }[]> =>
    (await sendTo(client, "GET", `/v1/sync${query}`, "list syncs").json("items")).items;
  const found = await syncsOf(`?${new URLSearchParams({ sync })}`); // all, of an older server
  if (found.some(({ id, name }) => name === sync || id === sync.toLowerCase())) return;
  const meant = nearest(sync, (await syncsOf("")).map(({ name }) => name));
  const hint = meant === undefined ? "" : `; did you mean "${clean(meant)}"?`;
  throw new UsageError(
    `Cannot ${what} jobs of sync "${clean(sync)}": no sync or job of that name is known${hint}`,
  );
}

function jobOf(client: Client, id: string): Promise<JobAnswer> {
  return sendTo(client, "GET", `/v1/sync/job/${id}`, `export job "${id}"`).json("id");
}

/** Prints the job and its log. @returns false where that broke off as the job was removed */
async function exportOne(client: Client, job: JobAnswer): Promise<boolean> {
  const path = `/v1/sync/job/${job.id}/events`;
  const entries = await sendTo(client, "GET", path, "export jobs").body();
  printJson({ type: "job", ...job });
  let begun: Uint8Array[] = []; // of a line, which is printed whole or not at all
  try {
    for await (const chunk of entries) {
      const end = chunk.lastIndexOf(NEWLINE) + 1;
      begun.push(chunk.subarray(0, end || undefined));
      if (end === 0) continue;
      for (const piece of begun) {
        // Waits for a slow pipe, so that memory does not fill.
        if (!print(piece)) await printed();
      }
      begun = [chunk.subarray(end)];
    }
    return true;
  } catch (cause) {
    // A server that says nothing is not asked for its reason.
    if (!(cause instanceof RefusedError) || cause.cause instanceof SilentError) throw cause;
    if (!await isRemoved(client, job.id)) throw cause;
    printError(`Job ${job.id} was removed meanwhile: its log breaks off\n`);
    return false;
  }
}

function isRemoved(client: Client, id: string): Promise<boolean> {
  return jobOf(client, id).then(() => false, isGone);
}

/** Whether another has removed the job since it was listed: a prune beside this one, retention. */
function isGone(cause: unknown): boolean {
  return cause instanceof RefusedError && cause.status === 404;
}

/**
 * The server to ask: a named one, that of the data directory, or one of our own.
 *
 * @throws {UsageError} when the directory has no log: probably another one was meant
 */
async function connected(what: string, flags: Flags): Promise<Connection> {
  const env = variablesFor(flags);
  const tenant = flags.tenant === undefined ? undefined : tenantFrom(flags.tenant);
  if (namedServer(flags, env) !== undefined) {
    const client = { ...await runningServer(what, flags), tenant };
    return { client, own: false, close: () => Promise.resolve() };
  }
  const key = givenKey(flags, env);
  logToStderr("warning");
  // Of a configuration only the data directory counts: the rest may be for another server.
  const data = await openData(`${what} jobs`, flags);
  if (!existsSync(join(data, LOG_FILE))) {
    throw new UsageError(`Cannot ${what} jobs: there is no log in "${clean(data)}"`);
  }
  const { settings } = resolveSettings({ flags: { data }, env: {}, file: {} });
  const local = { settings, syncs: [], auth: NO_AUTH };
  const connection = await localServer(local, tenant ?? DEFAULT_TENANT);
  if (key === undefined) return connection;
  return { ...connection, client: { ...connection.client, key, tenant } };
}

function filterOf({ sync, status }: Flags): Readonly<Record<string, string>> {
  return {
    ...(typeof sync === "string" && { sync }),
    ...(typeof status === "string" && { status }),
  };
}
