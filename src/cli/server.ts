/** Starts a whole server, for serve, demo and commands that find none. */
import type { Connection } from "../http/env.ts";
import { Front } from "../http/front.ts";
import { Metrics } from "../http/metrics.ts";
import { PublicOrigin } from "../http/public_origin.ts";
import type { Target } from "../jobs/notify/target.ts";
import { DataDirectory, LOG_FILE, NOTIFY_FILE, type ServerNote } from "../log/data_directory.ts";
import { placeOfFile } from "../log/disk.ts";
import type { EventLog } from "../log/event_log.ts";
import { olderSchema } from "../log/migrate.ts";
import { removeRestoring } from "../log/migration_copy.ts";
import { type Reserve, reservesOfStart } from "../log/reserve.ts";
import { SqliteLog } from "../log/sqlite_log.ts";
import { LOG_SCHEMA } from "../log/sqlite_schema.ts";
import { loggerOf, logTold } from "../logger.ts";
import { listen, listensEverywhere, RUNTIME, urlOf } from "../runtime/serve.ts";
import { nodeCrypto } from "../system/node.ts";
import { ownFiles } from "../system/own_files.ts";
import { ownProcess } from "../system/own_process.ts";
import { listOf } from "./address_rules.ts";
import { openAuth, tlsOf } from "./open_auth.ts";
import { Opened } from "./opened.ts";
import { pagesOf } from "./pages.ts";
import type { RunningServer, ServerOptions } from "./server_options.ts";
import type { Serving } from "./serving.ts";
import { VERSION } from "./version.ts";

export type { RunningServer, ServerOptions } from "./server_options.ts";

/** How long unfinished answers get once the viewers have left, in milliseconds. */
const STOP_MS = 300;

/**
 * Starts a server.
 *
 * @throws {DataDirectoryTakenError} when another server has the data directory
 * @throws {PortTakenError} when another process listens on the port
 * @throws {StoreVersionError | StoreForeignError} when a file there is not this version's to open
 */
export function startServer(options: ServerOptions): Promise<RunningServer> {
  return startOrGiveUp(options, true);
}

/** @param again whether it is tried once more with the room of the reserves */
async function startOrGiveUp(options: ServerOptions, again: boolean): Promise<RunningServer> {
  const opened = new Opened();
  const reserves: Reserve[] = [];
  try {
    return await start(options, opened, reserves);
  } catch (cause) {
    const room = again ? reserves.filter((reserve) => reserve.makeRoom()) : []; // while the directory is ours
    await opened.closeAll().catch(() => {}); // the first failure is reported
    if (room.length === 0) throw cause;
  }
  return await startOrGiveUp(options, false);
}

/** @param reserves takes what may be given up for the start once the data directory is ours */
async function start(
  options: ServerOptions,
  opened: Opened,
  reserves: Reserve[],
): Promise<RunningServer> {
  const { hostname, metricsListen } = options;
  const logger = loggerOf("server");
  const metrics = new Metrics(VERSION, RUNTIME);
  const onFault = (error: unknown) => {
    logger.error("fault: {error}", { error });
    metrics.faulted();
  };
  const directory = new DataDirectory(options.data);
  opened.push(() => directory.release());
  const logFile = directory.file(LOG_FILE);
  removeRestoring(logFile);
  reserves.push(...reservesOfStart(logFile));
  await tellUpgrade(directory, options.onUpgrade);
  const auth = await openAuth(options, directory, opened);
  const log = new SqliteLog({ ...options, path: logFile });
  opened.push(() => log.close());
  const stopping = new AbortController();
  const origin = new PublicOrigin({
    hostname,
    publicUrl: options.publicUrl,
    allowedHosts: listOf(options.allowedHosts),
    trustedProxies: listOf(options.trustProxy),
  });
  const corsOrigins = listOf(options.corsOrigins);
  const targets = options.notify?.();
  const at: { note?: ServerNote; serving?: Serving } = {};
  const open = async () => {
    const { Serving } = await import("./serving.ts");
    const serving = at.serving ??= new Serving({
      options,
      directory,
      store: log,
      metrics,
      onFault,
      auth,
      origin,
      corsOrigins,
      pages: () => at.note && pagesOf(at.note),
      stopping: stopping.signal,
    });
    await serving.open(targets);
    return serving;
  };
  let loading: Promise<Serving> | undefined;
  const load = () =>
    loading ??= open().catch((cause) => {
      loading = undefined; // the next request tries again
      throw cause;
    });
  opened.push(() => at.serving?.close());
  // What has something to do before anybody asks is opened now, so that its failure ends the start.
  if (hasToTell(directory, targets) || await hasOpenJobs(log)) await load();
  for (const reserve of reserves) reserve.hold(); // for the next start
  const front = new Front({ origin, corsOrigins, metrics, clock: options.clock }, {
    version: VERSION,
    onFault,
    async services() {
      const serving = await load();
      serving.start().catch(onFault);
      return serving.services;
    },
  });

  options.beforeListening?.({ keys: auth.keys });
  const handler = (request: Request, connection: Connection) => front.fetch(request, connection);
  const tls = tlsOf(options);
  const listening = await listen({ hostname, port: options.port, handler, tls });
  opened.push(() => listening.stop(STOP_MS));
  opened.push(() => stopping.abort()); // uploads under way are answered in that time
  opened.push(async () => (await load()).leave(options.stopGraceMs));
  if (metricsListen) {
    const { listenForMetrics } = await import("./metrics_listener.ts");
    await load(); // which shows the metrics what to look at
    opened.push(await listenForMetrics(metricsListen, metrics, listOf(options.allowedHosts)));
  }
  const url = urlOf(hostname, listening.port, tls && "https");
  const note = at.note = {
    url,
    pid: ownProcess.pid(),
    fingerprint: tls && new (nodeCrypto().X509Certificate)(tls.cert).fingerprint256,
    publicUrl: options.publicUrl,
    everywhere: listensEverywhere(hostname),
  };
  opened.push(() => front.stop());
  front.loadSoon();
  // Without a sync, what it does by itself can wait until the app is loaded.
  if (options.syncs.length > 0) await (await load()).start();

  return {
    url,
    port: listening.port,
    note,
    directory,
    keys: auth.keys,
    signIns: auth.signIns,
    reload: async (replaced, targets) => (await load()).reload(replaced, targets),
    stop: () => opened.closeAll(),
  };
}

/** Whether there is somebody to tell of jobs, or a queue of what was not told. */
function hasToTell(directory: DataDirectory, targets: readonly Target[] | undefined): boolean {
  if (targets === undefined) return false;
  return targets.length > 0 || ownFiles.exists(directory.file(NOTIFY_FILE));
}

/** Whether an earlier process, or a worker, has left a job that is not over. */
async function hasOpenJobs(log: EventLog): Promise<boolean> {
  const { items, next } = await log.lapsed(Number.MAX_SAFE_INTEGER);
  return items.length > 0 || next !== null;
}

/** Says that the start takes long where the log is brought up to date: nothing else is done meanwhile. */
async function tellUpgrade(
  directory: DataDirectory,
  onUpgrade: ServerOptions["onUpgrade"],
): Promise<void> {
  const log = directory.file(LOG_FILE);
  const older = olderSchema(log, LOG_SCHEMA);
  if (older === undefined) return;
  const copy = `${placeOfFile(log)}.v${older}.bak`;
  const words = "the log is brought up to date, which may take minutes; a copy of it stays in ";
  loggerOf("log").warning(`${words}{copy}`, { copy });
  onUpgrade?.(words + copy);
  await logTold();
}
