/** The parts of a server, in the order in which they are opened. */
import type { Authenticator } from "../auth/authenticator.ts";
import { jobJson } from "../http/job_json.ts";
import type { Metrics } from "../http/metrics.ts";
import { PublicOrigin } from "../http/public_origin.ts";
import { Rates } from "../http/rates.ts";
import type { Services } from "../http/services.ts";
import { Hub } from "../hub/hub.ts";
import { PublishedLog } from "../hub/published_log.ts";
import { DURATIONS, SIZES, worth } from "../jobs/amounts.ts";
import { Bridges } from "../jobs/feeds/bridges.ts";
import { Dispatcher } from "../jobs/dispatcher.ts";
import { tellEnd } from "../jobs/end_lines.ts";
import { Notifications } from "../jobs/notify/notifications.ts";
import type { Occurrence } from "../jobs/occurrence.ts";
import { OutsideJobs } from "../jobs/outside_jobs.ts";
import { Retention } from "../jobs/retention.ts";
import { Remembered } from "../jobs/schedules/remembered.ts";
import { Scheduler } from "../jobs/schedules/scheduler.ts";
import type { ConfiguredSync } from "../jobs/sync_config.ts";
import { Syncs } from "../jobs/syncs.ts";
import { type DataDirectory, LOG_FILE } from "../log/data_directory.ts";
import { SqliteLog } from "../log/sqlite_log.ts";
import { Viewers } from "../stream/viewers.ts";
import { WriteDeadline } from "../stream/write_deadline.ts";
import { listOf } from "./address_rules.ts";
import type { Opened } from "./opened.ts";
import { pageUrl } from "./pages.ts";
import type { ServerOptions } from "./server_options.ts";

/**
 * How long due notifications may be sent after a stop, in milliseconds; the rest waits for the next
 * start.
 */
const NOTIFY_STOP_MS = 2_000;

/** What every part is given. */
export interface Ground {
  readonly options: ServerOptions;
  readonly directory: DataDirectory;
  readonly opened: Opened;
  readonly metrics: Metrics;
  readonly onFault: (cause: unknown) => void;
}

/** The log, the hub and the viewers. */
export type Streams = ReturnType<typeof openStreams>;

/** Opens the log, the hub and the viewers. @throws as SqliteLog */
export function openStreams({ options, directory, opened, metrics, onFault }: Ground) {
  const sqlite = new SqliteLog({ ...options, path: directory.file(LOG_FILE) });
  opened.push(() => sqlite.close());
  const hub = new Hub();
  const log = new PublishedLog(sqlite, hub, options.clock, tellEnd);
  const limits = {
    all: options.viewersMax || Infinity,
    tenant: options.viewersPerTenant || Infinity,
    job: options.viewersPerJob || Infinity,
    key: options.viewersPerKey || Infinity,
  };
  const { served: onServed, beaten: onHeartbeats } = metrics;
  const viewers = new Viewers({ ...options, log, hub, limits, onFault, onServed, onHeartbeats });
  return { log, hub, metrics, viewers };
}

/** Opens notifications. @param pages where people reach this server; undefined before it listens */
export async function openNotifications(
  { options, directory, opened, metrics, onFault }: Ground,
  { log, hub, viewers }: Streams,
  pages: () => string | undefined,
): Promise<Notifications> {
  const { clock, stallAfterMs } = options;
  const notifications = new Notifications({
    ...options,
    path: directory.file("notify.db"),
    log,
    hub,
    onFault,
    onUntold: () => metrics.faulted(),
    show: (job) => jobJson(job, { viewers, clock, stallAfterMs }),
    linkOf: (page) => {
      // A server of a command is gone before anybody follows a link to it.
      const base = options.resident ? pages() : options.publicUrl;
      return base && pageUrl(base, page);
    },
  });
  opened.push(() => notifications.stop(NOTIFY_STOP_MS));
  if (options.notify) await notifications.open(options.notify());
  return notifications;
}

/** The parts that create, run and end jobs. */
export type Jobs = Awaited<ReturnType<typeof openJobs>>;

/**
 * Ends jobs that an earlier process has left, then opens the parts that run jobs.
 *
 * @throws as EventLog.append
 */
export async function openJobs(
  { options, directory, opened, onFault }: Ground,
  { log }: Streams,
  notifications: Notifications,
) {
  const { clock } = options;
  const dispatcher = new Dispatcher({ ...options, log, owner: crypto.randomUUID(), onFault });
  opened.push(() => dispatcher.stop());
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
  if (options.resident) retention.start();
  opened.push(() => retention.stop());
  const syncs = new Syncs(
    options.syncs,
    [directory.path],
    async () => (await import("../runtime/files.ts")).files,
  );
  const outside = new OutsideJobs({
    log,
    syncs,
    clock,
    openMax: options.jobsPerTenant || Infinity,
    onRefused: () => dispatcher.leases.refused(),
  });
  const unheard = (sync: ConfiguredSync) => dispatcher.leases.unheard(sync);
  const bridges = new Bridges({ outside, log, clock, onFault, unheard });
  if (options.resident) bridges.replace(options.syncs);
  opened.push(() => bridges.stop());
  const remembered = new Remembered(directory.file("schedules.json"), onFault);
  const onOccurrence = (occurrence: Occurrence) => notifications.occurred(occurrence);
  const timing = { log, clock, syncs, dispatcher, remembered, onOccurrence, onFault };
  return { dispatcher, syncs, outside, bridges, scheduler: new Scheduler(timing) };
}

/** All that the routes need. */
export function servicesOf(
  options: ServerOptions,
  authenticator: Authenticator,
  { log, metrics, viewers }: Streams,
  { dispatcher, syncs, outside, scheduler }: Jobs,
  notifications: Notifications,
  stopping: AbortSignal,
): Services {
  const { clock, hostname, publicUrl, stallAfterMs, bodyIdleMs } = options;
  return {
    log,
    authenticator,
    origin: new PublicOrigin({
      hostname,
      publicUrl,
      allowedHosts: listOf(options.allowedHosts),
      trustedProxies: listOf(options.trustProxy),
    }),
    corsOrigins: listOf(options.corsOrigins),
    syncs,
    dispatcher,
    scheduler,
    outside,
    rates: new Rates(clock, {
      jobEvents: options.eventsPerS,
      tenantEvents: options.tenantEventsPerS,
      requests: options.requestsPerS,
    }),
    viewers,
    downloads: new WriteDeadline(clock, options.writeTimeoutMs),
    metrics,
    metricsElsewhere: Boolean(options.metricsListen),
    notifications,
    clock,
    stallAfterMs,
    bodyIdleMs,
    stopping,
  };
}
