/** What the routes work with. */
import type { Authenticator } from "../auth/authenticator.ts";
import type { Clock } from "../clock.ts";
import type { Dispatcher } from "../jobs/dispatcher.ts";
import type { Notifications } from "../jobs/notify/notifications.ts";
import type { OutsideJobs } from "../jobs/outside_jobs.ts";
import type { Scheduler } from "../jobs/schedules/scheduler.ts";
import type { Syncs } from "../jobs/syncs.ts";
import type { EventLog } from "../log/event_log.ts";
import type { Viewers } from "../stream/viewers.ts";
import type { WriteDeadline } from "../stream/write_deadline.ts";
import type { Metrics } from "./metrics.ts";
import type { PublicOrigin } from "./public_origin.ts";
import type { Rates } from "./rates.ts";

export interface Services {
  readonly log: EventLog;
  readonly authenticator: Authenticator;
  readonly origin: PublicOrigin;
  /** Origins of pages elsewhere that may ask here (CORS); `*` for any. */
  readonly corsOrigins: readonly string[];
  readonly syncs: Syncs;
  readonly dispatcher: Dispatcher;
  readonly scheduler: Scheduler;
  readonly outside: OutsideJobs;
  readonly rates: Rates;
  readonly viewers: Viewers;
  /** Cuts off downloads of a log that are not read. */
  readonly downloads: WriteDeadline;
  readonly metrics: Metrics;
  /** Whether metrics have a listener of their own, and no route here. */
  readonly metricsElsewhere: boolean;
  readonly notifications: Pick<Notifications, "list">;
  readonly clock: Clock;
  /** A job to which nothing was appended for this long is shown as stalled. */
  readonly stallAfterMs: number;
  /** As BodyOptions.idleMs. */
  readonly bodyIdleMs: number;
  /** Fires when the server stops, once its jobs have ended and its viewers were sent away. */
  readonly stopping: AbortSignal;
}
