/** `demo`: a server and a sync of a real directory, to look at. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import process from "node:process";
import { LINK_SCOPES } from "../auth/scopes.ts";
import { systemClock } from "../clock.ts";
import type { ConfiguredSync } from "../jobs/sync_config.ts";
import { makeDataDirectory } from "../log/data_directory.ts";
import { logToStderr } from "../logger.ts";
import { PortTakenError } from "../runtime/serve.ts";
import { fileSystem } from "../sources/file_system.ts";
import { SourceError } from "../sources/source.ts";
import { rootOf } from "../sources/tree_root.ts";
import { DEFAULT_TENANT, deriveSyncId } from "../sync/ids.ts";
import { cliKey } from "./cli_key.ts";
import { runSync } from "./client.ts";
import { countFiles } from "./count_files.ts";
import { displayFor } from "./display.ts";
import { ExitCode, UsageError } from "./exit.ts";
import type { Flags } from "./flags.ts";
import { signInUrl } from "./link.ts";
import { print, printError, printJson } from "./output.ts";
import { pagesOf } from "./pages.ts";
import { type RunningServer, type ServerOptions, startServer } from "./server.ts";
import { settingsFrom } from "./settings.ts";
import { showJob } from "./show_job.ts";
import { untilLeft } from "./until_left.ts";

const SYNC = "demo";
/** A run takes at least about this many seconds, so that a person can watch it. */
const WATCH_S = 10;
/** How many ports are tried after the first. */
const PORTS_MAX = 20;
const PORT_FILE = "demo-port";

/**
 * Runs the demo, and goes on serving until Ctrl-C.
 *
 * @throws {UsageError} for a folder that cannot be indexed
 */
export async function demo(folder: string | undefined, flags: Flags): Promise<number> {
  const { settings, syncs, auth, notify } = await settingsFrom(flags);
  const say = (text: string) => settings.json ? printError(`${text}\n`) : print(`${text}\n`);
  say("synctail demo: a server on this machine, and a sync of real files to watch.");
  logToStderr(flags.logLevel === undefined ? "warning" : settings.logLevel);
  const { signal, stopped } = untilLeft();
  const data = makeDataDirectory(settings.data);
  const tree = treeFrom(folder, data);
  const sync = await demoSync(tree, data, signal, flags.fullSpeed === true);
  if (signal.aborted) return ExitCode.ok;
  const server = await startOnFreePort(
    {
      ...settings,
      syncs: [...syncs.filter(({ name }) => name !== SYNC), sync],
      auth,
      notify,
      clock: systemClock,
      stopGraceMs: 0,
    },
    { fixed: flags.port !== undefined || Boolean(process.env.SYNCTAIL_PORT), data, say },
  );
  try {
    const key = cliKey(server.keys, data, DEFAULT_TENANT);
    const { url, note } = server;
    const client = { server: url, key, fingerprint: note.fingerprint };
    server.directory.announce(note);
    const job = await runSync(client, SYNC);
    const path = `${server.url}/v1/sync/job/${job.id}/subscribe`;
    if (settings.json) printJson({ type: "listening", url: server.url });
    say(`\nOpen ${signInUrl(pagesOf(note), server, DEFAULT_TENANT, LINK_SCOPES, `job/${job.id}`)}`);
    say(`\nIndexing ${tree} into ${sync.destination.path}`);
    const { maxPerS } = sync.source;
    if (maxPerS !== undefined) {
      say(`Held back to ${maxPerS} files a second so that you can watch; --full-speed lifts that.`);
    }
    say(
      `\nThe same stream in another terminal:\n  curl -N -H "Authorization: Bearer ${key}" ${path}\n`,
    );
    const display = displayFor({ json: settings.json, clock: systemClock });
    const status = await showJob(client, job.id, { display, signal, clock: systemClock });
    if (status !== undefined) {
      say(`\nServing on at ${server.url}. Run the sync again, to see what has changed since:`);
      say(`  curl -X POST -H "Authorization: Bearer ${key}" ${server.url}/v1/sync/${SYNC}/run`);
      say("Ctrl-C stops the server.");
    }
    await stopped;
    say("\nStopping.");
  } finally {
    await server.stop();
  }
  return ExitCode.ok;
}

/** The named folder, else /usr/share or where the runtime is installed; never a home unasked. */
function treeFrom(folder: string | undefined, data: string): string {
  if (folder === "") throw new UsageError('Cannot index "": expected a directory');
  const unasked = ["/usr/share", dirname(dirname(process.execPath))];
  const tree = folder ?? unasked.find((path) => existsSync(path)) ?? unasked[0];
  const real = realTree(resolve(tree));
  if (real === data || real.startsWith(`${data}/`)) {
    throw new UsageError(`Cannot index "${tree}": it is synctail's own data directory`);
  }
  return real;
}

function realTree(tree: string): string {
  try {
    return rootOf(fileSystem, tree) || "/";
  } catch (cause) {
    if (!(cause instanceof SourceError)) throw cause;
    throw new UsageError(cause.message, { cause });
  }
}

/** The sync of a tree. Each tree has its own index: a run of one does not empty another's. */
async function demoSync(tree: string, data: string, signal: AbortSignal, fullSpeed: boolean) {
  const id = deriveSyncId(DEFAULT_TENANT, `${SYNC}:${tree}`);
  const counting = { excluded: new Set([data]), signal, clock: systemClock };
  const root = tree === "/" ? "" : tree;
  const files = fullSpeed ? undefined : await countFiles(fileSystem, root, counting);
  const maxPerS = files === undefined ? undefined : Math.max(1, Math.ceil(files / WATCH_S));
  return {
    id: deriveSyncId(DEFAULT_TENANT, SYNC),
    tenant: DEFAULT_TENANT,
    name: SYNC,
    source: { type: "directory", path: tree, maxPerS },
    destination: { type: "sqlite", path: `${data}/demo-${id.slice(0, 8)}.db` },
    progressIntervalMs: 250,
  } satisfies ConfiguredSync;
}

async function startOnFreePort(
  options: ServerOptions,
  { fixed, data, say }: { fixed: boolean; data: string; say: (text: string) => void },
): Promise<RunningServer> {
  const file = `${data}/${PORT_FILE}`;
  const wanted = fixed ? options.port : portBefore(file) ?? options.port;
  for (let port = wanted;; port++) {
    try {
      const server = await startServer({ ...options, port });
      if (port !== wanted) say(`Port ${wanted} is taken; using ${port}.`);
      writeFileSync(file, `${server.port}\n`, { mode: 0o600 });
      return server;
    } catch (cause) {
      if (!(cause instanceof PortTakenError) || port - wanted >= PORTS_MAX) throw cause;
    }
  }
}

/** The port of the last demo in this data directory, so that its viewers come back. */
function portBefore(file: string): number | undefined {
  if (!existsSync(file)) return undefined;
  const port = Number(readFileSync(file, "utf8"));
  return Number.isInteger(port) && port > 0 && port < 65_536 ? port : undefined;
}
