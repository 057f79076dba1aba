/** What the routes work with. */
import type { KeyStore } from "../auth/key_store.ts";
import type { Dispatcher } from "../jobs/dispatcher.ts";
import type { Syncs } from "../jobs/syncs.ts";
import type { EventLog } from "../log/event_log.ts";
import type { Viewers } from "../stream/viewers.ts";

export interface Services {
  readonly log: EventLog;
  readonly keys: KeyStore;
  readonly syncs: Syncs;
  readonly dispatcher: Dispatcher;
  readonly viewers: Viewers;
}
