/** Starts a whole server, for serve, demo and commands that find none. */
import { setImmediate } from "../event_loop.ts";
import type { Connection } from "../http/env.ts";
import { Front } from "../http/front.ts";
import { Metrics } from "../http/metrics.ts";
import { DataDirectory, LOG_FILE, type ServerNote } from "../log/data_directory.ts";
import { placeOfFile } from "../log/disk.ts";
import { olderSchema } from "../log/migrate.ts";
import { removeRestoring } from "../log/migration_copy.ts";
import { type Reserve, reservesOfStart } from "../log/reserve.ts";
import { LOG_SCHEMA } from "../log/sqlite_schema.ts";
import { loggerOf, logTold } from "../logger.ts";
import { listen, listensEverywhere, RUNTIME, urlOf } from "../runtime/serve.ts";
import type { Viewers } from "../stream/viewers.ts";
import { nodeCrypto } from "../system/node.ts";
import { ownProcess } from "../system/own_process.ts";
import { listOf } from "./address_rules.ts";
import { openAuth, tlsOf } from "./open_auth.ts";
import { Opened } from "./opened.ts";
import { pagesOf } from "./pages.ts";
import type { RunningServer, ServerOptions } from "./server_options.ts";
import { type Jobs, openJobs, openNotifications, openStreams, servicesOf } from "./server_parts.ts";
import { VERSION } from "./version.ts";

export type { RunningServer, ServerOptions } from "./server_options.ts";

/**
 * How long viewers get to receive their last frame, in milliseconds: the least, and more for each
 * viewer.
 */
const DRAIN_MS = 1_000;
const DRAIN_MS_PER_VIEWER = 0.5;
/** How long unfinished answers get after that, in milliseconds. */
const STOP_MS = 300;

/**
 * Starts a server.
 *
 * @throws {DataDirectoryTakenError} when another server has the data directory
 * @throws {PortTakenError} when another process listens on the port
 * @throws {StoreVersionError | StoreForeignError} when a file there is not this version's to open
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const opened = new Opened();
  const reserves: Reserve[] = [];
  try {
    return await start(options, opened, reserves);
  } catch (cause) {
    const room = reserves.filter((reserve) => reserve.makeRoom()); // while the directory is ours
    await opened.closeAll().catch(() => {}); // the first failure is reported
    if (room.length === 0) throw cause;
  }
  return await startServer(options); // with the room of the reserves
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
  await tellUpgrade(directory);
  const authenticator = await openAuth(options, directory, opened);
  const { keys, signIns } = authenticator.parts;
  const ground = { options, directory, opened, metrics, onFault };
  const streams = openStreams(ground);
  const at: { note?: ServerNote } = {};
  const notifications = await openNotifications(
    ground,
    streams,
    () => at.note && pagesOf(at.note),
  );
  const jobs = await openJobs(ground, streams, notifications);
  for (const reserve of reserves) reserve.hold(); // for the next start
  const { scheduler, syncs, bridges, dispatcher } = jobs;
  const { viewers, log } = streams;
  metrics.observe({ viewers, log, scheduler, dispatcher });
  const stopping = new AbortController();
  const services = servicesOf(
    options,
    authenticator,
    streams,
    jobs,
    notifications,
    stopping.signal,
  );
  const front = new Front(services, VERSION, onFault);

  options.beforeListening?.({ keys });
  const handler = (request: Request, connection: Connection) => front.fetch(request, connection);
  const tls = tlsOf(options);
  const listening = await listen({ hostname, port: options.port, handler, tls });
  opened.push(() => listening.stop(STOP_MS));
  opened.push(() => stopping.abort()); // uploads under way are answered in that time
  opened.push(() => leave(viewers, jobs, options.stopGraceMs));
  opened.push(() => scheduler.stop());
  if (metricsListen) {
    const { listenForMetrics } = await import("./metrics_listener.ts");
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
  notifications.send();
  if (options.resident) await scheduler.start();

  return {
    url,
    port: listening.port,
    note,
    directory,
    keys,
    signIns,
    reload(replaced, targets) {
      syncs.replace(replaced);
      if (options.resident) {
        bridges.replace(replaced);
        scheduler.look();
      }
      if (targets) notifications.replace(targets).catch(onFault);
    },
    stop: () => opened.closeAll(),
  };
}

/** Says that the start takes long where the log is brought up to date: nothing else is done meanwhile. */
async function tellUpgrade(directory: DataDirectory): Promise<void> {
  const log = directory.file(LOG_FILE);
  const older = olderSchema(log, LOG_SCHEMA);
  if (older === undefined) return;
  loggerOf("log").warning(
    "the log is brought up to date, which may take minutes; a copy of it stays in {copy}",
    { copy: `${placeOfFile(log)}.v${older}.bak` },
  );
  await logTold();
}

/** Refuses new viewers, ends running jobs, and sends the viewers away. */
async function leave(viewers: Viewers, { dispatcher }: Jobs, graceMs: number): Promise<void> {
  viewers.closeDoors();
  await dispatcher.stop(graceMs);
  // Viewers of the jobs that have just ended are woken two turns later, and leave by themselves.
  for (let turn = 0; turn < 5; turn++) await new Promise<void>(setImmediate);
  await viewers.drain(DRAIN_MS + viewers.size * DRAIN_MS_PER_VIEWER);
}
