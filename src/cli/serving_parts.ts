/** What serves requests is made of these, all of which go by the log and its wake-ups. */
import { Authenticator } from "../auth/authenticator.ts";
import { IdentityProviders } from "../auth/identity_providers.ts";
import { Sessions } from "../auth/sessions.ts";
import { Tickets } from "../auth/tickets.ts";
import { jobJson } from "../http/job_json.ts";
import type { Metrics } from "../http/metrics.ts";
import type { Hub } from "../hub/hub.ts";
import { Dispatcher } from "../jobs/dispatcher.ts";
import { Notifications } from "../jobs/notify/notifications.ts";
import { type DataDirectory, NOTIFY_FILE } from "../log/data_directory.ts";
import type { EventLog } from "../log/event_log.ts";
import { Viewers } from "../stream/viewers.ts";
import { NO_AUTH } from "./auth_config.ts";
import type { OpenedAuth } from "./open_auth.ts";
import { pageUrl } from "./pages.ts";
import type { ServerOptions } from "./server_options.ts";

/** What the parts are given. */
export interface Ground {
  readonly options: ServerOptions;
  readonly directory: DataDirectory;
  readonly log: EventLog;
  readonly hub: Hub;
  readonly metrics: Metrics;
  readonly onFault: (cause: unknown) => void;
}

export function authenticatorOf(
  { options: { auth = NO_AUTH, clock } }: Ground,
  { keys, signIns, secret, ticketKeys }: OpenedAuth,
): Authenticator {
  return new Authenticator({
    keys,
    signIns,
    sessions: new Sessions(secret, signIns, clock),
    tickets: new Tickets(secret, clock, ticketKeys),
    providers: new IdentityProviders(auth.providers, clock),
    clock,
  });
}

export function dispatcherOf({ options, log, onFault }: Ground): Dispatcher {
  return new Dispatcher({ ...options, log, owner: crypto.randomUUID(), onFault });
}

export function viewersOf({ options, log, hub, metrics, onFault }: Ground): Viewers {
  const limits = {
    all: options.viewersMax || Infinity,
    tenant: options.viewersPerTenant || Infinity,
    job: options.viewersPerJob || Infinity,
    key: options.viewersPerKey || Infinity,
  };
  const { served: onServed, beaten: onHeartbeats } = metrics;
  return new Viewers({ ...options, log, hub, limits, onFault, onServed, onHeartbeats });
}

/** @param pages where people reach this server; undefined before it listens */
export function notificationsOf(
  { options, directory, log, hub, metrics, onFault }: Ground,
  viewers: Viewers,
  pages: () => string | undefined,
): Notifications {
  const { clock, stallAfterMs } = options;
  return new Notifications({
    ...options,
    path: directory.file(NOTIFY_FILE),
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
}
