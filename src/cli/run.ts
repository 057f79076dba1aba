/** `run`: one run of a configured sync, at the server of the data directory or without one. */
import { join } from "node:path";
import process from "node:process";
import { KeyStore } from "../auth/key_store.ts";
import { systemClock } from "../clock.ts";
import { DataDirectoryTakenError } from "../log/data_directory.ts";
import { logToStderr } from "../logger.ts";
import type { TenantId } from "../sync/ids.ts";
import { cliKey } from "./cli_key.ts";
import { cancelJob, type Client, runSync } from "./client.ts";
import { displayFor } from "./display.ts";
import { ExitCode, exitCodeOf } from "./exit.ts";
import { tenantFrom } from "./keys.ts";
import type { Flags } from "./program.ts";
import { startServer } from "./server.ts";
import { type Resolved, settingsFrom } from "./settings.ts";
import { show } from "./show.ts";
import { untilStopped } from "./signals.ts";

/** Ends with the job's own end. Ctrl-C cancels the job and waits for its end. */
export async function run(sync: string, flags: Flags): Promise<number> {
  const resolved = settingsFrom(flags);
  const { settings } = resolved;
  const tenant = tenantFrom(flags.tenant);
  await logToStderr(flags.logLevel === undefined ? "warning" : settings.logLevel);
  const { stopped } = untilStopped();
  const { client, close } = await clientFor(resolved, tenant);
  try {
    const job = await runSync(client, sync);
    process.stderr.write(`Job ${job.id} at ${client.server}\n`);
    const display = displayFor({ json: settings.json, clock: systemClock });
    stopped.then(() => cancelJob(client, job.id)).catch((cause) => display.say(String(cause)));
    const { signal } = new AbortController();
    const status = await show(client, job.id, { display, signal, clock: systemClock });
    return status === undefined ? ExitCode.failed : exitCodeOf(status);
  } finally {
    await close();
  }
}

/** The server of the data directory, or one of our own for the time of this run. */
async function clientFor(
  { settings, syncs }: Resolved,
  tenant: TenantId,
): Promise<{ client: Client; close: () => Promise<void> }> {
  try {
    const options = { ...settings, hostname: "127.0.0.1", port: 0, syncs, clock: systemClock };
    const server = await startServer(options);
    const key = cliKey(server.keys, server.directory.path, tenant);
    return { client: { server: server.url, key }, close: () => server.stop() };
  } catch (cause) {
    if (!(cause instanceof DataDirectoryTakenError) || !cause.server) throw cause;
    const keys = new KeyStore(join(settings.data, "keys.db"), systemClock);
    try {
      const key = cliKey(keys, settings.data, tenant);
      return { client: { server: cause.server.url, key }, close: () => Promise.resolve() };
    } finally {
      keys.close();
    }
  }
}
