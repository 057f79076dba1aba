/** `run`: one run of a configured sync, at the server of the data directory or without one. */
import { systemClock } from "../clock.ts";
import { Syncs } from "../jobs/syncs.ts";
import { serverOf } from "../log/data_directory.ts";
import { logToStderr } from "../logger.ts";
import { reasonOf } from "../reason.ts";
import { clean } from "../sync/clean.ts";
import type { TenantId } from "../sync/ids.ts";
import { cancelJob, runSync } from "./client.ts";
import { localServer } from "./connect.ts";
import { displayFor } from "./display.ts";
import { ExitCode, exitCodeOf, RefusedError, UsageError } from "./exit.ts";
import { tenantFrom } from "./keys.ts";
import type { Flags } from "./flags.ts";
import { printError } from "./output.ts";
import { pageUrl } from "./pages.ts";
import { CONFIG_FILE, type Resolved, settingsFrom } from "./settings.ts";
import { showJob } from "./show_job.ts";
import { untilLeft } from "./until_left.ts";

/** How many names are listed at most. */
const NAMES_MAX = 20;

/**
 * Ends with the job's own exit code. Ctrl-C cancels the job and waits for its end; if it cannot be
 * cancelled, or the server has not answered yet, the command ends at once.
 *
 * @throws {UsageError} when there is no such sync; then nothing is written to disk
 */
export async function run(sync: string, flags: Flags): Promise<number> {
  const resolved = await settingsFrom(flags);
  const { settings } = resolved;
  const tenant = tenantFrom(flags.tenant);
  const missing = whyMissing(sync, resolved, tenant);
  // A server that runs there has its own configuration.
  if (missing && serverOf(settings.data) === undefined) throw missing;
  logToStderr(flags.logLevel === undefined ? "warning" : settings.logLevel);
  const { signal, stopped } = untilLeft();
  const left = new AbortController();
  let unended: string | undefined;
  const onUnended = (cause: unknown) => {
    unended = reasonOf(cause);
    left.abort();
  };
  const { client, own, close } = await localServer({ ...resolved, onUnended }, tenant);
  try {
    if (missing && own) throw missing;
    const job = await runSync(client, sync, signal).catch((cause) => {
      if (signal.aborted) return undefined;
      throw cause instanceof RefusedError && cause.status === 404
        ? notThere(sync, client.server, cause)
        : cause;
    });
    if (!job) {
      if (!own) printError(`${client.server} has not answered yet: it may run the sync later\n`);
      return ExitCode.interrupted;
    }
    const page = pageUrl(client.pages ?? client.server, `job/${job.id}`);
    printError(`Job ${job.id}, shown at ${page}\n`);
    const display = displayFor({ json: settings.json, clock: systemClock });
    const say = (words: string) => {
      try {
        display.say(words);
      } catch {
        // stdout cannot be written, which the job's next line meets, too.
      }
    };
    stopped.then(() => {
      say("Cancelling the job; a second signal ends this command at once");
      return cancelJob(client, job.id);
    }).catch((cause) => {
      say(clean(reasonOf(cause)));
      left.abort(); // a server that is gone sends no end
    });
    const status = await showJob(client, job.id, {
      display,
      signal: left.signal,
      clock: systemClock,
    });
    if (unended) throw new Error(`Cannot store how job "${job.id}" ended: ${unended}`);
    return status === undefined ? ExitCode.interrupted : exitCodeOf(status);
  } finally {
    await close();
  }
}

function notThere(sync: string, server: string, cause: unknown): UsageError {
  return new UsageError(
    `Cannot run sync "${clean(sync)}": the server at ${server} does not know it; it reads its ` +
      "configuration when it starts and at SIGHUP",
    { cause },
  );
}

/** The error for a sync that the configuration does not have; undefined when it has it. */
function whyMissing(
  sync: string,
  { syncs, file }: Resolved,
  tenant: TenantId,
): UsageError | undefined {
  const configured = new Syncs(syncs, []);
  if (configured.find(tenant, sync)) return undefined;
  const cannot = `Cannot run sync "${clean(sync)}": `;
  if (file === undefined) {
    return new UsageError(`${cannot}there is no ./${CONFIG_FILE} here (--config names one)`);
  }
  const names = configured.of(tenant).map(({ name }) => clean(name));
  const more = names.length > NAMES_MAX ? ` and ${names.length - NAMES_MAX} more` : "";
  const known = names.length === 0
    ? `there are none of the tenant "${tenant}"`
    : `there are: ${names.slice(0, NAMES_MAX).join(", ")}${more}`;
  return new UsageError(`${cannot}there is no sync "${clean(sync)}"; ${known}`);
}
