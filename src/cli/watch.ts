/** `watch`: follows a job of any server. */
import { join } from "node:path";
import process from "node:process";
import { KeyStore } from "../auth/key_store.ts";
import { systemClock } from "../clock.ts";
import { serverOf } from "../log/data_directory.ts";
import { LOG_LEVELS } from "../sync/entry.ts";
import { parseJobId, type TenantId } from "../sync/ids.ts";
import { cliKey } from "./cli_key.ts";
import type { Client } from "./client.ts";
import { displayFor } from "./display.ts";
import { ExitCode, exitCodeOf, UsageError } from "./exit.ts";
import type { Flags } from "./program.ts";
import { dataFrom } from "./settings.ts";
import { show } from "./show.ts";
import { untilStopped } from "./signals.ts";
import { clean } from "../sync/clean.ts";

/** Ends with the job's own end; Ctrl-C stops watching, not the job. */
export async function watch(job: string, flags: Flags): Promise<number> {
  const id = parseJobId(job);
  if (!id) throw new UsageError(`Cannot watch job "${clean(job)}": a job's id is a UUID`);
  const logs = flags.logs === undefined ? undefined : String(flags.logs);
  if (logs !== undefined && !(LOG_LEVELS as readonly string[]).includes(logs)) {
    throw new UsageError(`--logs: got "${clean(logs)}": expected one of ${LOG_LEVELS.join(", ")}`);
  }
  const client = clientFrom(flags);
  const { signal } = untilStopped();
  const display = displayFor({ json: flags.json === true, clock: systemClock });
  const status = await show(client, id, { display, signal, clock: systemClock, logs });
  return status === undefined ? ExitCode.ok : exitCodeOf(status);
}

function clientFrom(flags: Flags): Client {
  const named = text(flags.server) ?? text(process.env.SYNCTAIL_SERVER);
  const given = text(flags.key) ?? text(process.env.SYNCTAIL_KEY);
  if (named !== undefined && !URL.canParse(named)) {
    throw new UsageError(
      `--server: got "${clean(named)}": expected a URL, such as http://127.0.0.1:8017`,
    );
  }
  if (named !== undefined && given !== undefined) {
    return { server: named.replace(/\/+$/, ""), key: given };
  }
  const data = dataFrom(flags);
  const server = named?.replace(/\/+$/, "") ?? serverOf(data)?.url;
  if (server === undefined) {
    throw new UsageError(
      `Cannot watch: no server runs on "${data}"; name one with --server and --key`,
    );
  }
  if (given !== undefined) return { server, key: given };
  if (named !== undefined) {
    throw new UsageError(
      `Cannot watch at ${clean(named)}: a key is needed, by --key or SYNCTAIL_KEY`,
    );
  }
  const keys = new KeyStore(join(data, "keys.db"), systemClock);
  try {
    return { server, key: cliKey(keys, data, "default" as TenantId) }; // the CLI's own tenant
  } finally {
    keys.close();
  }
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
