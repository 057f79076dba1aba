/** The parts of a server that are opened before it listens. */
import { jobJson } from "../http/job_json.ts";
import type { Metrics } from "../http/metrics.ts";
import { Hub } from "../hub/hub.ts";
import { PublishedLog } from "../hub/published_log.ts";
import { Dispatcher } from "../jobs/dispatcher.ts";
import { tellEnd } from "../jobs/end_lines.ts";
import { Notifications } from "../jobs/notify/notifications.ts";
import { type DataDirectory, LOG_FILE } from "../log/data_directory.ts";
import { SqliteLog } from "../log/sqlite_log.ts";
import type { Viewers } from "../stream/viewers.ts";
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

/** The log, with the hub that wakes whoever follows it. */
export type Published = ReturnType<typeof openLog>;

/** Opens the log. @throws as SqliteLog */
export function openLog({ options, directory, opened }: Ground) {
  const sqlite = new SqliteLog({ ...options, path: directory.file(LOG_FILE) });
  opened.push(() => sqlite.close());
  const hub = new Hub();
  return { log: new PublishedLog(sqlite, hub, options.clock, tellEnd), hub };
}

/**
 * Opens notifications.
 *
 * @param pages where people reach this server; undefined before it listens
 * @param viewers those of a job
 */
export async function openNotifications(
  { options, directory, opened, metrics, onFault }: Ground,
  { log, hub }: Published,
  pages: () => string | undefined,
  viewers: Pick<Viewers, "of">,
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

/** Ends jobs that an earlier process has left, and can run others then. @throws as EventLog.append */
export async function openDispatcher(
  { options, opened, onFault }: Ground,
  { log }: Published,
): Promise<Dispatcher> {
  const dispatcher = new Dispatcher({ ...options, log, owner: crypto.randomUUID(), onFault });
  opened.push(() => dispatcher.stop());
  await dispatcher.open();
  return dispatcher;
}
