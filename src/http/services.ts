/** What the routes work with. */
import type { KeyStore } from "../auth/key_store.ts";
import type { Clock } from "../clock.ts";
import type { Dispatcher } from "../jobs/dispatcher.ts";
import type { EventRate } from "../jobs/event_rate.ts";
import type { Notifications } from "../jobs/notify/notifications.ts";
import type { OutsideJobs } from "../jobs/outside_jobs.ts";
import type { Syncs } from "../jobs/syncs.ts";
import type { EventLog } from "../log/event_log.ts";
import type { Viewers } from "../stream/viewers.ts";

export interface Services {
  readonly log: EventLog;
  readonly keys: KeyStore;
  readonly syncs: Syncs;
  readonly dispatcher: Dispatcher;
  readonly outside: OutsideJobs;
  readonly rate: EventRate;
  readonly viewers: Viewers;
  readonly notifications: Pick<Notifications, "list">;
  readonly clock: Clock;
  /** A job whose source says nothing for so long is shown as stalled. */
  readonly stallAfterMs: number;
  /** A body in which nothing whole arrives for so long is cut. */
  readonly bodyIdleMs: number;
}
