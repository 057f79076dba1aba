/** A whole server, put together: what serve, demo and a run without a server start. */
import { randomUUID, X509Certificate } from "node:crypto";
import { setImmediate } from "node:timers";
import type { KeyStore } from "../auth/key_store.ts";
import type { SignInStore } from "../auth/sign_in_store.ts";
import type { Clock } from "../clock.ts";
import { httpApp } from "../http/app.ts";
import { PublicOrigin } from "../http/public_origin.ts";
import { Metrics } from "../http/metrics.ts";
import { Rates } from "../http/rates.ts";
import { jobJson } from "../http/job_json.ts";
import { Hub } from "../hub/hub.ts";
import { PublishedLog } from "../hub/published_log.ts";
import { Bridges } from "../jobs/bridges.ts";
import { Dispatcher } from "../jobs/dispatcher.ts";
import { tellEnd } from "../jobs/end_lines.ts";
import { Notifications } from "../jobs/notify/notifications.ts";
import type { Target } from "../jobs/notify/target.ts";
import { OutsideJobs } from "../jobs/outside_jobs.ts";
import type { Occurrence, OnOccurrence } from "../jobs/occurrence.ts";
import { Retention } from "../jobs/retention.ts";
import { Remembered } from "../jobs/schedules/remembered.ts";
import { Scheduler } from "../jobs/schedules/scheduler.ts";
import type { ConfiguredSync } from "../jobs/sync_config.ts";
import { Syncs } from "../jobs/syncs.ts";
import { DataDirectory } from "../log/data_directory.ts";
import { type Durability, SqliteLog } from "../log/sqlite_log.ts";
import { loggerOf } from "../logger.ts";
import { listen, RUNTIME, urlOf } from "../runtime/serve.ts";
import { Viewers } from "../stream/viewers.ts";
import { DURATIONS, SIZES, worth } from "../jobs/amounts.ts";
import type { AuthConfig } from "./auth_config.ts";
import { openAuth, tlsOf } from "./open_auth.ts";
import { listenForMetrics } from "./metrics_listener.ts";
import { listOf } from "./server_settings.ts";
import { VERSION } from "./version.ts";

/** How long viewers get to take their farewell, in milliseconds: at least, and more for many. */
const DRAIN_MS = 1_000;
const DRAIN_MS_PER_VIEWER = 0.5;
/** How long answers that are under way get after that. */
const STOP_MS = 300;
/** How long what is due gets to be sent to its targets; the rest waits for the next start. */
const NOTIFY_STOP_MS = 2_000;

export interface ServerOptions {
  readonly data: string;
  readonly hostname: string;
  readonly port: number;
  readonly durability: Durability;
  readonly heartbeatMs: number;
  readonly retryMs: number;
  readonly mergeAfter: number;
  readonly stallAfterMs: number;
  readonly cancelGraceMs: number;
  readonly eventsPerS: number;
  readonly bodyIdleMs: number;
  /** The next ones are limits; 0 or left out for none. */
  readonly tenantEventsPerS?: number;
  readonly requestsPerS?: number;
  readonly writeTimeoutMs?: number;
  readonly viewersMax?: number;
  readonly viewersPerTenant?: number;
  readonly viewersPerJob?: number;
  readonly viewersPerKey?: number;
  /** How long running jobs may go on after `stop`, in milliseconds; they are stopped at once without. */
  readonly stopGraceMs?: number;
  /** `HOST:PORT` where metrics are to be had without a key; on the server's own port with one without. */
  readonly metricsListen?: string;
  readonly retentionAge: string;
  readonly retentionEntries: number;
  readonly retentionBytes: string;
  readonly publicUrl?: string;
  /** These three are lists with commas between. */
  readonly allowedHosts?: string;
  readonly trustProxy?: string;
  readonly corsOrigins?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly keysFile?: string;
  readonly ticketSecretFile?: string;
  readonly auth?: AuthConfig;
  readonly syncs: readonly ConfiguredSync[];
  /** Whether it runs syncs by their schedules and sees who is overdue: not for a server of one run. */
  readonly schedules?: boolean;
  /** Told of runs that did not come, beside the targets. */
  readonly onOccurrence?: OnOccurrence;
  /** Who is told of what happens to jobs; nobody when left out. What it throws ends the start. */
  readonly notify?: () => readonly Target[];
  /** A quota for the log, in pages of 4 KiB; none when left out. */
  readonly pagesMax?: number;
  readonly clock: Clock;
  /** Called when everything but the listener is there; what it throws ends the start. */
  readonly beforeListening?: (parts: { readonly keys: KeyStore }) => void;
}

/** A server that accepts connections. */
export interface RunningServer {
  readonly url: string;
  readonly port: number;
  /** Of its certificate (SHA-256); undefined for plain HTTP. */
  readonly fingerprint: string | undefined;
  readonly directory: DataDirectory;
  readonly keys: KeyStore;
  /** For links that sign a browser in. */
  readonly signIns: SignInStore;
  /** Puts other syncs in the place of the present ones, and other targets where they are given. */
  reload(syncs: readonly ConfiguredSync[], notify?: readonly Target[]): void;
  /** Ends running jobs as cancelled, sends viewers away, and lets go of everything. */
  stop(): Promise<void>;
}

/**
 * @throws {DataDirectoryTakenError} when another server has the data directory
 * @throws {PortTakenError} when another process listens on the port
 * @throws {StoreVersionError | StoreForeignError} when a file there is not this version's to open
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { clock, stallAfterMs, bodyIdleMs } = options;
  const logger = loggerOf("server");
  const onFault = (error: unknown) => logger.error("fault: {error}", { error });
  /** What has been opened so far, to be closed in the opposite order. */
  const opened: (() => void | Promise<void>)[] = [];
  const closeAll = async () => {
    for (const close of opened.splice(0).reverse()) await close();
  };
  try {
    const directory = new DataDirectory(options.data);
    opened.push(() => directory.release());
    const authenticator = await openAuth(options, directory, opened);
    const { keys, signIns } = authenticator.parts;
    const sqlite = new SqliteLog({ ...options, path: directory.file("log.db") });
    opened.push(() => sqlite.close());
    const hub = new Hub();
    const log = new PublishedLog(sqlite, hub, tellEnd);
    const limits = {
      all: options.viewersMax || Infinity,
      tenant: options.viewersPerTenant || Infinity,
      job: options.viewersPerJob || Infinity,
      key: options.viewersPerKey || Infinity,
    };
    const metrics = new Metrics(VERSION, RUNTIME);
    const viewers = new Viewers({
      ...options,
      log,
      hub,
      limits,
      onFault,
      onServed: metrics.served,
      onHeartbeats: metrics.beaten,
    });
    const listener: { url?: string } = {};
    const notifications = new Notifications({
      ...options,
      path: directory.file("notify.db"),
      log,
      hub,
      onFault,
      show: (job) => jobJson(job, { viewers, clock, stallAfterMs }),
      linkOf: (jobId) => {
        const base = options.publicUrl?.replace(/\/+$/, "") ?? listener.url;
        return base && `${base}/job/${jobId}`;
      },
    });
    opened.push(() => notifications.stop(NOTIFY_STOP_MS));
    notifications.open(options.notify?.() ?? []);
    const dispatcher = new Dispatcher({ ...options, log, owner: randomUUID(), onFault });
    await dispatcher.open();
    await notifications.watch();
    const retention = new Retention({
      log,
      clock,
      onFault,
      ageMs: worth(options.retentionAge, DURATIONS),
      entriesMax: options.retentionEntries || Number.MAX_SAFE_INTEGER,
      bytesMax: worth(options.retentionBytes, SIZES),
    });
    retention.start();
    opened.push(() => retention.stop());
    const syncs = new Syncs(options.syncs, [directory.path]);
    const outside = new OutsideJobs({ log, syncs, clock });
    const bridges = new Bridges(outside, onFault);
    bridges.replace(options.syncs);
    opened.push(() => bridges.stop());
    const remembered = new Remembered(directory.file("schedules.json"), onFault);
    const onOccurrence = (occurrence: Occurrence) => {
      notifications.occurred(occurrence);
      options.onOccurrence?.(occurrence);
    };
    const timing = { log, clock, syncs, dispatcher, remembered, onOccurrence, onFault };
    const scheduler = new Scheduler(timing);
    const app = httpApp({
      log,
      authenticator,
      origin: new PublicOrigin({
        hostname: options.hostname,
        publicUrl: options.publicUrl,
        allowedHosts: listOf(options.allowedHosts ?? ""),
        trustedProxies: listOf(options.trustProxy ?? ""),
      }),
      corsOrigins: listOf(options.corsOrigins ?? ""),
      syncs,
      dispatcher,
      scheduler,
      outside,
      rates: new Rates(clock, {
        jobEvents: options.eventsPerS,
        tenantEvents: options.tenantEventsPerS ?? 0,
        requests: options.requestsPerS ?? 0,
      }),
      viewers,
      metrics,
      metricsElsewhere: Boolean(options.metricsListen),
      notifications,
      clock,
      stallAfterMs,
      bodyIdleMs,
    }, VERSION);
    metrics.observe({ viewers, log, scheduler });
    options.beforeListening?.({ keys });
    const { hostname } = options;
    const handler = (request: Request, connection: object) => app.fetch(request, connection);
    const tls = tlsOf(options);
    const listening = await listen({ hostname, port: options.port, handler, tls });
    opened.push(() => listening.stop(STOP_MS));
    opened.push(async () => {
      viewers.closeDoors();
      await dispatcher.stop(options.stopGraceMs);
      // Viewers of the jobs that have just ended are woken two turns later, and leave by themselves.
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
      await viewers.drain(DRAIN_MS + viewers.size * DRAIN_MS_PER_VIEWER);
    });
    opened.push(() => scheduler.stop());
    if (options.metricsListen) opened.push(await listenForMetrics(options.metricsListen, metrics));
    const url = urlOf(hostname, listening.port, tls && "https");
    const fingerprint = tls && new X509Certificate(tls.cert).fingerprint256;
    listener.url = url;
    notifications.send();
    if (options.schedules) await scheduler.start();
    const reload = (replaced: readonly ConfiguredSync[], targets?: readonly Target[]) => {
      syncs.replace(replaced);
      bridges.replace(replaced);
      if (options.schedules) scheduler.look();
      if (targets) notifications.replace(targets).catch(onFault);
    };
    const { port } = listening;
    return { url, port, fingerprint, directory, keys, signIns, reload, stop: closeAll };
  } catch (cause) {
    await closeAll();
    throw cause;
  }
}
