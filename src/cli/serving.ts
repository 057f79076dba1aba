/**
 * What serves requests, and what a server does by itself. It is loaded once the server listens, as
 * the app is: it has half of the modules.
 */
import type { PublicOrigin } from "../http/public_origin.ts";
import { Rates } from "../http/rates.ts";
import type { Services } from "../http/services.ts";
import { Hub } from "../hub/hub.ts";
import { PublishedLog } from "../hub/published_log.ts";
import { DURATIONS, SIZES, worth } from "../jobs/amounts.ts";
import { tellEnd } from "../jobs/end_lines.ts";
import { Bridges } from "../jobs/feeds/bridges.ts";
import type { Notifications } from "../jobs/notify/notifications.ts";
import type { Target } from "../jobs/notify/target.ts";
import type { Occurrence } from "../jobs/occurrence.ts";
import { OutsideJobs } from "../jobs/outside_jobs.ts";
import { Retention } from "../jobs/retention.ts";
import { Remembered } from "../jobs/schedules/remembered.ts";
import { Scheduler } from "../jobs/schedules/scheduler.ts";
import type { ConfiguredSync } from "../jobs/sync_config.ts";
import { Syncs } from "../jobs/syncs.ts";
import type { EventLog } from "../log/event_log.ts";
import { WriteDeadline } from "../stream/write_deadline.ts";
import type { OpenedAuth } from "./open_auth.ts";
import { Opened } from "./opened.ts";
import {
  authenticatorOf,
  dispatcherOf,
  type Ground,
  notificationsOf,
  viewersOf,
} from "./serving_parts.ts";

/**
 * How long viewers get to receive their last frame, in milliseconds: the least, and more for each
 * viewer.
 */
const DRAIN_MS = 1_000;
const DRAIN_MS_PER_VIEWER = 0.5;

/**
 * How long due notifications may be sent after a stop, in milliseconds; the rest waits for the next
 * start.
 */
const NOTIFY_STOP_MS = 2_000;

/** What was opened before. */
export interface Opening extends Omit<Ground, "log" | "hub"> {
  readonly store: EventLog;
  readonly auth: OpenedAuth;
  readonly origin: PublicOrigin;
  readonly corsOrigins: readonly string[];
  /** Where people reach this server; undefined before it listens. */
  readonly pages: () => string | undefined;
  /** As in Services. */
  readonly stopping: AbortSignal;
}

/** To be opened and started once each, and to be left and then closed before the log is. */
export class Serving {
  readonly services: Services;
  readonly #resident: boolean;
  readonly #notifications: Notifications;
  readonly #log: PublishedLog;
  readonly #onFault: (cause: unknown) => void;
  readonly #bridges: Bridges;
  readonly #retention: Retention;
  #started: Promise<void> | undefined;

  constructor(opening: Opening) {
    const { options, directory, metrics, onFault } = opening;
    const { clock, stallAfterMs, bodyIdleMs } = options;
    const hub = new Hub();
    const log = new PublishedLog(opening.store, hub, clock, tellEnd);
    const ground = { options, directory, log, hub, metrics, onFault };
    const dispatcher = dispatcherOf(ground);
    const viewers = viewersOf(ground);
    const notifications = notificationsOf(ground, viewers, opening.pages);
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
    const remembered = new Remembered(directory.file("schedules.json"), onFault);
    const onOccurrence = (occurrence: Occurrence) => notifications.occurred(occurrence);
    const scheduler = new Scheduler({
      log,
      clock,
      syncs,
      dispatcher,
      remembered,
      onOccurrence,
      onFault,
    });
    const unheard = (sync: ConfiguredSync) => dispatcher.leases.unheard(sync);
    this.#resident = options.resident ?? false;
    this.#onFault = onFault;
    this.#notifications = notifications;
    this.#log = log;
    this.#bridges = new Bridges({ outside, log, clock, onFault, unheard });
    this.#retention = new Retention({
      log,
      clock,
      onFault,
      ageMs: worth(options.retentionAge, DURATIONS),
      entriesMax: options.retentionEntries || Number.MAX_SAFE_INTEGER,
      bytesMax: worth(options.retentionBytes, SIZES),
    });
    metrics.observe({ viewers, log, scheduler, dispatcher });
    this.services = {
      log,
      authenticator: authenticatorOf(ground, opening.auth),
      origin: opening.origin,
      corsOrigins: opening.corsOrigins,
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
      stopping: opening.stopping,
    };
  }

  /**
   * Ends jobs that an earlier process has left, and queues what targets are to be told of them; to
   * be called before anything else, and again where it has failed.
   *
   * @param targets as in ServerOptions, once called
   * @throws as Notifications.open and EventLog.append
   */
  async open(targets: readonly Target[] | undefined): Promise<void> {
    if (targets) await this.#notifications.open(targets);
    await this.services.dispatcher.open();
    await this.#notifications.watch();
  }

  /** Watches leases, and begins what a resident server does; resolves when due runs are started. */
  start(): Promise<void> {
    return this.#started ??= this.#start();
  }

  async #start(): Promise<void> {
    this.services.dispatcher.watch();
    this.#notifications.send();
    if (!this.#resident) return;
    const { syncs, scheduler } = this.services;
    this.#retention.start();
    this.#bridges.replace(syncs.all);
    await scheduler.start();
  }

  /** Replaces the syncs, and the targets when they are given. */
  reload(replaced: readonly ConfiguredSync[], targets?: readonly Target[]): void {
    const { syncs, scheduler } = this.services;
    syncs.replace(replaced);
    if (this.#resident) {
      this.#bridges.replace(replaced);
      scheduler.look();
    }
    syncs.load().catch(this.#onFault);
    if (targets) this.#notifications.replace(targets).catch(this.#onFault);
  }

  /** Refuses new viewers, ends running jobs, and sends the viewers away. */
  async leave(graceMs: number): Promise<void> {
    const { scheduler, dispatcher, viewers } = this.services;
    await scheduler.stop();
    viewers.closeDoors();
    await dispatcher.stop(graceMs);
    await viewers.drain(DRAIN_MS + viewers.size * DRAIN_MS_PER_VIEWER);
  }

  /** Ends what goes on without requests. */
  async close(): Promise<void> {
    const closing = new Opened();
    closing.push(() => this.#notifications.stop(NOTIFY_STOP_MS));
    closing.push(() => this.#log.woken()); // targets are to be told of what has just ended, too
    closing.push(() => this.services.dispatcher.stop());
    closing.push(() => this.#retention.stop());
    closing.push(() => this.#bridges.stop());
    await closing.closeAll();
  }
}
