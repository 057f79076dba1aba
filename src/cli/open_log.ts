/** The log of a server, which is opened before it listens, and what its other parts are given too. */
import type { Metrics } from "../http/metrics.ts";
import { Hub } from "../hub/hub.ts";
import { PublishedLog } from "../hub/published_log.ts";
import { tellEnd } from "../jobs/end_lines.ts";
import { type DataDirectory, LOG_FILE } from "../log/data_directory.ts";
import { SqliteLog } from "../log/sqlite_log.ts";
import type { Opened } from "./opened.ts";
import type { ServerOptions } from "./server_options.ts";

/** What every part of a server is given. */
export interface Ground {
  readonly options: ServerOptions;
  readonly directory: DataDirectory;
  readonly metrics: Metrics;
  readonly onFault: (cause: unknown) => void;
}

/** The log, with the hub that wakes whoever follows it. */
export type Published = ReturnType<typeof openLog>;

/** Opens the log. @throws as SqliteLog */
export function openLog(
  { options, directory }: Ground,
  opened: Pick<Opened, "push">,
) {
  const sqlite = new SqliteLog({ ...options, path: directory.file(LOG_FILE) });
  opened.push(() => sqlite.close());
  const hub = new Hub();
  return { log: new PublishedLog(sqlite, hub, options.clock, tellEnd), hub };
}
