/** `run`: one run of a configured sync, at the server of the data directory or without one. */
import process from "node:process";
import { systemClock } from "../clock.ts";
import { logToStderr } from "../logger.ts";
import { cancelJob, runSync } from "./client.ts";
import { localServer } from "./connect.ts";
import { displayFor } from "./display.ts";
import { ExitCode, exitCodeOf } from "./exit.ts";
import { tenantFrom } from "./keys.ts";
import type { Flags } from "./flags.ts";
import { pageUrl } from "./pages.ts";
import { settingsFrom } from "./settings.ts";
import { show } from "./show.ts";
import { untilStopped } from "./signals.ts";

/** Ends with the job's own end. Ctrl-C cancels the job and waits for its end. */
export async function run(sync: string, flags: Flags): Promise<number> {
  const resolved = settingsFrom(flags);
  const { settings } = resolved;
  const tenant = tenantFrom(flags.tenant);
  await logToStderr(flags.logLevel === undefined ? "warning" : settings.logLevel);
  const { stopped } = untilStopped();
  const { client, close } = await localServer(resolved, tenant);
  try {
    const job = await runSync(client, sync);
    const page = pageUrl(client.pages ?? client.server, `job/${job.id}`);
    process.stderr.write(`Job ${job.id}, shown at ${page}\n`);
    const display = displayFor({ json: settings.json, clock: systemClock });
    stopped.then(() => cancelJob(client, job.id)).catch((cause) => display.say(String(cause)));
    const { signal } = new AbortController();
    const status = await show(client, job.id, { display, signal, clock: systemClock });
    return status === undefined ? ExitCode.failed : exitCodeOf(status);
  } finally {
    await close();
  }
}
